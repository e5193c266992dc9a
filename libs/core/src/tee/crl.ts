import { equal, toHex } from './bytes.js'
import {
  distributionPointUris,
  KEY_USAGE,
  parseExtensions,
  serialNumber,
  signedObject,
  type Certificate,
  type Extension,
} from './certificate.js'
import type { CryptoProvider } from './crypto.js'
import { contextTag, Der, TAG } from './der.js'
import { ensure } from './error.js'
import { OID } from './oid.js'
import { checkWindow, type Validity } from './path.js'
import { verifySignature } from './signature.js'

export const CRL_BYTES_MAX = 1024 * 1024

/** A parsed certificate revocation list (RFC 5280 §5) that nobody has vouched for yet. */
export interface UnauthenticatedCrl {
  readonly issuer: Uint8Array
  readonly authenticate: (issuer: Certificate, at: number, crypto: CryptoProvider) => Promise<Crl>
}

/**
 * An authenticated list: the only kind that can be asked about a certificate, so that no verifier can consult one
 * without having checked its signature, issuer and dates.
 */
export class Crl implements Validity {
  readonly notBefore: number
  readonly notAfter: number
  /** cRLNumber (RFC 5280 §5.2.3), where the list has one; Intel's lists all say 1. */
  readonly number: Uint8Array | undefined
  readonly #issuer: Certificate
  readonly #revoked: ReadonlySet<string>
  readonly #uris: readonly string[] | undefined

  /** @internal */
  constructor(parsed: Parsed, issuer: Certificate) {
    this.notBefore = parsed.thisUpdate
    this.notAfter = parsed.nextUpdate
    this.number = parsed.number
    this.#issuer = issuer
    this.#revoked = parsed.revoked
    this.#uris = parsed.uris
  }

  /** The URIs that a partitioned list states as its scope. */
  get scope(): readonly string[] | undefined {
    return this.#uris
  }

