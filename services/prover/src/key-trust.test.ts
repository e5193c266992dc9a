import { accept, Hex, Secp256k1 } from '@haca/core'
import { AppraisalRecord, Collection, KeyBinding, MEDIA_TYPES, Policy, Removals, type EvidenceClaims, type Verifier } from '@haca/core/tee'
import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { PolicyBuilder, SimulatedBuilder } from '@haca/core/tee/testing'
import { KeyAppraisedSchema, type KeyAppraised } from '@haca/proto'
import { KeyArchive, MemoryBlobs } from '@haca/platform/blobs'
import { MemoryBus, MemoryLog } from '@haca/platform/bus'
import type { InForce } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryChallenges } from './challenges.js'
import { openCollateral, vendorDefaults } from './collateral/open-collateral.js'
import { drawChallenge, enrollKey, type Enrolment } from './enroll-key.js'
import { LiveKeys } from './live-keys.js'
import type { Registration } from './ports.js'
import { verifiers as development } from './verifiers/development.js'
import { verifiers as production } from './verifiers/production.js'

const logger = createLogger('test', 'silent')
const simulated = SimulatedBuilder.simulatedWorld()
const begun = SimulatedBuilder.SIMULATED_AT.getTime()
const image = '33'.repeat(48)
const evidenceKey = new Uint8Array(32).fill(5)
const nodeKey = new Uint8Array(32).fill(9)
const node = Secp256k1.addressOfKey(nodeKey)
const scope = { chainId: 84532, registry: `0x${'11'.repeat(20)}` as Hex.Hex }

const document = Policy.decodePolicy(
  PolicyBuilder.encodePolicy(
    PolicyBuilder.policyJson({
      network: 'local',
      hardware: [{ id: 'sim', kind: 'simulated', products: ['sim-cpu'], revocation: 'unchecked', maxKeyHours: 1 }],
      images: [{ id: 'sim', kind: 'simulated', match: { image }, activeFrom: 0 }],
    }),
  ),
)

/** A registry in memory, as the chain would keep it. */
class Registry {
  readonly registered = new Map<string, Registration>()
  readonly retired: Hex.Hex[] = []
  register = async (key: Registration): Promise<void> => void this.registered.set(key.node, key)
  /** Stands in for the chain while it takes no transaction. */
  refusing: (() => Promise<void>) | undefined
  retire = async (key: Hex.Hex): Promise<void> => {
    await this.refusing?.()
    this.retired.push(key)
  }
  record = async (key: Hex.Hex) => {
    const known = this.registered.get(key)
    return known && { evidenceId: known.evidenceId, notAfter: BigInt(known.notAfter), retiredAt: this.retired.includes(key) ? BigInt(now / 1000) : 0n }
  }
  validity = async (): Promise<string> => 'valid'
}

