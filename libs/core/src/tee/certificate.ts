import { equal, fromUtf8 } from './bytes.js'
import { FIELD_BYTES, type Curve, type HashName } from './crypto.js'
import { contextTag, Der, TAG } from './der.js'
import { AttestationError, ensure } from './error.js'
import { OID } from './oid.js'

/** X.509 version 3 certificates (RFC 5280 §4.1), parsed strictly and by nothing but the DER reader. */
export interface Certificate {
  /** The certificate as it came. */
  readonly raw: Uint8Array
  /** The signed part. */
  readonly tbs: Uint8Array
  /** Contents of the serialNumber INTEGER. */
  readonly serial: Uint8Array
  /** DER of the names; two names are the same when their bytes are. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly publicKey: PublicKey
  readonly signature: Signature
  readonly extensions: ReadonlyMap<string, Extension>
  readonly isCa: boolean
  readonly pathLength: number | undefined
  /** Bits of keyUsage (RFC 5280 §4.2.1.3), or `undefined` where the extension is absent. */
  readonly keyUsage: ReadonlySet<number> | undefined
  readonly subjectKeyId: Uint8Array | undefined
  readonly authorityKeyId: Uint8Array | undefined
}

export interface Extension {
  readonly critical: boolean
  readonly value: Uint8Array
}

export type PublicKey =
  | { readonly type: 'ec'; readonly curve: Curve; readonly point: Uint8Array; readonly bits: Uint8Array }
  | { readonly type: 'rsa'; readonly spki: Uint8Array; readonly bits: Uint8Array }

export type Signature =
  | { readonly scheme: 'ecdsa'; readonly hash: HashName; readonly value: Uint8Array }
  | { readonly scheme: 'rsa-pss'; readonly hash: 'SHA-384'; readonly value: Uint8Array }

export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const

export const CERTIFICATE_BYTES_MAX = 8 * 1024

/** AMD's CAs have 4096 bits; below 3072 a key is weaker than the P-256 ones beside it (NIST SP 800-57, table 2). */
const RSA_MODULUS_BITS_MIN = 3072

/** Parses one certificate filling `raw`; refuses with `certificate-*` or `der-malformed`. */
export function parseCertificate(raw: Uint8Array): Certificate {
  ensure(raw.length <= CERTIFICATE_BYTES_MAX, 'endorsement-too-large', `certificate of ${raw.length} bytes`)
  const { signed, inner, algorithm, signature } = signedObject(raw)
  const version = inner.explicit(0)
  ensure(version !== undefined, 'certificate-malformed', 'not version 3')
  ensure(version.smallInteger() === 2, 'certificate-malformed', 'not version 3')
  version.end()
  const serial = serialNumber(inner)
  ensure(equal(inner.expect(TAG.sequence).raw, algorithm), 'certificate-malformed', 'two signature algorithms')
  const issuer = inner.expect(TAG.sequence).raw
  const validity = inner.sequence()
  const notBefore = validity.time()
  const notAfter = validity.time()
  validity.end()
  const subject = inner.expect(TAG.sequence).raw
  const publicKey = parsePublicKey(inner.expect(TAG.sequence).raw)
  const wrapped = inner.explicit(3)
  inner.end()
  const extensions = wrapped ? parseExtensions(wrapped) : new Map<string, Extension>()
  return {
    raw,
    tbs: signed,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey,
    signature,
    extensions,
    ...basicConstraints(extensions),
    keyUsage: keyUsage(extensions),
    subjectKeyId: subjectKeyId(extensions),
    authorityKeyId: authorityKeyId(extensions),
  }
}

/**
 * The frame that certificates, CRLs and OCSP answers share: SEQUENCE { signed, signatureAlgorithm, signature }.
 * `end` is left to the caller where more may follow (OCSP).
 */
export function signedObject(raw: Uint8Array): {
  signed: Uint8Array
  inner: Der
  algorithm: Uint8Array
  signature: Signature
} {
  const outer = Der.sequence(raw)
  const frame = signedFrame(outer)
  outer.end()
  return frame
}

export function signedFrame(outer: Der): {
  signed: Uint8Array
  inner: Der
  algorithm: Uint8Array
  signature: Signature
} {
  const signed = outer.expect(TAG.sequence)
  const algorithm = outer.expect(TAG.sequence)
  const value = outer.bitString()
  const signature = { ...signatureAlgorithm(new Der(algorithm.value)), value }
  return { signed: signed.raw, inner: new Der(signed.value), algorithm: algorithm.raw, signature }
}