  /** Whether this list speaks for the certificate: same issuer, and the list's scope (if it states one) includes it. */
  covers(certificate: Certificate, distributionPoints: readonly string[]): boolean {
    if (!equal(certificate.issuer, this.#issuer.subject)) return false
    return this.#uris === undefined || this.#uris.some((uri) => distributionPoints.includes(uri))
  }

  /** Refuses with `certificate-revoked`. Revocations are keyed by (issuer, serial). */
  refuseRevoked(certificate: Certificate): void {
    const serial = toHex(certificate.serial)
    ensure(!this.#revoked.has(serial), 'certificate-revoked', `serial ${serial} is on its issuer’s list`)
  }
}

/** Parses a list; refuses with `crl-*` or `der-malformed`. */
export function parseCrl(raw: Uint8Array): UnauthenticatedCrl {
  ensure(raw.length <= CRL_BYTES_MAX, 'endorsement-too-large', `CRL of ${raw.length} bytes`)
  const parsed = parse(raw)
  return {
    issuer: parsed.issuer,
    async authenticate(issuer, at, crypto) {
      await authenticate(parsed, issuer, at, crypto)
      return new Crl(parsed, issuer)
    },
  }
}

interface Parsed {
  readonly signed: Uint8Array
  readonly signature: ReturnType<typeof signedObject>['signature']
  readonly issuer: Uint8Array
  readonly thisUpdate: number
  readonly nextUpdate: number
  readonly authorityKeyId: Uint8Array | undefined
  readonly number: Uint8Array | undefined
  readonly revoked: ReadonlySet<string>
  readonly uris: readonly string[] | undefined
}

async function authenticate(crl: Parsed, issuer: Certificate, at: number, crypto: CryptoProvider): Promise<void> {
  ensure(equal(crl.issuer, issuer.subject), 'crl-issuer-mismatch', 'the list is of another issuer')
  const sameKey = !crl.authorityKeyId || !issuer.subjectKeyId || equal(crl.authorityKeyId, issuer.subjectKeyId)
  ensure(sameKey, 'crl-issuer-mismatch', 'the list is of another key of the issuer')
  ensure(issuer.keyUsage?.has(KEY_USAGE.cRLSign) ?? false, 'crl-issuer-key-usage', 'the issuer may not sign lists')
  const genuine = await verifySignature(crypto, issuer.publicKey, crl.signature, crl.signed)
  ensure(genuine, 'crl-signature-invalid', 'signature is not the issuer’s')
  const window = { notBefore: crl.thisUpdate, notAfter: crl.nextUpdate }
  checkWindow(window, at, 'list', { early: 'crl-not-yet-valid', late: 'crl-stale' })
}

function parse(raw: Uint8Array): Parsed {
  const { signed, inner, algorithm, signature } = signedObject(raw)
  ensure(inner.smallInteger() === 1, 'crl-malformed', 'not version 2')
  ensure(equal(inner.expect(TAG.sequence).raw, algorithm), 'crl-malformed', 'two signature algorithms')
  const issuer = inner.expect(TAG.sequence).raw
  const thisUpdate = inner.time()
  const hasNext = inner.peek() === TAG.utcTime || inner.peek() === TAG.generalizedTime
  ensure(hasNext, 'crl-malformed', 'no nextUpdate')
  const nextUpdate = inner.time()
  const revoked = inner.peek() === TAG.sequence ? parseEntries(inner.sequence()) : new Set<string>()
  const wrapped = inner.explicit(0)
  inner.end()
  const extensions = wrapped ? parseExtensions(wrapped) : new Map<string, Extension>()
  refuseUnknownCritical(extensions, [OID.issuingDistributionPoint])
  return {
    signed,
    signature,
    issuer,
    thisUpdate,
    nextUpdate,
    authorityKeyId: authorityKeyId(extensions),
    number: crlNumber(extensions),
    revoked,
    uris: issuingDistributionPoint(extensions),
  }
}

function parseEntries(list: Der): Set<string> {
  const serials = new Set<string>()
  while (!list.done) {
    const entry = list.sequence()
    serials.add(toHex(serialNumber(entry)))
    entry.time()
    if (!entry.done) refuseUnknownCritical(parseExtensions(entry), [OID.crlReason, OID.invalidityDate])
    entry.end()
  }
  return serials
}

/** An unknown critical extension may change what an entry means (indirect lists do), so it refuses the list. */
function refuseUnknownCritical(extensions: ReadonlyMap<string, Extension>, known: readonly string[]): void {
  for (const [oid, { critical }] of extensions) {
    ensure(!critical || known.includes(oid), 'crl-critical-extension-unknown', oid)
  }
}

function authorityKeyId(extensions: ReadonlyMap<string, Extension>): Uint8Array | undefined {
  const extension = extensions.get(OID.authorityKeyIdentifier)
  return extension && Der.sequence(extension.value).optional(contextTag(0, 'primitive'))?.value
}

function crlNumber(extensions: ReadonlyMap<string, Extension>): Uint8Array | undefined {
  const extension = extensions.get(OID.crlNumber)
  if (!extension) return undefined
  const der = new Der(extension.value)
  const number = der.integer()
  der.end()
  ensure(number.length <= 21 && number[0]! < 0x80, 'crl-malformed', 'CRL number out of range')
  return number
}

/**
 * The URIs that a partitioned list states as its scope (RFC 5280 §5.2.5), as AWS writes them. Scopes by certificate
 * kind, by reason, and indirect lists refuse.
 */
function issuingDistributionPoint(extensions: ReadonlyMap<string, Extension>): string[] | undefined {
  const extension = extensions.get(OID.issuingDistributionPoint)
  if (!extension) return undefined
  const point = Der.sequence(extension.value)
  const uris = distributionPointUris(point)
  ensure(point.done && uris.length > 0, 'crl-scope-mismatch', 'scope other than a full name')
  return uris
}
