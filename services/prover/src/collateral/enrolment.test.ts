import { accept, Hex, Secp256k1 } from '@haca/core'
import { appraiseKey, AppraisalRecord, Collection, HARDWARE_VERIFIERS, KeyBinding, MEDIA_TYPES, Policy, type TrustAnchors } from '@haca/core/tee'
import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { DcapBuilder, Pki, PolicyBuilder } from '@haca/core/tee/testing'
import { KeyAppraisedSchema } from '@haca/proto'
import { KeyArchive, MemoryBlobs } from '@haca/platform/blobs'
import { MemoryBus, MemoryLog } from '@haca/platform/bus'
import type { InForce } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryChallenges } from '../challenges.js'
import { drawChallenge, enrollKey, type Enrolment } from '../enroll-key.js'
import { LiveKeys } from '../live-keys.js'
import type { Registration } from '../ports.js'
import { openCollateral } from './open-collateral.js'
import { intelReplies } from './testing/collateral-world.js'
import { localVendor, type LocalVendor } from './testing/local-vendors.js'

// From a node's evidence to the registry, and out of it again: a TDX machine under a root of the test, and its vendor on this machine.

const begun = DcapBuilder.DCAP_AT.getTime()
const logger = createLogger('test', 'silent')
const crypto = nodeCrypto()
const dcap = DcapBuilder.dcapWorld()
const roots: TrustAnchors = { intel: [dcap.root.der] }
const nodeKey = new Uint8Array(32).fill(9)
const node = Secp256k1.addressOfKey(nodeKey)
const fmspc = DcapBuilder.FMSPC.toString('hex').toUpperCase()

const { hardware } = PolicyBuilder.policyJson() as { hardware: PolicyBuilder.PolicyJson[] }
const policy = Policy.decodePolicy(PolicyBuilder.encodePolicy(PolicyBuilder.policyJson({ hardware: hardware.filter(({ id }) => id === 'tdx-spr' || id === 'snp-genoa') })))

let now = begun
let vendor: LocalVendor
let retired: Hex.Hex[]
let registered: Map<string, Registration>
let world: Enrolment & { collateral: ReturnType<typeof openCollateral> }

beforeEach(async () => {
  now = begun
  retired = []
  registered = new Map()
  vendor = await localVendor(intelReplies({ endorsements: DcapBuilder.collateral(dcap), listIssuerChain: dcap.ca.pem + dcap.root.pem, fmspc }))
  const blobs = new MemoryBlobs()
  const archive = new KeyArchive(blobs)
  const urls = { intelPcs: vendor.url, intelCertificates: vendor.url, amdKds: vendor.url, nvidiaRim: vendor.url, nvidiaOcsp: vendor.url, aws: vendor.url }
  const collateral = openCollateral({ archive, blobs, roots, golden: undefined, crypto, logger, now: () => now }, { mode: 'online', urls, deadlineMs: 5_000 })
  const bus = new MemoryBus(new MemoryLog(), logger)
  await bus.ensure([{ schema: KeyAppraisedSchema }])
  const inForce = (): InForce => ({ policy, daRef: Hex.zero32, readAtMs: now })
  const watch = {
    ...{ archive, bus, collateral, crypto, logger, verifiers: HARDWARE_VERIFIERS, roots: () => roots, now: () => now },
    ...{ scope: { chainId: 84532, registry: `0x${'11'.repeat(20)}` as Hex.Hex }, evidenceKey: new Uint8Array(32).fill(5) },
    keys: { record: async (key: Hex.Hex) => registered.get(key) && { evidenceId: Hex.zero32, notAfter: BigInt(now), retiredAt: retired.includes(key) ? 1n : 0n }, validity: async () => 'valid' },
    registrar: { register: async (key: Registration) => void registered.set(key.node, key), retire: async (key: Hex.Hex) => void retired.push(key) },
    feed: { current: () => accept(inForce()), onChange: () => () => undefined },
  }
  world = { ...watch, challenges: new MemoryChallenges(), live: new LiveKeys(watch), verifierId: new Uint8Array(32).fill(1) }
})
afterEach(async () => {
  await world.live.stop()
  await vendor[Symbol.asyncDispose]()
})

