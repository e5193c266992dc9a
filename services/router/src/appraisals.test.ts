import { create } from '@bufbuild/protobuf'
import { accept, Hex, refuse, Secp256k1, type Verdict } from '@haca/core'
import { AppraisalRecord, Policy, Removals } from '@haca/core/tee'
import { PolicyBuilder } from '@haca/core/tee/testing'
import { KeyAppraisedSchema, SignedAppraisalSchema } from '@haca/proto'
import { MemoryBus, MemoryLog } from '@haca/platform/bus'
import type { InForce, NoPolicy } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { beforeEach, describe, expect, it } from 'vitest'
import { Appraisals, hearAgain } from './appraisals.js'

const prover = new Uint8Array(32).fill(5)
const scope = { chainId: 84532, registry: `0x${'11'.repeat(20)}` as Hex.Hex }
const node = `0x${'ab'.repeat(20)}` as Hex.Hex
const document = Policy.decodePolicy(PolicyBuilder.encodePolicy(PolicyBuilder.policyJson({ epoch: 42 })))

let now = 1_800_000_000_000
let current: Verdict<InForce, NoPolicy>
let changed: () => void
let appraisals: Appraisals

const inForce = (epoch: number): Verdict<InForce, NoPolicy> => accept({ policy: Removals.withRemovals(document, epoch, []), daRef: Hex.zero32, readAtMs: now })

const record = (change: Partial<AppraisalRecord.AppraisalRecord> = {}): AppraisalRecord.AppraisalRecord => ({
  ...{ node, kind: 'tdx', evidenceId: Hex.zero32, outcome: 'affirming', reasons: [], receivedAt: now / 1000, appraisedAt: now / 1000, expiresAt: now / 1000 + 3_600 },
  ...{ policyEpoch: 42, policyDigest: Hex.zero32, hardwareId: 'tdx-spr', imageId: 'engine', product: null, platformId: null, models: [], collateral: [] },
  ...change,
})
const hear = (one: AppraisalRecord.AppraisalRecord, by = prover): Promise<void> =>
  appraisals.hear(create(KeyAppraisedSchema, { node: Hex.toBytes(one.node), appraisal: create(SignedAppraisalSchema, AppraisalRecord.signRecord(one, scope, by)) }))

beforeEach(() => {
  now = 1_800_000_000_000
  current = inForce(42)
  appraisals = new Appraisals({
    signers: [Secp256k1.addressOfKey(prover)],
    scope,
    primitives: Secp256k1.portable,
    feed: { current: () => current, onChange: (listener) => ((changed = () => listener({} as InForce)), () => undefined) },
    logger: createLogger('test', 'silent'),
    now: () => now,
  })
})

describe('a fresh router', () => {
  it('knows at once what provers said before it came, and is not stopped by what is forged', async () => {
    now = Date.now()
    const bus = new MemoryBus(new MemoryLog(), createLogger('test', 'silent'))
    const said = (by: Uint8Array) => create(KeyAppraisedSchema, { node: Hex.toBytes(node), appraisal: create(SignedAppraisalSchema, AppraisalRecord.signRecord(record({ appraisedAt: Math.floor(now / 1000), receivedAt: Math.floor(now / 1000), expiresAt: Math.floor(now / 1000) + 3_600 }), scope, by)) })
    await bus.ensure([{ schema: KeyAppraisedSchema }])
    for (const by of [new Uint8Array(32).fill(6), prover]) await bus.publish(KeyAppraisedSchema, said(by))
    await hearAgain(bus, appraisals, { logger: createLogger('test', 'silent'), now: () => now })
    expect(appraisals.hardwareOf(node)).toBe('tdx-spr')
  })
})

describe('trust in a key', () => {
  it('names the hardware that an affirming appraisal found', async () => {
    expect(appraisals.hardwareOf(node)).toBeUndefined()
    await hear(record())
    expect(appraisals.hardwareOf(node)).toBe('tdx-spr')
    expect(appraisals.hardwareOf(Hex.checksum(node))).toBe('tdx-spr')
  })

  it('runs out unless it is renewed', async () => {
    await hear(record())
    now += 90_000
    expect(appraisals.hardwareOf(node)).toBe('tdx-spr')
    now += 1_000
    expect(appraisals.hardwareOf(node)).toBeUndefined()
    await hear(record())
    expect(appraisals.hardwareOf(node)).toBe('tdx-spr')
  })

  it('ends at once with a contraindication, and an older word does not bring it back', async () => {
    const earlier = record()
    now += 1_000
    await hear(record({ outcome: 'contraindicated' }))
    await hear(earlier)
    expect(appraisals.hardwareOf(node)).toBeUndefined()
  })

  it('ends with the key’s own life', async () => {
    await hear(record({ expiresAt: now / 1000 + 10 }))
    now += 10_000
    expect(appraisals.hardwareOf(node)).toBeUndefined()
  })

  it('outlives a change of policy only for as long as provers need to go round', async () => {
    await hear(record())
    current = inForce(43)
    changed()
    now += 20_000
    expect(appraisals.hardwareOf(node)).toBe('tdx-spr')
    now += 1_000
    expect(appraisals.hardwareOf(node)).toBeUndefined()
    await hear(record({ policyEpoch: 43 }))
    expect(appraisals.hardwareOf(node)).toBe('tdx-spr')
  })

  it('does not come back by the word of a prover that has not seen the newer policy', async () => {
    await hear(record())
    await hear(record({ outcome: 'contraindicated', policyEpoch: 43, appraisedAt: now / 1000 + 1 }))
    now += 2_000
    await hear(record({ policyEpoch: 42, appraisedAt: now / 1000 }))
    expect(appraisals.hardwareOf(node)).toBeUndefined()
  })

  it('does not come back in the second in which it ended', async () => {
    await hear(record({ outcome: 'contraindicated' }))
    await hear(record())
    expect(appraisals.hardwareOf(node)).toBeUndefined()
  })

  it('is not longer for a prover whose clock is ahead, and what it said then hides nothing that is said later', async () => {
    await hear(record({ appraisedAt: now / 1000 + 3_000, receivedAt: now / 1000 }))
    expect(appraisals.hardwareOf(node)).toBeUndefined()
    await hear(record())
    expect(appraisals.hardwareOf(node)).toBe('tdx-spr')
    now += 91_000
    expect(appraisals.hardwareOf(node)).toBeUndefined()
  })

  it('is nobody’s while the policy cannot be seen', async () => {
    await hear(record())
    current = refuse('policy.stale')
    expect(appraisals.hardwareOf(node)).toBeUndefined()
  })

  it('is not taken from anybody but a prover we know', async () => {
    await expect(hear(record(), new Uint8Array(32).fill(6))).rejects.toMatchObject({ code: 'appraisal.forged' })
    expect(appraisals.hardwareOf(node)).toBeUndefined()
  })
})