/** Serial numbers have at most 20 octets and are not negative; zero occurs (every AMD VCEK). */
export function serialNumber(der: Der): Uint8Array {
  const serial = der.integer()
  // Intel's 20-octet serials with the top bit set carry a leading zero octet.
  ensure(serial.length <= 21 && serial[0]! < 0x80, 'certificate-malformed', 'serial number out of range')
  return serial
}

function signatureAlgorithm(der: Der): { scheme: 'ecdsa'; hash: HashName } | { scheme: 'rsa-pss'; hash: 'SHA-384' } {
  const oid = der.oid()
  if (oid === OID.rsassaPss) {
    pssParameters(der.sequence())
    der.end()
    return { scheme: 'rsa-pss', hash: 'SHA-384' }
  }
  der.end()
  if (oid === OID.ecdsaWithSha256) return { scheme: 'ecdsa', hash: 'SHA-256' }
  if (oid === OID.ecdsaWithSha384) return { scheme: 'ecdsa', hash: 'SHA-384' }
  throw new AttestationError('certificate-algorithm-unsupported', `signature algorithm ${oid}`)
}

/** RSASSA-PSS-params (RFC 8017 §A.2.3) with SHA-384 throughout and a 48-byte salt, as AMD writes them. */
function pssParameters(der: Der): void {
  const hash = der.explicit(0)
  const mask = der.explicit(1)
  const salt = der.explicit(2)
  const trailer = der.explicit(3)
  der.end()
  const unsupported = (what: string) => new AttestationError('certificate-algorithm-unsupported', `RSA-PSS ${what}`)
  if (!hash || !mask || !salt) throw unsupported('with SHA-1 defaults')
  if (hashAlgorithm(hash.sequence()) !== OID.sha384) throw unsupported('hash')
  const generator = mask.sequence()
  if (generator.oid() !== OID.mgf1 || hashAlgorithm(generator.sequence()) !== OID.sha384) throw unsupported('mask')
  if (salt.smallInteger() !== 48) throw unsupported('salt length')
  if (trailer && trailer.smallInteger() !== 1) throw unsupported('trailer')
  for (const part of [hash, generator, mask, salt, trailer]) part?.end()
}

/** An AlgorithmIdentifier of a hash: parameters absent or NULL (RFC 5754 §2). */
export function hashAlgorithm(der: Der): string {
  const oid = der.oid()
  const parameters = der.optional(TAG.null)
  ensure(!parameters || parameters.value.length === 0, 'der-malformed', 'NULL with contents')
  der.end()
  return oid
}

function parsePublicKey(spki: Uint8Array): PublicKey {
  const der = Der.sequence(spki)
  const algorithm = der.sequence()
  const bits = der.bitString()
  der.end()
  const oid = algorithm.oid()
  if (oid === OID.ecPublicKey) {
    const curve = namedCurve(algorithm.oid())
    algorithm.end()
    ensure(bits.length === 1 + 2 * FIELD_BYTES[curve] && bits[0] === 4, 'certificate-malformed', 'EC point form')
    return { type: 'ec', curve, point: bits, bits }
  }
  ensure(oid === OID.rsaEncryption, 'certificate-algorithm-unsupported', `public key algorithm ${oid}`)
  ensure(algorithm.expect(TAG.null).value.length === 0, 'der-malformed', 'NULL with contents')
  algorithm.end()
  rsaPublicKey(bits)
  return { type: 'rsa', spki, bits }
}

function namedCurve(oid: string): Curve {
  if (oid === OID.secp256r1) return 'P-256'
  if (oid === OID.secp384r1) return 'P-384'
  throw new AttestationError('certificate-algorithm-unsupported', `curve ${oid}`)
}

function rsaPublicKey(bits: Uint8Array): void {
  const der = Der.sequence(bits)
  const modulus = der.integer()
  const exponent = der.smallInteger()
  der.end()
  const size = (modulus.length - (modulus[0] === 0 ? 1 : 0)) * 8
  ensure(size >= RSA_MODULUS_BITS_MIN && size <= 4096, 'certificate-algorithm-unsupported', `RSA of ${size} bits`)
  ensure(exponent === 65537, 'certificate-algorithm-unsupported', `RSA exponent ${exponent}`)
}