/** What the node hands in: a quote over its key and the challenge. */
async function handIn(): Promise<Uint8Array> {
  const challenge = drawChallenge(node, world)
  const binding: KeyBinding.KeyBinding = {
    ...{ v: 1, domain: KeyBinding.BINDING_DOMAIN, chainId: 84532, registry: Hex.toBytes(`0x${'11'.repeat(20)}`), nodeId: new Uint8Array(32), kind: 'tdx' },
    ...{ receiptKey: Secp256k1.publicKeyOf(nodeKey), hpkeKey: null, tlsSpki: null, models: [Hex.toBytes(`0x${PolicyBuilder.MODEL_HASH}`)], imageId: 'engine-1.8.0', session: new Uint8Array(16), gpu: [] },
  }
  const bytes = DcapBuilder.quote(dcap, { body: { [DcapBuilder.TD.reportData]: KeyBinding.boundFields(binding, challenge).userData } })
  return Collection.encodeCollection({ binding, challenge, machine: { evidence: { kind: 'tdx', mediaType: MEDIA_TYPES.tdx, bytes }, endorsements: [] }, devices: [] })
}

const failed = ({ reasons }: AppraisalRecord.AppraisalRecord): string[] => reasons.filter(({ ok }) => !ok).map(({ rule, detail }) => `${rule}: ${detail}`)

describe('a node that hands in a quote and nothing of Intel’s', () => {
  it('is believed by what Intel says, and the record names every statement by its digest', async () => {
    const record = AppraisalRecord.decodeRecord((await enrollKey(await handIn(), world)).record)
    expect(failed(record)).toEqual([])
    expect(record).toMatchObject({ outcome: 'affirming', hardwareId: 'tdx-spr', product: `fmspc:${fmspc}` })
    expect(record.collateral.map(({ role }) => role).toSorted()).toEqual(['pck-crl', 'qe-identity', 'qe-identity-chain', 'root-crl', 'tcb-info', 'tcb-info-chain'])
    for (const { digest } of record.collateral) expect(`0x${createHash('sha256').update((await world.archive.collateral(digest))!).digest('hex')}`).toBe(digest)
  })

  it('is believed years later by whoever has the archive, and without it by nobody', async () => {
    const record = AppraisalRecord.decodeRecord((await enrollKey(await handIn(), world)).record)
    const bytes = (await world.archive.evidence(record.evidenceId))!
    const endorsements = await Promise.all(record.collateral.map(async ({ role, digest }) => ({ role, bytes: (await world.archive.collateral(digest))! })))
    const again = (collateral: typeof endorsements) => appraiseKey({ bytes, collateral: () => collateral, receivedAt: new Date(record.receivedAt * 1000), at: new Date(record.appraisedAt * 1000), policy, roots, verifiers: HARDWARE_VERIFIERS, crypto })
    expect((await again(endorsements)).appraisal.outcome).toBe('affirming')
    expect((await again([])).appraisal).toMatchObject({ outcome: 'contraindicated', reasons: [{ rule: 'machine.verified', detail: expect.stringContaining('endorsement-missing') }] })
  })

  it('is told to come again while Intel is away, and its challenge is not the last', async () => {
    const replies = { ...vendor.replies }
    for (const path of Object.keys(replies)) vendor.replies[path] = { status: 503 }
    await expect(enrollKey(await handIn(), world)).rejects.toMatchObject({ code: 'collateral.unreachable', retryable: true })
    Object.assign(vendor.replies, replies)
    now += 31_000
    expect(AppraisalRecord.decodeRecord((await enrollKey(await handIn(), world)).record).outcome).toBe('affirming')
  }, 30_000)

  it('loses its registration once Intel revokes its PCK, and an older list does not bring it back', async () => {
    await world.live.start(3_600_000)
    await enrollKey(await handIn(), world)
    await expect.poll(() => registered.has(node.toLowerCase())).toBe(true)
    const path = '/sgx/certification/v4/pckcrl?ca=platform&encoding=der'
    const before = vendor.replies[path]!
    const revoked = Pki.issueCrl({ issuer: dcap.ca, revoked: [dcap.pck.serial], thisUpdate: new Date('2026-01-10T15:00:00Z') })
    vendor.replies[path] = { ...(before as object), body: revoked }
    now += 7 * 3_600_000
    await world.collateral.refresh()
    await expect.poll(() => retired).toEqual([node.toLowerCase()])
    const last = AppraisalRecord.decodeRecord((await world.archive.history(node)).at(-1)!.record)
    expect(failed(last)).toEqual([expect.stringContaining('certificate-revoked')])

    vendor.replies[path] = before
    now += 7 * 3_600_000
    await world.collateral.refresh()
    const record = AppraisalRecord.decodeRecord((await enrollKey(await handIn(), world)).record)
    expect(failed(record)).toEqual([expect.stringContaining('certificate-revoked')])
  })
})