/** The policy in force, and what a guardian does to it. */
class Feed {
  policy = document
  readonly #listeners: ((inForce: InForce) => void)[] = []
  readonly #inForce = (): InForce => ({ policy: this.policy, daRef: Hex.zero32, readAtMs: now })
  current = () => accept(this.#inForce())
  onChange = (listener: (inForce: InForce) => void) => {
    this.#listeners.push(listener)
    return () => undefined
  }
  remove(entry: Removals.Removal): void {
    this.policy = Removals.withRemovals(document, entry.epoch, [entry])
    for (const listener of this.#listeners) listener(this.#inForce())
  }
}

let now = begun
let registry: Registry
let feed: Feed
let archive: KeyArchive
let said: AppraisalRecord.AppraisalRecord[]
let world: Enrolment

async function open(blobs = new MemoryBlobs(), verifiers: readonly Verifier[] = development): Promise<Enrolment> {
  const heard: AppraisalRecord.AppraisalRecord[] = []
  said = heard
  const bus = new MemoryBus(new MemoryLog(), logger)
  await bus.ensure([{ schema: KeyAppraisedSchema }])
  await bus.consume({ group: 'test', schema: KeyAppraisedSchema, inFlightMax: 10, handler: async ({ appraisal }: KeyAppraised) => void heard.push(AppraisalRecord.decodeRecord(appraisal?.record as Uint8Array)) })
  archive = new KeyArchive(blobs)
  const crypto = nodeCrypto()
  const collateral = openCollateral({ archive, blobs, roots: {}, golden: undefined, crypto, logger, now: () => now }, { mode: 'offline', urls: vendorDefaults, deadlineMs: 1_000 })
  const watch = { archive, bus, keys: registry, registrar: registry, feed, scope, evidenceKey, logger, collateral, verifiers, roots: () => ({ simulated: [simulated.root.der] }), crypto, now: () => now }
  return { ...watch, challenges: new MemoryChallenges(), live: new LiveKeys(watch), verifierId: new Uint8Array(32).fill(1) }
}

/** What a node hands in for a challenge. */
function answer(challenge: KeyBinding.Challenge, { key = nodeKey, change = {} as Partial<KeyBinding.KeyBinding>, machine = {} } = {}): Uint8Array {
  const binding: KeyBinding.KeyBinding = {
    ...{ v: 1, domain: KeyBinding.BINDING_DOMAIN, chainId: scope.chainId, registry: Hex.toBytes(scope.registry), nodeId: new Uint8Array(32), kind: 'simulated' },
    ...{ receiptKey: Secp256k1.publicKeyOf(key), hpkeKey: null, tlsSpki: null, models: [Hex.toBytes(`0x${PolicyBuilder.MODEL_HASH}`)], imageId: 'sim', session: new Uint8Array(16), gpu: [] },
    ...change,
  }
  const { userData, nonce, publicKey } = KeyBinding.boundFields(binding, challenge)
  const bytes = SimulatedBuilder.simulatedEvidence(simulated, { user_data: userData, nonce: nonce ?? null, public_key: publicKey ?? null, timestamp: now, ...machine })
  return Collection.encodeCollection({ binding, challenge, machine: { evidence: { kind: 'simulated', mediaType: MEDIA_TYPES.simulated, bytes }, endorsements: [] }, devices: [] })
}

const enroll = async (options: Parameters<typeof answer>[1] = {}): Promise<AppraisalRecord.AppraisalRecord> => {
  const challenge = drawChallenge(Secp256k1.addressOfKey(options.key ?? nodeKey), world)
  return AppraisalRecord.decodeRecord((await enrollKey(answer(challenge, options), world)).record)
}
const failed = ({ reasons }: AppraisalRecord.AppraisalRecord): string[] => reasons.filter(({ ok }) => !ok).map(({ rule }) => rule)

beforeEach(async () => {
  now = begun
  registry = new Registry()
  feed = new Feed()
  world = await open()
})

describe('a key that answers its challenge', () => {
  it('is appraised, archived, said aloud and registered', async () => {
    const record = await enroll()
    expect(failed(record)).toEqual([])
    expect(record).toMatchObject({ node: node.toLowerCase(), outcome: 'affirming', hardwareId: 'sim', imageId: 'sim', policyEpoch: document.epoch, models: [`0x${PolicyBuilder.MODEL_HASH}`] })
    await expect.poll(() => registry.registered.get(record.node)).toMatchObject({ evidenceId: record.evidenceId, keyKind: 255, notAfter: record.expiresAt })
    await expect.poll(() => said).toEqual([record])
    const [archived] = await archive.history(record.node)
    expect(AppraisalRecord.signerOfRecord(archived as AppraisalRecord.SignedRecord, scope)).toBe(Secp256k1.addressOfKey(evidenceKey).toLowerCase())
    expect(await archive.evidence(record.evidenceId)).toBeDefined()
  })

  it('gets the same answer when it hands the same in again', async () => {
    const bytes = answer(drawChallenge(node, world))
    const first = await enrollKey(bytes, world)
    expect(await enrollKey(bytes, world)).toEqual(first)
    expect(await archive.history(node)).toHaveLength(1)
  })

  it('is not spoken of by evidence that a stranger hands in under its name', async () => {
    const record = await enroll()
    await expect.poll(() => registry.registered.size).toBe(1)
    now += 1_000
    // Everybody can draw a challenge for any address, and knows the public key of whoever has signed anything.
    const challenge = drawChallenge(node, world)
    const forged = answer(challenge, { machine: { user_data: new Uint8Array(32), debug: true } })
    expect(AppraisalRecord.decodeRecord((await enrollKey(forged, world)).record).outcome).toBe('contraindicated')
    const history = await archive.history(node)
    expect(AppraisalRecord.decodeRecord(history.at(-1)!.record)).toEqual(record)
    await world.live.renew()
    await expect.poll(() => said.length).toBe(2)
    expect(said.map(({ outcome }) => outcome)).toEqual(['affirming', 'affirming'])
  })

  it('has one evidence, which its receipts name', async () => {
    const record = await enroll()
    await expect(enroll({ change: { session: new Uint8Array(16).fill(1) } })).rejects.toMatchObject({ code: 'key.known' })
    expect(AppraisalRecord.decodeRecord((await archive.history(node)).at(-1)!.record)).toEqual(record)
  })

  it('leaves nothing behind that does not hold: no receipt can ever be of it', async () => {
    const record = await enroll({ machine: { debug: true } })
    expect(record.outcome).toBe('contraindicated')
    expect(await archive.nodes()).toEqual([])
    expect(await archive.evidence(record.evidenceId)).toBeUndefined()
    expect(said).toEqual([])
  })

  it('is told every rule that did not hold, and is not registered', async () => {
    expect(failed(await enroll({ machine: { debug: true } }))).toEqual(['machine.debug'])
    expect(failed(await enroll({ change: { chainId: 1 } }))).toEqual(['binding.chain'])
    expect(failed(await enroll({ change: { models: [new Uint8Array(32).fill(7)] } }))).toEqual(['model.known'])
    expect(failed(await enroll({ machine: { measurements: { image: new Uint8Array(48) } } }))).toContain('image.known')
    expect(registry.registered.size).toBe(0)
  })
})

describe('a challenge', () => {
  it('is answered once', async () => {
    const challenge = drawChallenge(node, world)
    await enrollKey(answer(challenge), world)
    await expect(enrollKey(answer(challenge, { change: { session: new Uint8Array(16).fill(1) } }), world)).rejects.toMatchObject({ code: 'challenge.unknown' })
  })

  it('is for one key, and of this verifier', async () => {
    const challenge = drawChallenge(node, world)
    await expect(enrollKey(answer(challenge, { key: new Uint8Array(32).fill(8) }), world)).rejects.toMatchObject({ code: 'challenge.unknown' })
    const own = { ...challenge, random: new Uint8Array(32).fill(4) }
    await expect(enrollKey(answer(own), world)).rejects.toMatchObject({ code: 'challenge.unknown' })
    await expect(enrollKey(answer({ ...challenge, verifierId: new Uint8Array(32).fill(2) }), world)).rejects.toMatchObject({ code: 'challenge.unknown' })
  })

  it('is good however many were drawn since, by whomever', async () => {
    const challenge = drawChallenge(node, world)
    for (let n = 0; n < 10_002; n++) drawChallenge(`0x${n.toString(16).padStart(40, '0')}`, world)
    expect(failed(AppraisalRecord.decodeRecord((await enrollKey(answer(challenge), world)).record))).toEqual([])
  })

  it('runs out', async () => {
    const challenge = drawChallenge(node, world)
    now += 301_000
    expect(failed(AppraisalRecord.decodeRecord((await enrollKey(answer(challenge), world)).record))).toContain('challenge.fresh')
  })

  it('is not drawn out of garbage', async () => {
    await expect(enrollKey(Uint8Array.of(1, 2, 3), world)).rejects.toMatchObject({ code: 'evidence.malformed' })
  })
})

const incident = { entry: 'product', value: 'simulated/sim-cpu', reason: 'an incident', epoch: 43 } as const

describe('a live key', () => {
  it('is appraised again, and each time said aloud; only news is archived', async () => {
    await enroll()
    now += 15_000
    await world.live.renew()
    await expect.poll(() => said.map(({ appraisedAt }) => appraisedAt)).toEqual([begun / 1000, begun / 1000 + 15])
    expect(await archive.history(node)).toHaveLength(1)
  })

  it('is retired once when a guardian removes its product, with the reason in its record', async () => {
    await world.live.start(3_600_000)
    await enroll()
    now += 1_000
    feed.remove(incident)
    await expect.poll(() => registry.retired).toEqual([node.toLowerCase()])
    await world.live.renew()
    expect(registry.retired).toHaveLength(1)
    const last = AppraisalRecord.decodeRecord(((await archive.history(node)).at(-1) as AppraisalRecord.SignedRecord).record)
    expect(last).toMatchObject({ outcome: 'contraindicated', policyEpoch: 43 })
    expect(last.reasons.find(({ ok }) => !ok)?.detail).toContain('an incident')
    await world.live.stop()
  })

  it('is retired as soon as the chain takes it, also when it would not at first', async () => {
    await enroll()
    await expect.poll(() => registry.registered.size).toBe(1)
    registry.refusing = () => Promise.reject(new Error('the chain is away'))
    now += 15_000
    feed.remove(incident)
    for (let i = 0; i < 3; i++, now += 15_000) await world.live.renew()
    expect(registry.retired).toEqual([])
    registry.refusing = undefined
    await world.live.renew()
    await expect.poll(() => registry.retired).toEqual([node.toLowerCase()])
    await world.live.renew()
    expect(registry.retired).toHaveLength(1)
    expect(await archive.history(node)).toHaveLength(2)
  })

  it('is retired by another prover when the one that contraindicated it did not get that far', async () => {
    const blobs = new MemoryBlobs()
    world = await open(blobs)
    await enroll()
    await expect.poll(() => registry.registered.size).toBe(1)
    registry.refusing = () => Promise.reject(new Error('the chain is away'))
    feed.remove(incident)
    now += 1_000
    await world.live.renew()
    registry.refusing = undefined
    const other = await open(blobs)
    await other.live.start(3_600_000)
    await expect.poll(() => registry.retired).toEqual([node.toLowerCase()])
    await other.live.stop()
  })

  it('is retired at the end of its life where a later policy made that shorter than the chain has it', async () => {
    await enroll()
    await expect.poll(() => registry.registered.size).toBe(1)
    const [hardware] = document.hardware
    feed.policy = { ...document, epoch: document.epoch + 1, images: document.images.map((image) => ({ ...image, retireAt: begun / 1000 + 600 })), hardware: [hardware!] }
    now += 15_000
    await world.live.renew()
    now += 600_000
    await world.live.renew()
    await expect.poll(() => registry.retired).toEqual([node.toLowerCase()])
    expect(AppraisalRecord.decodeRecord((await archive.history(node)).at(-1)!.record).outcome).toBe('contraindicated')
  })

  it('is renewed while another one’s retirement is not settled yet', async () => {
    const other = new Uint8Array(32).fill(8)
    await enroll({ machine: { platform_id: new Uint8Array(16).fill(7) } })
    await enroll({ key: other })
    await expect.poll(() => registry.registered.size).toBe(2)
    registry.refusing = () => new Promise(() => undefined)
    now += 15_000
    feed.remove({ ...incident, entry: 'platform', value: '07'.repeat(16) })
    void world.live.renew()
    await expect.poll(() => said.at(-1)).toMatchObject({ node: Secp256k1.addressOfKey(other).toLowerCase(), policyEpoch: 43, outcome: 'affirming' })
    now += 15_000
    void world.live.renew()
    await expect.poll(() => said.at(-1)?.appraisedAt).toBe(now / 1000)
  })

  it('is renewed while a vendor keeps another one waiting', async () => {
    const other = new Uint8Array(32).fill(8)
    await enroll()
    await enroll({ key: other })
    const collateral = world.collateral.endorsements.bind(world.collateral)
    const slow = new Promise<never>(() => undefined)
    world.collateral.endorsements = (piece, collection, at) => (Hex.fromBytes(collection.binding.receiptKey) === Hex.fromBytes(Secp256k1.publicKeyOf(nodeKey)) ? slow : collateral(piece, collection, at))
    now += 15_000
    void world.live.renew()
    await expect.poll(() => said.at(-1)).toMatchObject({ node: Secp256k1.addressOfKey(other).toLowerCase(), appraisedAt: now / 1000 })
  })

  it('is remembered by another prover, from the archive alone', async () => {
    const blobs = new MemoryBlobs()
    world = await open(blobs)
    const record = await enroll()
    await expect.poll(() => registry.registered.size).toBe(1)
    const other = await open(blobs)
    now += 1_000
    await other.live.start(3_600_000)
    await expect.poll(() => said.map((one) => one.node)).toEqual([record.node])
    await other.live.stop()
  })

  it('is not lost to a prover whose clock is behind the one that took it in', async () => {
    const blobs = new MemoryBlobs()
    world = await open(blobs)
    await enroll()
    const other = await open(blobs)
    now -= 2_000
    await other.live.start(3_600_000)
    await expect.poll(() => said.length).toBe(1)
    expect(failed(said[0]!)).toEqual([])
    await other.live.stop()
    expect(registry.retired).toEqual([])
  })

  it('is remembered whatever else lies in the archive, and what we did not sign is not', async () => {
    const blobs = new MemoryBlobs()
    world = await open(blobs)
    const record = await enroll()
    await expect.poll(() => registry.registered.size).toBe(1)
    for (const folder of [record.node, Hex.zeroAddress]) await archive.append(folder, { record: Uint8Array.of(1, 2, 3), signature: new Uint8Array(65) })
    // Evidence that nobody handed in here: its challenge was never drawn, and only the record says when it came.
    const theirs = new Uint8Array(32).fill(8)
    const bytes = answer({ verifierId: new Uint8Array(32).fill(1), random: new Uint8Array(32), expiresAt: begun / 1000 + 300 }, { key: theirs })
    const evidenceId = await archive.putEvidence(bytes)
    const forged = { ...record, node: Secp256k1.addressOfKey(theirs).toLowerCase() as Hex.Hex, evidenceId }
    await archive.append(forged.node, AppraisalRecord.signRecord(forged, scope, new Uint8Array(32).fill(6)))
    const other = await open(blobs)
    now += 1_000
    await other.live.start(3_600_000)
    await expect.poll(() => said.map((one) => one.node)).toEqual([record.node])
    await other.live.renew()
    await expect.poll(() => said.length).toBe(2)
    expect([...registry.registered.keys()]).toEqual([record.node])
    await other.live.stop()
  })

  it('is read from the archive once when it is over, however many there were', async () => {
    const blobs = new MemoryBlobs()
    world = await open(blobs)
    await enroll()
    now += 3_601_000
    const [kept, read] = [archive, { rounds: 0, histories: 0 }]
    const counted = { evidence: kept.evidence, nodes: () => (read.rounds++, kept.nodes()), history: (of: Hex.Hex) => (read.histories++, kept.history(of)) } as unknown as KeyArchive
    const keeping = new LiveKeys({ ...world, archive: counted })
    await keeping.start(5)
    await expect.poll(() => read.rounds).toBeGreaterThan(3)
    await keeping.stop()
    expect(read.histories).toBe(1)
  })

  it('ends by itself when its time is over', async () => {
    await enroll()
    now += 3_601_000
    await world.live.renew()
    expect(registry.retired).toEqual([])
    await world.live.renew()
    expect(await archive.history(node)).toHaveLength(1)
  })
})

describe('a prover built for production', () => {
  it('has no verifier for what is simulated', async () => {
    expect(production.map(({ kind }) => kind as EvidenceClaims['kind'])).not.toContain('simulated')
    world = await open(new MemoryBlobs(), production)
    const record = await enroll()
    expect(record.reasons).toEqual([{ rule: 'machine.verified', ok: false, detail: 'evidence-kind-mismatch: no verifier for simulated' }])
    expect(registry.registered.size).toBe(0)
  })
})
