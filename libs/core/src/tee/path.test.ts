import { beforeAll, describe, expect, it } from 'vitest'
import { parseCertificate } from './certificate.js'
import { parseCrl } from './crl.js'
import type { AttestationErrorCode } from './error.js'
import { verifyOcsp } from './ocsp.js'
import { OID } from './oid.js'
import { verifyPath } from './path.js'
import { checkRevocation } from './revocation.js'
import * as D from './testing/der-builder.js'
import {
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  distinguishedName,
  distributionPoint,
  extension,
  generateKey,
  issueCertificate,
  issueCrl,
  issueOcsp,
  KEY_CERT_SIGN,
  type CertificateOptions,
  type KeyType,
  type TestCertificate,
} from './testing/pki.js'
import { PROVIDERS } from './testing/providers.js'
import { refusal } from './testing/refusal.js'
import { derList, derOf } from './testing/vectors.js'

const AT = Date.parse('2026-01-10T12:00:00Z')
const CA_USAGE = [KEY_CERT_SIGN, CRL_SIGN]

interface Hierarchy {
  readonly root: TestCertificate
  readonly intermediate: TestCertificate
  readonly leaf: TestCertificate
}

function hierarchy(
  type: KeyType,
  change: Partial<Record<keyof Hierarchy, Partial<CertificateOptions>>> = {},
): Hierarchy {
  const root = issueCertificate({
    subject: 'Root',
    key: keys[type][0]!,
    ca: true,
    keyUsage: CA_USAGE,
    ...change.root,
  })
  const intermediate = issueCertificate({
    subject: 'Intermediate',
    key: keys[type][1]!,
    issuer: root,
    ca: { pathLength: 0 },
    keyUsage: CA_USAGE,
    ...change.intermediate,
  })
  const leaf = issueCertificate({
    subject: 'Leaf',
    key: keys['P-384'][2]!,
    issuer: intermediate,
    ca: false,
    keyUsage: [DIGITAL_SIGNATURE],
    crlUri: 'http://crl.test/1',
    ...change.leaf,
  })
  return { root, intermediate, leaf }
}

const keys: Record<KeyType, ReturnType<typeof generateKey>[]> = { 'P-256': [], 'P-384': [], RSA: [] }
beforeAll(() => {
  for (const type of ['P-256', 'P-384', 'RSA'] as const) keys[type] = [1, 2, 3, 4].map(() => generateKey(type))
}, 60_000)