/** Extensions of certificates, CRLs, CRL entries and OCSP answers; a repeated one refuses (RFC 5280 §4.2). */
export function parseExtensions(wrapper: Der): Map<string, Extension> {
  const list = wrapper.sequence()
  wrapper.end()
  const extensions = new Map<string, Extension>()
  while (!list.done) {
    const entry = list.sequence()
    const oid = entry.oid()
    const critical = entry.peek() === TAG.boolean ? entry.boolean() : false
    const value = entry.octetString()
    entry.end()
    ensure(!extensions.has(oid), 'certificate-malformed', `extension ${oid} twice`)
    extensions.set(oid, { critical, value })
  }
  return extensions
}

function basicConstraints(extensions: ReadonlyMap<string, Extension>): {
  isCa: boolean
  pathLength: number | undefined
} {
  const extension = extensions.get(OID.basicConstraints)
  if (!extension) return { isCa: false, pathLength: undefined }
  const der = Der.sequence(extension.value)
  const isCa = der.peek() === TAG.boolean ? der.boolean() : false
  const pathLength = der.peek() === TAG.integer ? der.smallInteger() : undefined
  der.end()
  ensure(isCa || pathLength === undefined, 'certificate-malformed', 'path length without CA')
  return { isCa, pathLength }
}

function keyUsage(extensions: ReadonlyMap<string, Extension>): ReadonlySet<number> | undefined {
  const extension = extensions.get(OID.keyUsage)
  if (!extension) return undefined
  const der = new Der(extension.value)
  const flags = der.flags()
  der.end()
  return flags
}

function subjectKeyId(extensions: ReadonlyMap<string, Extension>): Uint8Array | undefined {
  const extension = extensions.get(OID.subjectKeyIdentifier)
  if (!extension) return undefined
  const der = new Der(extension.value)
  const id = der.octetString()
  der.end()
  return id
}

function authorityKeyId(extensions: ReadonlyMap<string, Extension>): Uint8Array | undefined {
  const extension = extensions.get(OID.authorityKeyIdentifier)
  return extension && Der.sequence(extension.value).optional(contextTag(0, 'primitive'))?.value
}

/** Extended key usages (RFC 5280 §4.2.1.12), empty where the extension is absent. */
export function extKeyUsages(certificate: Certificate): string[] {
  const extension = certificate.extensions.get(OID.extKeyUsage)
  if (!extension) return []
  const der = Der.sequence(extension.value)
  const usages: string[] = []
  while (!der.done) usages.push(der.oid())
  return usages
}

/** The full-name URIs of the CRL distribution points (RFC 5280 §4.2.1.13). */
export function crlDistributionPoints(certificate: Certificate): string[] {
  const extension = certificate.extensions.get(OID.crlDistributionPoints)
  if (!extension) return []
  const points = Der.sequence(extension.value)
  const uris: string[] = []
  while (!points.done) uris.push(...distributionPointUris(points.sequence()))
  return uris
}

/** The URIs of a DistributionPointName `[0]` at the head of `point`; other name forms count for nothing. */
export function distributionPointUris(point: Der): string[] {
  const fullName = point.explicit(0)?.optional(contextTag(0))
  if (!fullName) return []
  const names = new Der(fullName.value)
  const uris: string[] = []
  while (!names.done) {
    const name = names.next()
    if (name.tag === contextTag(6, 'primitive')) uris.push(fromUtf8(name.value) ?? '')
  }
  return uris
}

/** The one common name of a subject or issuer; `undefined` where there is none or more than one. */
export function commonName(name: Uint8Array): string | undefined {
  return nameAttribute(name, OID.commonName)
}

/** The value of an attribute that occurs exactly once in a name. */
export function nameAttribute(name: Uint8Array, oid: string): string | undefined {
  const found: string[] = []
  const relativeNames = Der.sequence(name)
  while (!relativeNames.done) {
    const attributes = new Der(relativeNames.expect(TAG.set).value)
    while (!attributes.done) {
      const attribute = attributes.sequence()
      const type = attribute.oid()
      const value = attribute.next()
      attribute.end()
      if (type === oid) found.push(fromUtf8(value.value) ?? '')
    }
  }
  return found.length === 1 ? found[0] : undefined
}
