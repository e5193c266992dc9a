import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../bytes.js'
import { MEDIA_TYPES } from '../evidence.js'
import { nodeCrypto } from '../node-crypto.js'
import { BINDING_DOMAIN, boundFields, deviceNonce, type Challenge, type KeyBinding } from '../policy/binding.js'
import { decodePolicy, type Policy } from '../policy/document.js'
import { withRemovals } from '../policy/removals.js'
import { simulated } from '../simulated.js'
import { encodePolicy, MODEL_HASH, policyJson } from '../testing/policy-builder.js'
import { SIMULATED_AT, simulatedEvidence, simulatedWorld } from '../testing/simulated-builder.js'
import { HARDWARE_VERIFIERS } from '../verify.js'
import { appraiseKey, type KeyAppraisalInput } from './appraise-key.js'
import { encodeCollection, type KeyCollection, type Piece } from './collection.js'

const world = simulatedWorld()
const receiptKey = secp256k1.getPublicKey(new Uint8Array(32).fill(9), true)
const challenge: Challenge = { verifierId: new Uint8Array(32).fill(1), random: new Uint8Array(32).fill(2), expiresAt: SIMULATED_AT.getTime() / 1000 + 200 }

const device: Piece = {
  evidence: {
    kind: 'simulated',
    mediaType: MEDIA_TYPES.simulated,
    bytes: simulatedEvidence(world, { role: 'gpu', product: 'sim-gpu', platform_id: Uint8Array.of(7), nonce: deviceNonce(challenge, receiptKey), measurements: {}, user_data: new Uint8Array(0) }),
  },
  endorsements: [],
}

const binding: KeyBinding = {
  v: 1,
  domain: BINDING_DOMAIN,
  chainId: 84532,
  registry: fromHex('11'.repeat(20))!,
  nodeId: new Uint8Array(32).fill(3),
  kind: 'simulated',
  receiptKey,
  hpkeKey: null,
  tlsSpki: null,
  models: [fromHex(MODEL_HASH)!],
  imageId: 'sim',
  session: new Uint8Array(16),
  gpu: [sha256(device.evidence.bytes)],
}

function machine(change: Record<string, unknown> = {}): Piece {
  const { userData, nonce, publicKey } = boundFields(binding, challenge)
  const bytes = simulatedEvidence(world, { user_data: userData, nonce: nonce!, public_key: publicKey!, ...change })
  return { evidence: { kind: 'simulated', mediaType: MEDIA_TYPES.simulated, bytes }, endorsements: [] }
}

const policy: Policy = decodePolicy(
  encodePolicy(
    policyJson({
      network: 'local',
      hardware: [
        { id: 'sim', kind: 'simulated', products: ['sim-cpu'], revocation: 'unchecked', maxKeyHours: 1 },
        { id: 'sim-gpu', kind: 'simulated', products: ['sim-gpu'], revocation: 'unchecked', with: ['sim'] },
      ],
      images: [{ id: 'sim', kind: 'simulated', match: { image: '33'.repeat(48) }, activeFrom: 0 }],
    }),
  ),
)

const run = (change: { collection?: Partial<KeyCollection>; input?: Partial<KeyAppraisalInput> } = {}) =>
  appraiseKey({
    bytes: encodeCollection({ binding, challenge, machine: machine(), devices: [device], ...change.collection }),
    collateral: () => [],
    receivedAt: new Date(SIMULATED_AT.getTime() + 2_000),
    at: new Date(SIMULATED_AT.getTime() + 3_000),
    policy,
    roots: { simulated: [world.root.der] },
    verifiers: [...HARDWARE_VERIFIERS, simulated],
    crypto: nodeCrypto(),
    ...change.input,
  })

const failed = ({ appraisal }: Awaited<ReturnType<typeof run>>): string[] => appraisal.reasons.filter(({ ok }) => !ok).map(({ rule }) => rule)

describe('appraising a key', () => {
  it('affirms a machine with its device, and says until when', async () => {
    const result = await run()
    expect(failed(result)).toEqual([])
    expect(result.appraisal).toMatchObject({ outcome: 'affirming', hardwareId: 'sim', imageId: 'sim', policyEpoch: 42 })
    expect(result.appraisal.expiresAt.getTime()).toBeLessThanOrEqual(SIMULATED_AT.getTime() + 3_602_000)
    expect(result.claims.map(({ role }) => role)).toEqual(['cpu', 'gpu'])
    const bytes = encodeCollection(result.collection)
    expect(result.evidenceId).toBe(toHex(sha256(bytes)))
  })

  it('gives a refused piece as the reason, with its code', async () => {
    const other = simulatedWorld()
    const { appraisal, claims } = await run({ input: { roots: { simulated: [other.root.der] } } })
    expect(appraisal.outcome).toBe('contraindicated')
    expect(appraisal.reasons).toEqual([{ rule: 'machine.verified', ok: false, detail: expect.stringContaining('path-root-untrusted') as string }])
    expect(appraisal.expiresAt).toEqual(new Date(SIMULATED_AT.getTime() + 3_000))
    expect(claims).toEqual([])
  })

  it('has no verifier for simulated evidence unless its caller wrote one in', async () => {
    const { appraisal } = await run({ input: { verifiers: HARDWARE_VERIFIERS } })
    expect(appraisal.reasons[0]).toMatchObject({ rule: 'machine.verified', ok: false, detail: 'evidence-kind-mismatch: no verifier for simulated' })
  })

  it('refuses a device that answered another challenge', async () => {
    const stray = { ...device, evidence: { ...device.evidence, bytes: simulatedEvidence(world, { role: 'gpu', product: 'sim-gpu', nonce: new Uint8Array(32), platform_id: Uint8Array.of(7) }) } }
    expect(failed(await run({ collection: { devices: [stray] } }))).toEqual(['devices.bound', 'gpu[0].nonce'])
  })

  it('refuses a key whose hardware signed another key', async () => {
    const stolen = secp256k1.getPublicKey(new Uint8Array(32).fill(10), true)
    expect(failed(await run({ collection: { binding: { ...binding, receiptKey: stolen } } }))).toEqual(['binding.user-data', 'binding.public-key', 'gpu[0].nonce'])
  })

  it('turns around when a guardian removes its product, and gives his reason', async () => {
    const removed = withRemovals(policy, 43, [{ entry: 'product', value: 'simulated/sim-cpu', reason: 'an incident', epoch: 43 }])
    const result = await run({ input: { policy: removed } })
    expect(result.appraisal).toMatchObject({ outcome: 'contraindicated', policyEpoch: 43 })
    expect(result.appraisal.reasons.find(({ ok }) => !ok)).toEqual({ rule: 'machine.removed', ok: false, detail: 'product simulated/sim-cpu was removed in epoch 43: an incident' })
  })

  it('asks for collateral piece by piece', async () => {
    const asked: string[] = []
    await run({ input: { collateral: (piece) => (asked.push(piece), []) } })
    expect(asked).toEqual(['machine', 'device-0'])
  })
})