const parsed = ({ root, intermediate, leaf }: Hierarchy) =>
  [leaf, intermediate, root].map(({ der }) => parseCertificate(der))

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('with %s', (_, crypto) => {
  const verify = (h: Hierarchy, at = AT, roots = [h.root.der]) => verifyPath({ path: parsed(h), roots, at, crypto })

  describe('verifyPath', () => {
    it.each(['P-256', 'P-384', 'RSA'] as const)('accepts a proper path of %s keys', async (type) => {
      const validity = await verify(hierarchy(type, { leaf: { notAfter: new Date('2026-03-01T00:00:00Z') } }))
      expect(validity).toEqual({ notBefore: Date.UTC(2025, 0, 1), notAfter: Date.UTC(2026, 2, 1) })
    })

    it('is valid at both ends of its window and not a second beyond', async () => {
      const h = hierarchy('P-256')
      await verify(h, Date.UTC(2025, 0, 1))
      await verify(h, Date.UTC(2035, 0, 1))
      expect(await refusal(() => verify(h, Date.UTC(2025, 0, 1) - 1))).toBe('certificate-not-yet-valid')
      expect(await refusal(() => verify(h, Date.UTC(2035, 0, 1) + 1))).toBe('certificate-expired')
    })

    const critical = extension('1.2.3.4', true, D.nullValue())
    const plain = extension('1.2.3.4', false, D.nullValue())
    const aki = (id: number) => extension('2.5.29.35', false, D.sequence(D.implicit(0, Uint8Array.of(id))))
    const ski = (id: number) => extension('2.5.29.14', false, D.octetString(Uint8Array.of(id)))
    const future = { notBefore: new Date('2026-06-01T00:00:00Z') }
    const past = { notAfter: new Date('2025-06-01T00:00:00Z') }

    const cases: readonly [
      string,
      AttestationErrorCode,
      Parameters<typeof hierarchy>[1] | (() => Parameters<typeof hierarchy>[1]),
    ][] = [
      ['an expired leaf', 'certificate-expired', { leaf: past }],
      ['an expired intermediate', 'certificate-expired', { intermediate: past }],
      ['an expired root', 'certificate-expired', { root: past }],
      ['a leaf of tomorrow', 'certificate-not-yet-valid', { leaf: future }],
      ['an intermediate of tomorrow', 'certificate-not-yet-valid', { intermediate: future }],
      ['an intermediate without the CA flag', 'path-issuer-not-ca', { intermediate: { ca: false } }],
      ['an intermediate without basic constraints', 'path-issuer-not-ca', () => ({ intermediate: withoutCa })],
      ['an intermediate that may not sign certificates', 'path-key-usage', { intermediate: { keyUsage: [CRL_SIGN] } }],
      ['a root that may not sign certificates', 'path-key-usage', { root: { keyUsage: [DIGITAL_SIGNATURE] } }],
      ['a leaf that may not sign data', 'path-key-usage', { leaf: { keyUsage: [KEY_CERT_SIGN] } }],
      ['a leaf that is a CA', 'path-leaf-is-ca', { leaf: { ca: true } }],
      ['a root that allows no intermediate', 'path-length-exceeded', { root: { ca: { pathLength: 0 } } }],
      [
        'an unknown critical extension in the leaf',
        'certificate-critical-extension-unknown',
        { leaf: { extensions: [critical] } },
      ],
      [
        'an unknown critical extension in the intermediate',
        'certificate-critical-extension-unknown',
        { intermediate: { extensions: [critical] } },
      ],
      [
        'an unknown critical extension in the root',
        'certificate-critical-extension-unknown',
        { root: { extensions: [critical] } },
      ],
      [
        'a leaf signed by another key',
        'certificate-signature-invalid',
        () => ({ leaf: { signedBy: keys['P-256'][3]! } }),
      ],
      [
        'a leaf signed by a key of another scheme',
        'certificate-signature-invalid',
        () => ({ leaf: { signedBy: keys.RSA[3]! } }),
      ],
      [
        'an intermediate signed by itself',
        'certificate-signature-invalid',
        () => ({ intermediate: { signedBy: keys['P-256'][1]! } }),
      ],
      [
        'an authority key identifier of another key',
        'path-issuer-mismatch',
        { intermediate: { extensions: [ski(1)] }, leaf: { extensions: [aki(2)] } },
      ],
    ]
    const withoutCa: Partial<CertificateOptions> = { keyUsage: CA_USAGE, ca: undefined as never }

    it.each(cases)('refuses %s', async (_name, code, change) => {
      const h = hierarchy('P-256', typeof change === 'function' ? change() : change)
      expect(await refusal(() => verify(h))).toBe(code)
    })

    it('passes over unknown extensions that are not critical', async () => {
      await verify(hierarchy('P-256', { leaf: { extensions: [plain] } }))
    })

    it('refuses a root that is not pinned, byte for byte', async () => {
      const h = hierarchy('P-256')
      const twin = issueCertificate({ subject: 'Root', key: keys['P-256'][0]!, ca: true, keyUsage: CA_USAGE })
      expect(await refusal(() => verify(h, AT, [twin.der]))).toBe('path-root-untrusted')
      expect(await refusal(() => verify(h, AT, []))).toBe('path-root-untrusted')
      expect(await refusal(() => verifyPath({ path: [], roots: [h.root.der], at: AT, crypto }))).toBe(
        'path-root-untrusted',
      )
    })

    it('refuses a path whose names do not link', async () => {
      const h = hierarchy('P-256')
      const stranger = issueCertificate({
        subject: 'Stranger',
        key: keys['P-256'][1]!,
        issuer: h.root,
        ca: true,
        keyUsage: CA_USAGE,
      })
      expect(await refusal(() => verify({ ...h, intermediate: stranger }))).toBe('path-issuer-mismatch')
    })

    it('refuses a path without its intermediate', async () => {
      const h = hierarchy('P-256')
      const path = [h.leaf, h.root].map(({ der }) => parseCertificate(der))
      expect(await refusal(() => verifyPath({ path, roots: [h.root.der], at: AT, crypto }))).toBe(
        'path-issuer-mismatch',
      )
    })

    it('refuses a path longer than the cap', async () => {
      const h = hierarchy('P-256')
      const path = Array.from({ length: 9 }, () => parseCertificate(h.root.der))
      expect(await refusal(() => verifyPath({ path, roots: [h.root.der], at: AT, crypto }))).toBe('path-too-long')
    })

    it('refuses a leaf key that is not on the curve, when it is asked to sign below', async () => {
      const off = { ...keys['P-256'][1]!, spki: Uint8Array.from(keys['P-256'][1]!.spki) }
      off.spki[off.spki.length - 1]! ^= 1
      const h = hierarchy('P-256', { intermediate: { key: off }, leaf: { signedBy: keys['P-256'][1]! } })
      expect(await refusal(() => verify(h))).toBe('certificate-signature-invalid')
    })
  })

  describe('lists of revocation', () => {
    const authenticate = (raw: Uint8Array, issuer: TestCertificate, at = AT) =>
      parseCrl(raw).authenticate(parseCertificate(issuer.der), at, crypto)

    it('refuse a revoked certificate and pass another', async () => {
      const { root, intermediate, leaf } = hierarchy('P-256')
      const crl = await authenticate(issueCrl({ issuer: intermediate, revoked: [leaf.serial] }), intermediate)
      expect(await refusal(() => crl.refuseRevoked(parseCertificate(leaf.der)))).toBe('certificate-revoked')
      const empty = await authenticate(issueCrl({ issuer: root }), root)
      empty.refuseRevoked(parseCertificate(intermediate.der))
      expect([crl.notBefore, crl.notAfter]).toEqual([Date.UTC(2026, 0, 1), Date.UTC(2026, 1, 1)])
    })

    it('are valid at both ends of their window and not a millisecond beyond', async () => {
      const { intermediate } = hierarchy('P-256')
      const raw = issueCrl({ issuer: intermediate })
      await authenticate(raw, intermediate, Date.UTC(2026, 0, 1))
      await authenticate(raw, intermediate, Date.UTC(2026, 1, 1))
      expect(await refusal(() => authenticate(raw, intermediate, Date.UTC(2026, 0, 1) - 1))).toBe('crl-not-yet-valid')
      expect(await refusal(() => authenticate(raw, intermediate, Date.UTC(2026, 1, 1) + 1))).toBe('crl-stale')
    })

    it('refuse what is not authentic', async () => {
      const { root, intermediate, leaf } = hierarchy('P-256')
      const by = (options: Partial<Parameters<typeof issueCrl>[0]>) => issueCrl({ issuer: intermediate, ...options })
      const unusable = issueCertificate({
        subject: 'Intermediate',
        key: keys['P-256'][1]!,
        issuer: root,
        ca: true,
        keyUsage: [KEY_CERT_SIGN],
      })
      expect(await refusal(() => authenticate(by({ signedBy: keys['P-256'][3]! }), intermediate))).toBe(
        'crl-signature-invalid',
      )
      expect(await refusal(() => authenticate(by({ issuer: root }), intermediate))).toBe('crl-issuer-mismatch')
      expect(await refusal(() => authenticate(by({}), unusable))).toBe('crl-issuer-key-usage')
      expect(await refusal(() => authenticate(by({ nextUpdate: null }), intermediate))).toBe('crl-malformed')
      expect(await refusal(() => authenticate(Uint8Array.of(0x30, 0), intermediate))).toBe('der-malformed')
      const critical = extension('1.2.3.4', true, D.nullValue())
      expect(await refusal(() => authenticate(by({ extensions: [critical] }), intermediate))).toBe(
        'crl-critical-extension-unknown',
      )
      const indirect = { revoked: [leaf.serial], entryExtensions: [extension('2.5.29.29', true, D.nullValue())] }
      expect(await refusal(() => authenticate(by(indirect), intermediate))).toBe('crl-critical-extension-unknown')
      const delta = extension('2.5.29.27', true, D.integer(1))
      expect(await refusal(() => authenticate(by({ extensions: [delta] }), intermediate))).toBe(
        'crl-critical-extension-unknown',
      )
    })

    it('refuse with any byte flipped', async () => {
      const { intermediate, leaf } = hierarchy('P-256')
      const raw = issueCrl({ issuer: intermediate, revoked: [leaf.serial] })
      for (let i = 0; i < raw.length; i++) {
        const changed = Uint8Array.from(raw)
        changed[i]! ^= 1 << (i % 8)
        await refusal(() => authenticate(changed, intermediate))
      }
    })

    it('speak only for the partition they state', async () => {
      const { root, intermediate, leaf } = hierarchy('P-256')
      const scope = (uri: string) => extension(OID.issuingDistributionPoint, true, D.sequence(distributionPoint(uri)))
      const path = [leaf, intermediate, root].map(({ der }) => parseCertificate(der))
      const check = (raw: Uint8Array) =>
        checkRevocation({ path, needed: [path[0]!], crls: [raw], ocsps: [], mode: 'required', at: AT, crypto })
      const own = issueCrl({ issuer: intermediate, extensions: [scope('http://crl.test/1')] })
      expect((await check(own)).fact).toBe('checked')
      const other = issueCrl({ issuer: intermediate, extensions: [scope('http://crl.test/2')] })
      expect(await refusal(() => check(other))).toBe('crl-scope-mismatch')
      const onlyCa = extension(
        OID.issuingDistributionPoint,
        true,
        D.sequence(distributionPoint('http://crl.test/1'), D.implicit(2, Uint8Array.of(0xff))),
      )
      expect(await refusal(() => check(issueCrl({ issuer: intermediate, extensions: [onlyCa] })))).toBe(
        'crl-scope-mismatch',
      )
    })
  })

  describe('OCSP answers', () => {
    const check = (h: Hierarchy, options: Partial<Parameters<typeof issueOcsp>[0]> = {}, at = AT) =>
      verifyOcsp({
        response: issueOcsp({ certificate: h.leaf, issuer: h.intermediate, ...options }),
        certificate: parseCertificate(h.leaf.der),
        issuer: parseCertificate(h.intermediate.der),
        at,
        crypto,
      })
    const responder = (h: Hierarchy, options: Partial<CertificateOptions> = {}) =>
      issueCertificate({
        subject: 'Responder',
        key: keys['P-384'][3]!,
        issuer: h.intermediate,
        keyUsage: [DIGITAL_SIGNATURE],
        extensions: [extension('2.5.29.37', true, D.sequence(D.oid(OID.ocspSigning)))],
        ...options,
      })

    it('are accepted from the issuer and from a responder the issuer certified', async () => {
      const h = hierarchy('P-384')
      const window = { notBefore: Date.UTC(2026, 0, 10), notAfter: Date.UTC(2026, 0, 11) }
      expect(await check(h)).toEqual({ ...window })
      expect(await check(h, { responder: responder(h) })).toEqual(window)
      expect(await check(h, { hash: 'sha256' })).toEqual(window)
    })

    it('refuse revoked and unknown', async () => {
      const h = hierarchy('P-384')
      expect(await refusal(() => check(h, { status: 'revoked' }))).toBe('certificate-revoked')
      expect(await refusal(() => check(h, { status: 'unknown' }))).toBe('ocsp-status-unknown')
    })

    it('refuse outside their window', async () => {
      const h = hierarchy('P-384')
      expect(await refusal(() => check(h, {}, Date.UTC(2026, 0, 9)))).toBe('ocsp-not-yet-valid')
      expect(await refusal(() => check(h, {}, Date.UTC(2026, 0, 12)))).toBe('ocsp-stale')
    })

    it('refuse what is not authentic', async () => {
      const h = hierarchy('P-384')
      const other = issueCertificate({ subject: 'Other', key: keys['P-384'][3]!, issuer: h.intermediate })
      expect(await refusal(() => check(h, { certificate: other }))).toBe('ocsp-certificate-mismatch')
      expect(await refusal(() => check(h, { issuer: h.root }))).toBe('ocsp-certificate-mismatch')
      expect(await refusal(() => check(h, { signedBy: keys['P-384'][3]! }))).toBe('ocsp-signature-invalid')
      expect(await refusal(() => check(h, { responseStatus: 6 }))).toBe('ocsp-not-successful')
      const unentitled = responder(h, { extensions: [] })
      expect(await refusal(() => check(h, { responder: unentitled }))).toBe('ocsp-responder-unauthorised')
      const ofRoot = responder(h, { issuer: h.root })
      expect(await refusal(() => check(h, { responder: ofRoot }))).toBe('ocsp-responder-unauthorised')
      const forged = responder(h, { signedBy: keys['P-384'][2]! })
      expect(await refusal(() => check(h, { responder: forged }))).toBe('certificate-signature-invalid')
      const expired = responder(h, { notAfter: new Date('2025-06-01T00:00:00Z') })
      expect(await refusal(() => check(h, { responder: expired }))).toBe('certificate-expired')
    })
  })

  describe('checkRevocation', () => {
    const run = (h: Hierarchy, change: Partial<Parameters<typeof checkRevocation>[0]> = {}) => {
      const path = parsed(h)
      return checkRevocation({
        path,
        needed: path.slice(0, 2),
        crls: [],
        ocsps: [],
        mode: 'required',
        at: AT,
        crypto,
        ...change,
      })
    }

    it('is complete when every needed certificate has a statement of either kind', async () => {
      const h = hierarchy('P-384')
      const crls = [issueCrl({ issuer: h.root })]
      const ocsps = [issueOcsp({ certificate: h.leaf, issuer: h.intermediate })]
      expect((await run(h, { crls, ocsps })).fact).toBe('checked')
    })

    it('refuses a missing statement, or says so where the caller asked for that', async () => {
      const h = hierarchy('P-384')
      const crls = [issueCrl({ issuer: h.root })]
      expect(await refusal(() => run(h, { crls }))).toBe('revocation-missing')
      expect((await run(h, { crls, mode: 'unchecked' })).fact).toBe('unchecked')
      expect(await refusal(() => run(h, { needed: [] }))).toBe('revocation-missing')
    })

    it('obeys a statement that is present in either mode', async () => {
      const h = hierarchy('P-384')
      const crls = [issueCrl({ issuer: h.root, revoked: [h.intermediate.serial] })]
      expect(await refusal(() => run(h, { crls, mode: 'unchecked' }))).toBe('certificate-revoked')
    })

    it('refuses statements of strangers', async () => {
      const h = hierarchy('P-384')
      const stranger = issueCertificate({
        subject: distinguishedName('Stranger'),
        key: keys['P-384'][3]!,
        ca: true,
        keyUsage: CA_USAGE,
      })
      expect(await refusal(() => run(h, { crls: [issueCrl({ issuer: stranger })], mode: 'unchecked' }))).toBe(
        'crl-issuer-mismatch',
      )
      const foreign = issueOcsp({ certificate: stranger, issuer: stranger })
      expect(await refusal(() => run(h, { ocsps: [foreign], mode: 'unchecked' }))).toBe('ocsp-certificate-mismatch')
    })
  })

  it('accepts AMD’s chains and the Turin VCEK', async () => {
    for (const product of ['milan', 'genoa', 'turin']) {
      const [ask, ark, asvk] = derList(`roots/amd-ask-ark-asvk-${product}.pem`).map(parseCertificate)
      expect(ark!.raw).toEqual(derOf(`roots/amd-ark-${product}.pem`))
      // The ASK is a CA, so it is checked as an issuer by way of the VCEK below; here only the link to the ARK.
      for (const issuer of [ask!, asvk!]) {
        expect(await refusal(() => verifyPath({ path: [issuer, ark!], roots: [ark!.raw], at: AT, crypto }))).toBe(
          'path-leaf-is-ca',
        )
      }
    }
    const path = ['sev-snp/virtee-turin.vcek.der', 'roots/amd-ask-turin.pem', 'roots/amd-ark-turin.pem'].map((file) =>
      parseCertificate(derOf(file)),
    )
    const { notAfter } = await verifyPath({ path, roots: [path[2]!.raw], at: AT, crypto })
    expect(notAfter).toBe(Date.UTC(2031, 10, 6, 21, 14, 0))
    const milan = parseCertificate(derOf('roots/amd-ask-milan.pem'))
    expect(
      await refusal(() => verifyPath({ path: [path[0]!, milan, path[2]!], roots: [path[2]!.raw], at: AT, crypto })),
    ).toBe('path-issuer-mismatch')
  })
})

