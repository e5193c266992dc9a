import { beforeAll, describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../bytes.js'
import type { Endorsement, EvidenceClaims, VerifyContext } from '../evidence.js'
import { FLAGS, MEDIA_TYPES } from '../evidence.js'
import { tdx } from '../dcap/verify.js'
import { nitro } from '../nitro.js'
import { nvidiaGpu } from '../nvidia/verify.js'
import { simulated } from '../simulated.js'
import { snp } from '../snp/verify.js'
import { collateral, DCAP_AT, dcapWorld, quote, TD } from '../testing/dcap-builder.js'
import { chainOf, deviceReport, deviceWorld, goldenValues, jws, ocspAnswers } from '../testing/nvidia-builder.js'
import { generateKey, pointOf } from '../testing/pki.js'
import {
  changed,
  encodePolicy,
  MODEL_HASH,
  NOT_BEFORE,
  policyJson,
  type PolicyJson,
} from '../testing/policy-builder.js'
import { PROVIDERS } from '../testing/providers.js'
import { simulatedEvidence, simulatedWorld } from '../testing/simulated-builder.js'
import { derOf, entry, readVector } from '../testing/vectors.js'
import { appraise, type Appraisal, type KeyRegistration } from './appraise.js'
import { BINDING_DOMAIN, boundFields, deviceNonce, type KeyBinding } from './binding.js'
import { decodePolicy } from './document.js'

const AT = DCAP_AT
const bytes = (fill: number, length: number) => new Uint8Array(length).fill(fill)
const RECEIPT_KEY = fromHex('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')!
const challenge = { verifierId: bytes(1, 32), random: bytes(2, 32), expiresAt: AT.getTime() / 1000 + 60 }

const baseBinding: KeyBinding = {
  v: 1,
  domain: BINDING_DOMAIN,
  chainId: 84532,
  registry: bytes(0x11, 20),
  nodeId: bytes(0x22, 32),
  kind: 'tdx',
  receiptKey: RECEIPT_KEY,
  hpkeKey: null,
  tlsSpki: null,
  models: [fromHex(MODEL_HASH)!],
  imageId: 'engine-1.8.0',
  session: bytes(3, 16),
  gpu: [],
}

const crypto = PROVIDERS[0]!

/** One TDX machine with two GPUs, from quote and reports to claims, all verified. */
async function scene(): Promise<{ claims: EvidenceClaims[]; registration: KeyRegistration }> {
  const signer = generateKey('P-384')
  const nonce = deviceNonce(challenge, RECEIPT_KEY)
  const gpus: EvidenceClaims[] = []
  for (const serial of ['4892C0FFEE00000001', '4892C0FFEE00000002']) {
    const world = deviceWorld({ serial })
    const endorsements: Endorsement[] = [
      { role: 'device-chain', bytes: chainOf(world) },
      ...ocspAnswers(world).map((answer) => ({ role: 'ocsp' as const, bytes: answer })),
      { role: 'golden-values', bytes: jws(goldenValues(), signer) },
      { role: 'golden-values', bytes: jws(goldenValues({ component: 'vbios' }), signer) },
    ]
    const roots = { nvidia: [world.root.der], goldenValueSigners: [pointOf(signer)] }
    const context: VerifyContext = { at: AT, roots, endorsements, revocation: 'required', crypto }
    const report = deviceReport(world, { nonce })
    gpus.push(
      await nvidiaGpu.verify({ kind: 'nvidia-gpu', mediaType: MEDIA_TYPES['nvidia-gpu'], bytes: report }, context),
    )
  }
  const binding = { ...baseBinding, gpu: gpus.map(({ provenance }) => fromHex(provenance.evidenceDigest)!) }
  const world = dcapWorld()
  const body = { [TD.reportData]: boundFields(binding, challenge).userData }
  const context: VerifyContext = {
    at: AT,
    roots: { intel: [world.root.der] },
    endorsements: collateral(world),
    revocation: 'required',
    crypto,
  }
  const machine = await tdx.verify({ kind: 'tdx', mediaType: MEDIA_TYPES.tdx, bytes: quote(world, { body }) }, context)
  return { claims: [machine, ...gpus], registration: { binding, challenge, receivedAt: AT } }
}

let claims: EvidenceClaims[]
let registration: KeyRegistration
beforeAll(async () => {
  ;({ claims, registration } = await scene())
})

const policy = (change: PolicyJson = {}) => decodePolicy(encodePolicy(policyJson(change)))
const failed = ({ reasons }: Appraisal) => reasons.filter(({ ok }) => !ok).map(({ rule }) => rule)
const machine = (change: Partial<EvidenceClaims>) => [{ ...claims[0]!, ...change }, ...claims.slice(1)]
const gpu = (change: Partial<EvidenceClaims>) => [claims[0]!, { ...claims[1]!, ...change }, claims[2]!]
const run = (
  change: { claims?: EvidenceClaims[]; registration?: Partial<KeyRegistration>; policy?: PolicyJson; at?: Date } = {},
) =>
  appraise(change.claims ?? claims, { ...registration, ...change.registration }, policy(change.policy), change.at ?? AT)
const hardware = (id: string, change: PolicyJson) => ({ hardware: changed(policyJson()['hardware'], id, change) })
const without = (list: string, id: string) => ({
  [list]: policyJson()[list].filter((entry_: PolicyJson) => entry_['id'] !== id),
})
/** The list without its TDX entry, and its devices plugged into another machine. */
const withoutTdx = () =>
  without('hardware', 'tdx-spr')['hardware']!.map((rule: PolicyJson) =>
    rule['with'] ? { ...rule, with: ['snp-genoa'] } : rule,
  )
const later = (seconds: number) => new Date(AT.getTime() + seconds * 1000)

describe('appraise', () => {
  it('affirms a machine and its devices that meet every rule, and says each', () => {
    const appraisal = run()
    expect(failed(appraisal)).toEqual([])
    expect(appraisal).toMatchObject({
      outcome: 'affirming',
      hardwareId: 'tdx-spr',
      imageId: 'engine-1.8.0',
      policyEpoch: 42,
    })
    // Twelve hours of OCSP remain; the policy's 24 hours and the collateral would allow more.
    expect(appraisal.expiresAt).toEqual(new Date('2026-01-11T00:00:00Z'))
    expect(appraisal.reasons.map(({ rule }) => rule)).toEqual([
      'policy.active',
      'policy.verifier-version',
      'binding.chain',
      'binding.registry',
      'challenge.fresh',
      'registration.order',
      'evidence.machine',
      'evidence.simulated',
      'binding.user-data',
      'machine.denied-product',
      'machine.denied-platform',
      'machine.denied-measurement',
      'machine.denied-signer',
      'machine.removed',
      'machine.hardware',
      'machine.debug',
      'machine.sept-ve-disable',
      'machine.tcb-status',
      'machine.advisories',
      'machine.evaluation-number',
      'machine.forbid.debug',
      'machine.forbid.serviceTd',
      'machine.forbid.migratable',
      'machine.revocation',
      'machine.validity',
      'machine.custody',
      'image.known',
      'image.bound',
      'image.active',
      'model.known',
      'devices.distinct',
      'devices.bound',
      ...[0, 1].flatMap((i) =>
        [
          'denied-product',
          'denied-platform',
          'denied-measurement',
          'denied-signer',
          'removed',
          'nonce',
          'hardware',
          'debug',
          'require.fwid',
          'require.ocspGood',
          'revocation',
          'validity',
          'custody',
          'driver',
          'companion',
        ].map((rule) => `gpu[${i}].${rule}`),
      ),
      'key.life',
    ])
    expect(appraisal.policyDigest).toBe(policy().digest)
  })

  it('says the same of the same', () => {
    expect(run()).toEqual(run())
  })

  it('affirms a machine without devices', () => {
    const own = { ...baseBinding, kind: 'tdx' as const }
    const alone = { ...claims[0]!, userData: boundFields(own, challenge).userData }
    const appraisal = run({ claims: [alone], registration: { binding: own } })
    expect(failed(appraisal)).toEqual([])
    expect(appraisal.expiresAt).toEqual(later(24 * 3600))
  })

  const cases: readonly [string, string[], () => Appraisal][] = [
    // Policy and registration.
    ['a policy of tomorrow', ['policy.active'], () => run({ policy: { notBefore: AT.getTime() / 1000 + 1 } })],
    [
      'a policy that asks for a later verifier',
      ['policy.verifier-version'],
      () => run({ policy: { minVerifierVersion: '1.0.1' } }),
    ],
    ['a key for another chain', ['binding.chain'], () => run({ policy: { chainId: 8453 } })],
    ['a key for another registry', ['binding.registry'], () => run({ policy: { registry: `0x${'12'.repeat(20)}` } })],
    [
      'an answer after the challenge ran out',
      ['challenge.fresh'],
      () => run({ registration: { receivedAt: later(61) }, at: later(61) }),
    ],
    [
      'an answer long before the challenge could have been given',
      ['challenge.fresh'],
      () => run({ registration: { receivedAt: later(-241) } }),
    ],
    ['a registration from the future', ['registration.order'], () => run({ registration: { receivedAt: later(1) } })],
    [
      'a binding that the hardware did not sign',
      ['binding.user-data'],
      () => run({ registration: { binding: { ...registration.binding, session: bytes(9, 16) } } }),
    ],
    [
      'report data with one bit changed',
      ['binding.user-data'],
      () => run({ claims: machine({ userData: registration.binding.nodeId }) }),
    ],
    [
      'an answer to another challenge',
      ['binding.user-data', 'gpu[0].nonce', 'gpu[1].nonce'],
      () => run({ registration: { challenge: { ...challenge, random: bytes(7, 32) } } }),
    ],
    // The machine.
    ['debug', ['machine.debug', 'machine.forbid.debug'], () => run({ claims: machine({ debug: true }) })],
    [
      'a TD that takes #VE from its host',
      ['machine.sept-ve-disable'],
      () => run({ claims: machine({ flags: { ...claims[0]!.flags, septVeDisable: false } }) }),
    ],
    [
      'an outdated TCB',
      ['machine.tcb-status'],
      () => run({ claims: machine({ tcb: { ...claims[0]!.tcb, status: 'OutOfDate' } }) }),
    ],
    [
      'a TCB without a status',
      ['machine.tcb-status'],
      () => run({ claims: machine({ tcb: { svn: {}, advisories: [], evaluationNumber: 18 } }) }),
    ],
    [
      'an open advisory',
      ['machine.advisories'],
      () => run({ claims: machine({ tcb: { ...claims[0]!.tcb, advisories: ['INTEL-SA-00615'] } }) }),
    ],
    [
      'old collateral by evaluation number',
      ['machine.evaluation-number'],
      () => run({ claims: machine({ tcb: { ...claims[0]!.tcb, evaluationNumber: 17 } }) }),
    ],
    [
      'a forbidden flag',
      ['machine.forbid.serviceTd'],
      () => run({ claims: machine({ flags: { ...claims[0]!.flags, serviceTd: true } }) }),
    ],
    [
      'a forbidden flag that is not stated',
      ['machine.forbid.migratable'],
      () =>
        run({
          claims: machine({
            flags: Object.fromEntries(Object.entries(claims[0]!.flags).filter(([name]) => name !== 'migratable')),
          }),
        }),
    ],
    [
      'a required flag that is not stated',
      ['machine.require.eventLog'],
      () => run({ policy: hardware('tdx-spr', { require: ['eventLog'] }) }),
    ],
    ['unchecked revocation', ['machine.revocation'], () => run({ claims: machine({ revocation: 'unchecked' }) })],
    [
      'a platform outside the custody',
      ['machine.custody'],
      () => run({ claims: machine({ platformId: '08'.repeat(16) }) }),
    ],
    [
      'another image',
      ['image.known'],
      () => run({ claims: machine({ measurements: { ...claims[0]!.measurements, rtmr1: '01'.repeat(48) } }) }),
    ],
    [
      'hardware on no list, and devices beside it',
      ['machine.hardware', 'gpu[0].companion', 'gpu[1].companion', 'key.life'],
      () => run({ claims: machine({ product: 'fmspc:00906ED50000' }) }),
    ],
    [
      'two machines',
      ['evidence.machine', 'image.known', 'gpu[0].companion', 'gpu[1].companion', 'key.life'],
      () => run({ claims: [claims[0]!, ...claims] }),
    ],
    // The image and the model.
    [
      'an image the key does not name',
      ['image.bound'],
      () => run({ policy: { images: changed(policyJson()['images'], 'engine-1.8.0', { id: 'engine-1.9.0' }) } }),
    ],
    [
      'an image that is not active yet',
      ['image.active'],
      () =>
        run({
          policy: { images: changed(policyJson()['images'], 'engine-1.8.0', { activeFrom: AT.getTime() / 1000 + 1 }) },
        }),
    ],
    [
      'a retired image',
      ['image.active', 'key.life'],
      () =>
        run({ policy: { images: changed(policyJson()['images'], 'engine-1.8.0', { retireAt: AT.getTime() / 1000 }) } }),
    ],
    [
      'fewer GPUs than the image asks for',
      ['image.devices'],
      () =>
        run({
          policy: { images: changed(policyJson()['images'], 'engine-1.8.0', { devices: { gpus: 8, switches: 4 } }) },
        }),
    ],
    ['a model on no list', ['model.known'], () => run({ policy: { models: [] } })],
    // Devices.
    ['one device twice', ['devices.distinct'], () => run({ claims: gpu({ platformId: claims[2]!.platformId! }) })],
    [
      'a device whose digest the machine did not sign',
      ['devices.bound'],
      () => run({ claims: gpu({ provenance: { ...claims[1]!.provenance, evidenceDigest: '00'.repeat(32) } }) }),
    ],
    ['a device left out', ['devices.bound'], () => run({ claims: claims.slice(0, 2) })],
    ['a device too many', ['devices.bound'], () => run({ claims: [...claims, { ...claims[1]!, platformId: '00' }] })],
    ['devices in another order', ['devices.bound'], () => run({ claims: [claims[0]!, claims[2]!, claims[1]!] })],
    ['a replayed device report', ['gpu[0].nonce'], () => run({ claims: gpu({ nonce: bytes(0x0e, 32) }) })],
    [
      'a device without firmware identity',
      ['gpu[0].require.fwid'],
      () => run({ claims: gpu({ flags: { ...claims[1]!.flags, fwid: false } }) }),
    ],
    [
      'a device without OCSP',
      ['gpu[0].require.ocspGood', 'gpu[0].revocation'],
      () => run({ claims: gpu({ revocation: 'unchecked', flags: { ...claims[1]!.flags, ocspGood: false } }) }),
    ],
    [
      'a device whose driver does not match',
      ['gpu[0].debug'],
      () => run({ claims: gpu({ flags: { ...claims[1]!.flags, goldenDriver: false } }) }),
    ],
    [
      'a device whose VBIOS was not compared',
      ['gpu[0].debug'],
      () => run({ claims: gpu({ flags: { ...claims[1]!.flags, goldenVbios: false } }) }),
    ],
    [
      'a driver on no list',
      ['gpu[0].driver'],
      () => run({ claims: gpu({ versions: { ...claims[1]!.versions, driver: '535.86.09' } }) }),
    ],
    ['a device of an unknown product', ['gpu[0].hardware'], () => run({ claims: gpu({ product: 'GB100' }) })],
    [
      'a device in a machine it may not be in',
      ['gpu[0].companion', 'gpu[1].companion'],
      () => run({ policy: hardware('h100-cc', { with: ['snp-genoa'] }) }),
    ],
    // Denials.
    [
      'a denied kind',
      ['machine.denied-product'],
      () => run({ policy: { deny: [{ kind: 'tdx', reason: 'TEE.fail' }] } }),
    ],
    [
      'a denied product',
      ['machine.denied-product'],
      () => run({ policy: { deny: [{ kind: 'tdx', product: 'fmspc:90C06F000000', reason: 'x' }] } }),
    ],
    [
      'a denied platform',
      ['machine.denied-platform'],
      () => run({ policy: { denyIds: { platform: ['07'.repeat(16)], signer: [], measurement: [] } } }),
    ],
    [
      'a denied device',
      ['gpu[1].denied-platform'],
      () => run({ policy: { denyIds: { platform: ['4892c0ffee00000002'], signer: [], measurement: [] } } }),
    ],
    [
      'a denied measurement',
      ['machine.denied-measurement'],
      () => run({ policy: { denyIds: { platform: [], signer: [], measurement: ['a1'.repeat(48)] } } }),
    ],
    [
      'a denied receipt key',
      ['machine.denied-signer', 'gpu[0].denied-signer', 'gpu[1].denied-signer'],
      () => run({ policy: { denyIds: { platform: [], signer: [toHex(RECEIPT_KEY)], measurement: [] } } }),
    ],
    [
      'a denied endorsement key',
      ['machine.denied-signer'],
      () =>
        run({
          policy: { denyIds: { platform: [], signer: [claims[0]!.provenance.signerFingerprint], measurement: [] } },
        }),
    ],
    // Removing one entry invalidates what depends on it.
    [
      'its hardware removed',
      ['machine.hardware', 'gpu[0].companion', 'gpu[1].companion', 'key.life'],
      () => run({ policy: { hardware: withoutTdx() } }),
    ],
    [
      'its devices’ hardware removed',
      ['gpu[0].hardware', 'gpu[1].hardware'],
      () => run({ policy: without('hardware', 'h100-cc') }),
    ],
    ['its image removed', ['image.known'], () => run({ policy: without('images', 'engine-1.8.0') })],
    ['no evidence at all', ['evidence.machine', 'image.known', 'devices.bound', 'key.life'], () => run({ claims: [] })],
  ]
  it.each(cases)('contraindicates %s', (_name, rules, attempt) => {
    const appraisal = attempt()
    expect(failed(appraisal)).toEqual(rules)
    expect(appraisal.outcome).toBe('contraindicated')
    for (const { detail } of appraisal.reasons) expect(detail).not.toBe('')
  })

  it('asks a switch for its VBIOS and for no driver', () => {
    const flags = { ...claims[1]!.flags, goldenDriver: false }
    const asSwitch = { ...claims[1]!, kind: 'nvidia-switch', role: 'switch', product: 'LS10', flags } as const
    const list = [claims[0]!, asSwitch, claims[2]!]
    expect(failed(run({ claims: list }))).toEqual([])
    const dark = { ...asSwitch, flags: { ...flags, goldenVbios: false } }
    expect(failed(run({ claims: [claims[0]!, dark, claims[2]!] }))).toEqual(['switch[0].debug'])
  })

  it('takes no time that is not one', () => {
    const never = new Date(Number.NaN)
    const rules = ['policy.active', 'registration.order', 'machine.validity', 'image.active', 'gpu[0].validity']
    expect(failed(run({ at: never }))).toEqual([...rules, 'gpu[1].validity', 'key.life'])
  })

  it('ends a key where the first thing it rests on ends', () => {
    const gpusEnd = Date.parse('2026-01-11T00:00:00Z')
    expect(failed(run({ at: new Date(gpusEnd - 1) }))).toEqual([])
    expect(failed(run({ at: new Date(gpusEnd) }))).toEqual(['key.life'])
    expect(failed(run({ at: new Date(gpusEnd + 1) }))).toEqual(['gpu[0].validity', 'gpu[1].validity', 'key.life'])
    const short = hardware('tdx-spr', { maxKeyHours: 2 })
    expect(run({ policy: short }).expiresAt).toEqual(later(7200))
    expect(failed(run({ policy: short, at: later(7200) }))).toEqual(['key.life'])
    expect(run({ policy: short, at: later(7200) }).expiresAt).toEqual(later(7200))
  })

  it('takes the first entry that holds, where several fit', () => {
    const [tdxEntry, ...rest] = policyJson()['hardware']
    const strict = { ...tdxEntry, id: 'tdx-elsewhere', platforms: ['99'.repeat(16)] }
    const hardwareList = [
      strict,
      tdxEntry,
      ...rest.map((h: PolicyJson) => (h['with'] ? { ...h, with: ['tdx-spr'] } : h)),
    ]
    const appraisal = run({ policy: { hardware: hardwareList } })
    expect([failed(appraisal), appraisal.hardwareId]).toEqual([[], 'tdx-spr'])
  })

  it('does not take a forwarding node for one that holds a model', () => {
    const binding = { ...registration.binding, models: [] }
    const userData = boundFields(binding, challenge).userData
    const appraisal = run({ claims: machine({ userData }), registration: { binding } })
    expect(failed(appraisal)).toEqual(['model.known'])
    const unbound = { images: changed(policyJson()['images'], 'engine-1.8.0', { modelBinding: 'none' }) }
    expect(failed(run({ claims: machine({ userData }), registration: { binding }, policy: unbound }))).toEqual([])
  })
})

describe('appraise, by vendor', () => {
  it('holds SEV-SNP to its minima in reported and committed levels', async () => {
    const vector = entry('sev-snp/azure-genoa')
    const endorsements: Endorsement[] = [
      { role: 'vek', bytes: readVector(vector['endorsement'].file) },
      { role: 'vek-issuer', bytes: readVector('roots/amd-ask-genoa.pem') },
    ]
    const genoa = await snp.verify(
      { kind: 'sev-snp', mediaType: MEDIA_TYPES['sev-snp'], bytes: readVector(vector.file) },
      {
        at: AT,
        roots: { amd: { Genoa: derOf('roots/amd-ark-genoa.pem') } },
        endorsements,
        revocation: 'unchecked',
        crypto,
      },
    )
    const binding = { ...baseBinding, kind: 'sev-snp' as const, imageId: 'azure', models: [] }
    const images = [
      {
        id: 'azure',
        kind: 'sev-snp',
        match: { measurement: vector['measurement'] },
        modelBinding: 'none',
        activeFrom: 0,
      },
    ]
    const judge = (claim: EvidenceClaims, change: PolicyJson = {}) =>
      failed(
        appraise(
          [claim],
          { binding, challenge, receivedAt: AT },
          policy({ images, ...hardware('snp-genoa', { revocation: 'unchecked', ...change }) }),
          AT,
        ),
      )
    // The report is genuine and Azure's paravisor owns its report data, so the binding alone is missing.
    expect(judge(genoa)).toEqual(['binding.user-data'])
    const bound = { ...genoa, userData: boundFields(binding, challenge).userData }
    expect(judge(bound)).toEqual([])
    expect(judge(bound, { revocation: 'required' })).toEqual(['machine.revocation'])
    expect(judge(bound, { minTcb: { bl: 10, tee: 0, snp: 24, ucode: 85 } })).toEqual([
      'machine.min-tcb.snp',
      'machine.min-tcb.ucode',
    ])
    expect(judge(bound, { minTcb: { fmc: 0 } })).toEqual(['machine.min-tcb.fmc'])
    const rolledBack = { ...bound, tcb: { ...bound.tcb, svn: { ...bound.tcb.svn, 'committed.snp': 22 } } }
    expect(judge(rolledBack)).toEqual(['machine.min-tcb.snp'])
    expect(judge({ ...bound, product: 'Milan' })).toEqual(['machine.denied-product', 'machine.hardware', 'key.life'])
    expect(judge({ ...bound, flags: { ...bound.flags, aliasCheck: false } })).toEqual(['machine.require.aliasCheck'])
    expect(Object.keys(genoa.flags).toSorted()).toEqual([...FLAGS['sev-snp']].toSorted())
  })

  it('holds Nitro to the age of its document', async () => {
    const vector = entry('nitro/op-enclave-1')
    const issued = new Date(vector['verifyAt'])
    const document = await nitro.verify(
      { kind: 'nitro', mediaType: MEDIA_TYPES.nitro, bytes: readVector(vector.file) },
      {
        at: issued,
        roots: { aws: [derOf('roots/aws-nitro-root-g1.pem')] },
        endorsements: [],
        revocation: 'unchecked',
        crypto,
      },
    )
    const binding = { ...baseBinding, kind: 'nitro' as const, imageId: 'n', models: [] }
    const { '0': pcr0, '1': pcr1, '2': pcr2 } = vector['pcrs']
    const images = [{ id: 'n', kind: 'nitro', match: { pcr0, pcr1, pcr2 }, modelBinding: 'none', activeFrom: 0 }]
    const judge = (seconds: number, change: Partial<EvidenceClaims> = {}) => {
      const receivedAt = new Date(issued.getTime() + seconds * 1000)
      const own = { ...challenge, expiresAt: Math.floor(receivedAt.getTime() / 1000) + 60 }
      const bound = { ...document, ...boundFields(binding, own), ...change }
      const asked = policy({ notBefore: 0, images, ...hardware('nitro', { revocation: 'unchecked' }) })
      return appraise([bound], { binding, challenge: own, receivedAt }, asked, receivedAt)
    }
    expect(failed(judge(0))).toEqual([])
    expect(judge(0).expiresAt).toEqual(new Date(issued.getTime() + 3_600_000))
    expect(failed(judge(300))).toEqual([])
    expect(failed(judge(301))).toEqual(['evidence.age'])
    expect(failed(judge(-5))).toEqual([])
    expect(failed(judge(-6))).toEqual(['evidence.age'])
    expect(failed(judge(0, { publicKey: bytes(1, 33) }))).toEqual(['binding.public-key'])
    expect(failed(judge(0, { nonce: bytes(1, 32) }))).toEqual(['binding.nonce'])
    expect(failed(judge(0, { debug: true }))).toEqual(['machine.debug', 'machine.forbid.debug'])
  })

  it('takes simulated machines on a network that plays, and on no other', async () => {
    const world = simulatedWorld()
    const binding = { ...baseBinding, kind: 'simulated' as const, imageId: 'sim' }
    const { userData, nonce, publicKey } = boundFields(binding, challenge)
    const bytes_ = simulatedEvidence(world, {
      user_data: userData,
      nonce: nonce!,
      public_key: publicKey!,
      timestamp: AT.getTime(),
    })
    const claim = await simulated.verify(
      { kind: 'simulated', mediaType: MEDIA_TYPES.simulated, bytes: bytes_ },
      { at: AT, roots: { simulated: [world.root.der] }, endorsements: [], revocation: 'unchecked', crypto },
    )
    const hardwareList = [{ id: 'sim', kind: 'simulated', products: ['*'], revocation: 'unchecked', maxKeyHours: 1 }]
    const images = [{ id: 'sim', kind: 'simulated', match: { image: '33'.repeat(48) }, activeFrom: 0 }]
    const local = policy({ network: 'local', hardware: hardwareList, images, deny: [] })
    const judge = (list: EvidenceClaims[], against = local) =>
      failed(appraise(list, { binding, challenge, receivedAt: AT }, against, AT))
    expect(judge([claim])).toEqual([])
    expect(judge([claim], policy())).toEqual(['evidence.simulated', 'machine.hardware', 'image.known', 'key.life'])
    // A decoder that let it through would still meet this rule.
    expect(judge([claim], { ...local, network: 'mainnet' })).toEqual(['evidence.simulated'])
    // Simulated and real evidence do not mix.
    expect(judge([claim, { ...claims[1]! }])).toContain('evidence.simulated')
    expect(judge([{ ...claim, debug: true }])).toEqual(['machine.debug'])
    const lifeless = { ...local, hardware: local.hardware.map((rule) => ({ ...rule, maxKeyHours: undefined })) }
    expect(judge([claim], lifeless)).toEqual(['key.life'])
    expect(NOT_BEFORE).toBe(Date.UTC(2026, 0, 1) / 1000)
  })

  it('names every flag that verifiers state', () => {
    const unnamed = (kind: 'tdx' | 'nvidia-gpu', claim: EvidenceClaims) => {
      const names: readonly string[] = FLAGS[kind]
      return Object.keys(claim.flags).filter((name) => !names.includes(name))
    }
    expect(unnamed('tdx', claims[0]!)).toEqual([])
    expect(unnamed('nvidia-gpu', claims[1]!)).toEqual([])
  })
})
