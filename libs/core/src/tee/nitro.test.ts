import { beforeAll, describe, expect, it } from 'vitest'
import { concat, toHex } from './bytes.js'
import * as Cbor from './cbor.js'
import type { CryptoProvider } from './crypto.js'
import type { AttestationErrorCode } from './error.js'
import { MEDIA_TYPES, type Endorsements, type Evidence, type VerifyContext } from './evidence.js'
import { nitro, NITRO_BYTES_MAX } from './nitro.js'
import { flipped, indices, report, sweep } from './testing/mutation.js'
import { NITRO_AT, nitroFields, nitroHierarchy, signNitro, type NitroHierarchy } from './testing/nitro-builder.js'
import { distributionPoint, extension, generateKey, issueCrl } from './testing/pki.js'
import { sequence } from './testing/der-builder.js'
import { PROVIDERS } from './testing/providers.js'
import { refusal } from './testing/refusal.js'
import { derOf, entries, entry, readVector, type VectorEntry } from './testing/vectors.js'

const AWS = derOf('roots/aws-nitro-root-g1.pem')
const evidenceOf = (bytes: Uint8Array): Evidence => ({ kind: 'nitro', mediaType: MEDIA_TYPES.nitro, bytes })

const genuine: VectorEntry[] = entries('nitro/').filter(({ expect: e }) => e.signatureChain === 'valid')
const refused: VectorEntry[] = entries('nitro/').filter(({ expect: e }) => e.signatureChain === 'reject')

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('Nitro with %s', (_, crypto) => {
  const context = (at: Date, change: Partial<VerifyContext> = {}): VerifyContext => ({
    at,
    roots: { aws: [AWS] },
    endorsements: [],
    revocation: 'unchecked',
    crypto,
    ...change,
  })

  describe('genuine documents', () => {
    it('are seven, and two more hang under a mock root', () => {
      expect([genuine.length, refused.length]).toEqual([7, 2])
    })

    it.each(genuine.map((e) => [e.id, e] as const))('%s gives its recorded facts', async (_id, vector) => {
      const claims = await nitro.verify(evidenceOf(readVector(vector.file)), context(new Date(vector['verifyAt'])))
      const { pcrs, expect: expected } = vector as {
        pcrs?: Record<string, string>
        expect: { debug: boolean }
      } & VectorEntry
      const zeros = '00'.repeat(48)
      const measurements = Object.fromEntries(
        Object.entries(pcrs ?? {}).map(([index, value]) => [`pcr${index}`, value]),
      )
      expect(claims.measurements).toEqual({ pcr0: zeros, pcr1: zeros, pcr2: zeros, ...measurements })
      expect(claims.debug).toBe(expected.debug)
      expect(toHex(claims.userData)).toBe(vector['userData'] ?? '')
      expect(claims.nonce && toHex(claims.nonce)).toBe(vector['nonce'] ?? undefined)
      expect(claims.publicKey && toHex(claims.publicKey)).toBe(vector['publicKey'] ?? undefined)
      expect(claims.versions['moduleId']).toBe(vector['moduleId'])
      expect(claims.issuedAt?.toISOString()).toBe(vector['verifyAt'])
      expect([claims.validity.notBefore.toISOString(), claims.validity.notAfter.toISOString()]).toEqual(
        vector['leafWindow'],
      )
      expect(claims.provenance).toMatchObject({
        rootFingerprint: '641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b',
        evidenceDigest: vector.sha256,
      })
      expect(claims).toMatchObject({ kind: 'nitro', role: 'cpu', product: 'nitro', revocation: 'unchecked' })
    })

    it.each(genuine.map((e) => [e.id, e] as const))('%s is refused outside its window', async (_id, vector) => {
      const [from, to] = vector['leafWindow'].map(Date.parse)
      const at = (ms: number) => () => nitro.verify(evidenceOf(readVector(vector.file)), context(new Date(ms)))
      expect(await refusal(at(from - 1))).toBe('certificate-not-yet-valid')
      expect(await refusal(at(to + 1))).toBe('certificate-expired')
      expect(await refusal(at(Date.parse(vector['verifyAt']) + 4 * 3_600_000))).toBe('certificate-expired')
    })

    it.each(refused.map((e) => [e.id, e] as const))('%s is refused: another root', async (_id, vector) => {
      const bytes = readVector(vector.file)
      expect(await refusal(() => nitro.verify(evidenceOf(bytes), context(NITRO_AT)))).toBe('path-root-untrusted')
    })

    it('are refused when no root is trusted, and when revocation is required and no list is given', async () => {
      const { file, verifyAt } = entry('nitro/op-enclave-1') as unknown as { file: string; verifyAt: string }
      const evidence = evidenceOf(readVector(file))
      const at = new Date(verifyAt)
      expect(await refusal(() => nitro.verify(evidence, context(at, { roots: {} })))).toBe('path-root-untrusted')
      expect(await refusal(() => nitro.verify(evidence, context(at, { revocation: 'required' })))).toBe(
        'revocation-missing',
      )
    })
  })

  describe('envelope', () => {
    const { file, verifyAt } = entry('nitro/op-enclave-1') as unknown as { file: string; verifyAt: string }
    const bytes = readVector(file)
    const at = new Date(verifyAt)

    it('refuses another kind, another media type and too many bytes before parsing', async () => {
      const verify = (evidence: Evidence) => refusal(() => nitro.verify(evidence, context(at)))
      expect(await verify({ ...evidenceOf(bytes), kind: 'tdx' })).toBe('evidence-kind-mismatch')
      expect(await verify({ ...evidenceOf(bytes), mediaType: MEDIA_TYPES.simulated })).toBe('evidence-kind-mismatch')
      expect(await verify(evidenceOf(new Uint8Array(NITRO_BYTES_MAX + 1)))).toBe('evidence-too-large')
    })

    it('refuses endorsements of other families', async () => {
      const endorsements: Endorsements = [{ role: 'tcb-info', bytes: Uint8Array.of() }]
      expect(await refusal(() => nitro.verify(evidenceOf(bytes), context(at, { endorsements })))).toBe(
        'endorsement-unexpected',
      )
    })

    it('refuses every truncation', async () => {
      const lengths = Array.from({ length: bytes.length }, (_x, i) => i)
      const result = await sweep(lengths, (n) => nitro.verify(evidenceOf(bytes.subarray(0, n)), context(at)))
      report(`nitro truncation (${crypto.name})`, result)
      expect(result.accepted).toEqual([])
    })

    it('refuses a byte flipped anywhere', { timeout: 120_000 }, async () => {
      const result = await sweep(indices(0, bytes.length, 9), (i) =>
        nitro.verify(evidenceOf(flipped(bytes, i)), context(at)),
      )
      report(`nitro byte flips (${crypto.name})`, result)
      expect(result.accepted).toEqual([])
    })

    it('refuses bytes after the document', async () => {
      expect(await refusal(() => nitro.verify(evidenceOf(concat(bytes, Uint8Array.of(0))), context(at)))).toBe(
        'cbor-malformed',
      )
    })
  })

  describe('synthetic documents', () => {
    let h: NitroHierarchy
    beforeAll(() => {
      h = nitroHierarchy()
    })
    const verify = (bytes: Uint8Array, change: Partial<VerifyContext> = {}, hierarchy = h) =>
      nitro.verify(evidenceOf(bytes), context(NITRO_AT, { roots: { aws: [hierarchy.root.der] }, ...change }))
    const withFields = (change: Record<string, Cbor.CborInput | undefined>) => {
      const fields = Object.entries({ ...nitroFields(h), ...change }).filter(([, value]) => value !== undefined)
      return signNitro(Cbor.encode(new Map(fields as [string, Cbor.CborInput][])), h)
    }

    it('are accepted as built', async () => {
      const claims = await verify(withFields({}))
      expect(claims).toMatchObject({ debug: false, userData: Uint8Array.of(1, 2, 3), nonce: Uint8Array.of(4) })
      expect(claims.publicKey).toBeUndefined()
    })

    it.each([0, 1, 2])('count as debug when PCR%i alone is zero', async (index) => {
      const pcrs = new Map(nitroFields(h)['pcrs'] as Map<number, Uint8Array>).set(index, new Uint8Array(48))
      expect((await verify(withFields({ pcrs }))).debug).toBe(true)
    })

    const pcrs = (list: readonly [Cbor.CborKey, Cbor.CborInput][]) => ({
      pcrs: new Map<Cbor.CborKey, Cbor.CborInput>([
        ...[0, 1, 2].map((i) => [i, new Uint8Array(48).fill(1)] as const),
        ...list,
      ]),
    })
    const fields: readonly [string, AttestationErrorCode, Record<string, Cbor.CborInput | undefined>][] = [
      ['an unknown field', 'evidence-malformed', { extra: 1 }],
      ['another digest', 'evidence-algorithm-unsupported', { digest: 'SHA512' }],
      ['no digest', 'evidence-algorithm-unsupported', { digest: undefined }],
      ['no module id', 'evidence-malformed', { module_id: undefined }],
      ['an empty module id', 'evidence-malformed', { module_id: '' }],
      ['no timestamp', 'evidence-malformed', { timestamp: undefined }],
      ['timestamp zero', 'evidence-malformed', { timestamp: 0 }],
      ['a timestamp no date can hold', 'evidence-malformed', { timestamp: 8.64e15 + 1 }],
      ['no PCRs', 'evidence-malformed', { pcrs: undefined }],
      [
        'no PCR0',
        'evidence-malformed',
        {
          pcrs: new Map([
            [1, new Uint8Array(48)],
            [2, new Uint8Array(48)],
          ]),
        },
      ],
      ['PCR index 32', 'evidence-malformed', pcrs([[32, new Uint8Array(48)]])],
      ['PCR index -1', 'evidence-malformed', pcrs([[-1, new Uint8Array(48)]])],
      ['a PCR named by text', 'evidence-malformed', pcrs([['3', new Uint8Array(48)]])],
      ['a short PCR', 'evidence-malformed', pcrs([[3, new Uint8Array(32)]])],
      ['a PCR that is text', 'evidence-malformed', pcrs([[3, 'x'.repeat(48)]])],
      ['no certificate', 'evidence-malformed', { certificate: undefined }],
      ['an empty bundle', 'evidence-malformed', { cabundle: [] }],
      ['a bundle of text', 'evidence-malformed', { cabundle: ['x'] }],
      ['513 bytes of user data', 'evidence-malformed', { user_data: new Uint8Array(513) }],
      ['513 bytes of nonce', 'evidence-malformed', { nonce: new Uint8Array(513) }],
      ['an empty public key', 'evidence-malformed', { public_key: new Uint8Array() }],
      ['user data that is text', 'evidence-malformed', { user_data: 'x' }],
    ]
    it.each(fields)('refuse %s', async (_name, code, change) => {
      expect(await refusal(() => verify(withFields(change)))).toBe(code)
    })

    it('are accepted at the limits of the format', async () => {
      const full = {
        user_data: new Uint8Array(512),
        nonce: new Uint8Array(512),
        public_key: new Uint8Array(1024).fill(1),
      }
      const claims = await verify(withFields(full))
      expect([claims.userData.length, claims.nonce?.length, claims.publicKey?.length]).toEqual([512, 512, 1024])
    })

    it('refuse headers other than exactly ES384', async () => {
      const payload = Cbor.encode(nitroFields(h))
      for (const header of [
        new Map([[1, -7]]),
        new Map([
          [1, -35],
          [4, 1],
        ]),
        new Map(),
        new Map([['1', -35]]),
      ]) {
        expect(await refusal(() => verify(signNitro(payload, h, header)))).toBe('evidence-algorithm-unsupported')
      }
    })

    it('refuse a structure that is not COSE_Sign1', async () => {
      const [header, , payload, signature] = Cbor.decode(withFields({})) as [
        Uint8Array,
        unknown,
        Uint8Array,
        Uint8Array,
      ]
      const shapes: Cbor.CborInput[] = [
        [header, new Map(), payload],
        [header, new Map([[4, 1]]), payload, signature],
        [header, new Map(), payload, signature.slice(1)],
        [header, new Map(), 'x', signature],
        ['x', new Map(), payload, signature],
        new Map(),
      ]
      for (const shape of shapes) expect(await refusal(() => verify(Cbor.encode(shape)))).toBe('evidence-malformed')
    })

    it('refuse a signature by another key, and the signature of another payload', async () => {
      const payload = Cbor.encode(nitroFields(h))
      const impostor = { ...h, enclave: { ...h.enclave, key: generateKey('P-384') } }
      expect(await refusal(() => verify(signNitro(payload, impostor)))).toBe('evidence-signature-invalid')
      const [header, , , signature] = Cbor.decode(signNitro(payload, h)) as [
        Uint8Array,
        unknown,
        Uint8Array,
        Uint8Array,
      ]
      const other = Cbor.encode({ ...nitroFields(h), nonce: Uint8Array.of(5) })
      const spliced = Cbor.encode([header, new Map(), other, signature])
      expect(await refusal(() => verify(spliced))).toBe('evidence-signature-invalid')
    })

    it('refuse a leaf key on another curve', async () => {
      const p256 = nitroHierarchy({ enclave: { key: generateKey('P-256') } })
      const document = signNitro(Cbor.encode(nitroFields(p256)), p256)
      // A P-256 signature has 64 bytes; pad it so that the form passes and the key is what refuses.
      const [header, , payload, signature] = Cbor.decode(document) as [Uint8Array, unknown, Uint8Array, Uint8Array]
      const padded = Cbor.encode([header, new Map(), payload, concat(signature, new Uint8Array(32))])
      expect(await refusal(() => verify(padded, {}, p256))).toBe('certificate-algorithm-unsupported')
    })

    describe('and revocation', () => {
      const document = () => withFields({})
      const check = (crls: Uint8Array[], revocation: VerifyContext['revocation'] = 'required') =>
        verify(document(), { revocation, endorsements: crls.map((bytes) => ({ role: 'crl', bytes })) })
      const good = () => [issueCrl({ issuer: h.root }), issueCrl({ issuer: h.regional })]

      it('are checked when both named lists are there', async () => {
        const claims = await check(good())
        expect(claims.revocation).toBe('checked')
        expect(claims.validity.notAfter).toEqual(new Date('2026-02-01T00:00:00Z'))
      })

      it('are refused with either list missing, unless the caller goes without', async () => {
        for (const list of good()) {
          expect(await refusal(() => check([list]))).toBe('revocation-missing')
          expect((await check([list], 'unchecked')).revocation).toBe('unchecked')
        }
      })

      it('are refused with a revoked intermediate, in either mode', async () => {
        const [root, regional] = good() as [Uint8Array, Uint8Array]
        const revokesRegional = issueCrl({ issuer: h.root, revoked: [h.regional.serial] })
        const revokesZonal = issueCrl({ issuer: h.regional, revoked: [h.zonal.serial] })
        for (const mode of ['required', 'unchecked'] as const) {
          expect(await refusal(() => check([revokesRegional, regional], mode))).toBe('certificate-revoked')
          expect(await refusal(() => check([root, revokesZonal], mode))).toBe('certificate-revoked')
        }
      })

      it('are refused with a list that is stale, early, forged, foreign or garbage', async () => {
        const [root, regional] = good() as [Uint8Array, Uint8Array]
        const stale = issueCrl({ issuer: h.root, nextUpdate: new Date('2026-01-09T00:00:00Z') })
        const early = issueCrl({ issuer: h.root, thisUpdate: new Date('2026-01-11T00:00:00Z') })
        const forged = issueCrl({ issuer: h.root, signedBy: h.regional.key })
        const namesake = issueCrl({ issuer: nitroHierarchy().root })
        const unentitled = issueCrl({ issuer: h.instance })
        const scope = extension('2.5.29.28', true, sequence(distributionPoint('http://crl.test/other.crl')))
        const partition = issueCrl({ issuer: h.root, extensions: [scope] })
        expect(await refusal(() => check([stale, regional]))).toBe('crl-stale')
        expect(await refusal(() => check([early, regional]))).toBe('crl-not-yet-valid')
        expect(await refusal(() => check([forged, regional]))).toBe('crl-signature-invalid')
        expect(await refusal(() => check([namesake, regional]))).toBe('crl-signature-invalid')
        expect(await refusal(() => check([root, regional, unentitled]))).toBe('crl-issuer-key-usage')
        expect(await refusal(() => check([partition, regional]))).toBe('crl-scope-mismatch')
        expect(await refusal(() => check([Uint8Array.of(1, 2, 3), regional]))).toBe('der-malformed')
      })
    })
  })
})

it('gives the same claims on both crypto adapters', async () => {
  const vector = entry('nitro/evervault-2022')
  const verify = (crypto: CryptoProvider) =>
    nitro.verify(evidenceOf(readVector(vector.file)), {
      at: new Date(vector['verifyAt']),
      roots: { aws: [AWS] },
      endorsements: [],
      revocation: 'unchecked',
      crypto,
    })
  const [first, second] = await Promise.all(PROVIDERS.map(verify))
  expect(first).toEqual(second)
})