describe('parseCertificate', () => {
  it('refuses a repeated extension, two algorithms, an oversized serial and leftovers', async () => {
    const { leaf } = hierarchy('P-256')
    const twice = extension('1.2.3', false, D.nullValue())
    const repeated = hierarchy('P-256', { leaf: { extensions: [twice, twice] } }).leaf
    expect(await refusal(() => parseCertificate(repeated.der))).toBe('certificate-malformed')
    const long = hierarchy('P-256', { leaf: { serial: new Uint8Array(22).fill(1) } }).leaf
    expect(await refusal(() => parseCertificate(long.der))).toBe('certificate-malformed')
    expect(await refusal(() => parseCertificate(Uint8Array.of(...leaf.der, 0)))).toBe('der-malformed')
    expect(await refusal(() => parseCertificate(new Uint8Array(8193)))).toBe('endorsement-too-large')
    const swapped = Uint8Array.from(leaf.der)
    // The last occurrence of ecdsa-with-SHA256 is the outer algorithm: make it SHA-384.
    const outer = Buffer.from(swapped).lastIndexOf(Buffer.from('2a8648ce3d040302', 'hex'))
    swapped[outer + 7] = 3
    expect(await refusal(() => parseCertificate(swapped))).toBe('certificate-malformed')
  })
})
