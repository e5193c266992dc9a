import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import * as Cbor from './cbor.js'
import type { AttestationErrorCode } from './error.js'
import { MEDIA_TYPES, type Endorsement, type Evidence, type TeeKind, type VerifyContext } from './evidence.js'
import { nitro } from './nitro.js'
import { OID } from './oid.js'
import { encodeSimulatedDocument, simulated, SIMULATED_BYTES_MAX } from './simulated.js'
import { flipped, indices, report, sweep } from './testing/mutation.js'
import { nitroFields, signNitro } from './testing/nitro-builder.js'
import { extension, generateKey, issueCrl } from './testing/pki.js'
import { PROVIDERS } from './testing/providers.js'
import { refusal } from './testing/refusal.js'
import {
  MARKER,
  SIMULATED_AT,
  signSimulated,
  simulatedDocument,
  simulatedEvidence,
  simulatedWorld,
  type SimulatedWorld,
} from './testing/simulated-builder.js'

const evidenceOf = (bytes: Uint8Array, kind: TeeKind = 'simulated'): Evidence => ({
  kind,
  mediaType: MEDIA_TYPES[kind],
  bytes,
})

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('simulated with %s', (_, crypto) => {
  let world: SimulatedWorld
  beforeAll(() => {
    world = simulatedWorld()
  })
  const context = (own: SimulatedWorld, change: Partial<VerifyContext> = {}): VerifyContext => ({
    at: SIMULATED_AT,
    roots: { simulated: [own.root.der] },
    endorsements: [],
    revocation: 'unchecked',
    crypto,
    ...change,
  })
  const verify = (bytes: Uint8Array, change: Partial<VerifyContext> = {}, own = world) =>
    simulated.verify(evidenceOf(bytes), context(own, change))

  it('states everything a policy looks at', async () => {
    const claims = await verify(
      simulatedEvidence(world, {
        role: 'gpu',
        product: 'sim-gpu',
        nonce: Uint8Array.of(9),
        public_key: Uint8Array.of(8),
        debug: true,
        tcb_status: 'OutOfDate',
        tcb_svn: { bl: 1 },
        advisories: ['SIM-1'],
        flags: { aliasCheck: true },
        versions: { driver: '1' },
      }),
    )
    expect(claims).toMatchObject({
      kind: 'simulated',
      role: 'gpu',
      product: 'sim-gpu',
      platformId: '51',
      measurements: { image: '33'.repeat(48) },
      versions: { driver: '1' },
      nonce: Uint8Array.of(9),
      publicKey: Uint8Array.of(8),
      debug: true,
      tcb: { status: 'OutOfDate', svn: { bl: 1 }, advisories: ['SIM-1'] },
      flags: { aliasCheck: true },
      issuedAt: SIMULATED_AT,
    })
  })

  it('leaves out what is null', async () => {
    const claims = await verify(simulatedEvidence(world, { platform_id: null, tcb_status: null }))
    expect([claims.platformId, claims.nonce, claims.publicKey, claims.tcb.status]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('is refused without a root, and as any other kind', async () => {
    const bytes = simulatedEvidence(world)
    expect(await refusal(() => verify(bytes, { roots: {} }))).toBe('path-root-untrusted')
    expect(await refusal(() => simulated.verify(evidenceOf(bytes, 'nitro'), context(world)))).toBe(
      'evidence-kind-mismatch',
    )
    const renamed = { ...evidenceOf(bytes), mediaType: MEDIA_TYPES.nitro }
    expect(await refusal(() => simulated.verify(renamed, context(world)))).toBe('evidence-kind-mismatch')
    expect(await refusal(() => verify(new Uint8Array(SIMULATED_BYTES_MAX + 1)))).toBe('evidence-too-large')
  })

  it('is refused by a verifier of hardware even if somebody pins its root there', async () => {
    // A Nitro document in every respect, except that its certificates say they are simulated.
    const chain = {
      root: world.root,
      regional: world.root,
      zonal: world.root,
      instance: world.root,
      enclave: world.leaf,
    }
    const fields = { ...nitroFields(chain), cabundle: [world.root.der] }
    const document = signNitro(Cbor.encode(fields), chain)
    const roots = { aws: [world.root.der] }
    expect(await refusal(() => nitro.verify(evidenceOf(document, 'nitro'), context(world, { roots })))).toBe(
      'certificate-critical-extension-unknown',
    )
  })

  const strangers: readonly [string, AttestationErrorCode, Parameters<typeof simulatedWorld>[0]][] = [
    ['a leaf without the marker', 'simulated-marker-missing', { leaf: { extensions: [] } }],
    ['a root without the marker', 'simulated-marker-missing', { root: { extensions: [] } }],
    [
      'a marker that is not critical',
      'simulated-marker-missing',
      { leaf: { extensions: [extension(OID.simulatedTee, false, Uint8Array.of(0x0c, 0))] } },
    ],
    [
      'a marker with other contents',
      'simulated-marker-missing',
      { leaf: { extensions: [extension(OID.simulatedTee, true, Uint8Array.of(0x0c, 0))] } },
    ],
    ['a root by another name', 'simulated-marker-missing', { root: { subject: 'aws.nitro-enclaves' } }],
    [
      'another unknown critical extension',
      'certificate-critical-extension-unknown',
      { leaf: { extensions: [MARKER, extension('1.2.3', true, Uint8Array.of(5, 0))] } },
    ],
    ['an expired leaf', 'certificate-expired', { leaf: { notAfter: new Date('2026-01-09T00:00:00Z') } }],
  ]
  it.each(strangers)('refuses %s', async (_name, code, change) => {
    const own = simulatedWorld(change)
    expect(await refusal(() => verify(simulatedEvidence(own), {}, own))).toBe(code)
  })

  const documents: readonly [string, AttestationErrorCode, Record<string, Cbor.CborInput | undefined>][] = [
    ['another version', 'evidence-version-unsupported', { v: 2 }],
    ['an unknown role', 'evidence-malformed', { role: 'tpu' }],
    ['a missing field', 'evidence-malformed', { flags: undefined }],
    ['an unknown field', 'evidence-malformed', { extra: 1 }],
    ['a product that is not text', 'evidence-malformed', { product: 1 }],
    ['a measurement that is not bytes', 'evidence-malformed', { measurements: { image: 'x' } }],
    ['measurements that are a list', 'evidence-malformed', { measurements: [] }],
    ['a flag that is not boolean', 'evidence-malformed', { flags: { a: 1 } }],
    ['a negative patch level', 'evidence-malformed', { tcb_svn: { bl: -1 } }],
    ['an unknown status', 'evidence-malformed', { tcb_status: 'Fine' }],
    ['advisories that are not text', 'evidence-malformed', { advisories: [1] }],
    ['a timestamp no date can hold', 'evidence-malformed', { timestamp: 8.64e15 + 1 }],
    ['debug that is null', 'evidence-malformed', { debug: null }],
    ['a bundle that is not a list', 'evidence-malformed', { cabundle: null }],
  ]
  it.each(documents)('refuses %s', async (_name, code, change) => {
    const fields = Object.entries({ ...simulatedDocument(world), ...change }).filter(([, value]) => value !== undefined)
    const payload = Cbor.encode(new Map(fields as [string, Cbor.CborInput][]))
    expect(await refusal(() => verify(signSimulated(world, payload)))).toBe(code)
  })

  it('refuses a signature by another key', async () => {
    const impostor = { ...world, leaf: { ...world.leaf, key: generateKey('P-384') } }
    const bytes = signSimulated(impostor, encodeSimulatedDocument(simulatedDocument(world)))
    expect(await refusal(() => verify(bytes))).toBe('evidence-signature-invalid')
  })

  it('refuses any byte flipped and every length', { timeout: 60_000 }, async () => {
    const bytes = simulatedEvidence(world)
    const flips = await sweep(indices(0, bytes.length, 7), (i) => verify(flipped(bytes, i)))
    report(`simulated byte flips (${crypto.name})`, flips)
    const cuts = await sweep(
      Array.from({ length: bytes.length }, (_x, i) => i),
      (n) => verify(bytes.subarray(0, n)),
    )
    expect([flips.accepted, cuts.accepted]).toEqual([[], []])
  })

  it('obeys its root’s list of revocation', async () => {
    const list = (revoked: Uint8Array[]): Endorsement[] => [
      { role: 'crl', bytes: issueCrl({ issuer: world.root, revoked }) },
    ]
    const bytes = simulatedEvidence(world)
    expect((await verify(bytes, { endorsements: list([]), revocation: 'required' })).revocation).toBe('checked')
    expect(await refusal(() => verify(bytes, { endorsements: list([world.leaf.serial]) }))).toBe('certificate-revoked')
    expect(await refusal(() => verify(bytes, { revocation: 'required' }))).toBe('revocation-missing')
  })
})

it('names itself so that other software shows it', () => {
  expect(new X509Certificate(simulatedWorld().root.der).subject).toContain('SIMULATED TEE ROOT - NOT HARDWARE')
})
