import { equal } from './bytes.js'
import { KEY_USAGE, type Certificate } from './certificate.js'
import type { CryptoProvider } from './crypto.js'
import { AttestationError, ensure, type AttestationErrorCode } from './error.js'
import { OID } from './oid.js'
import { verifySignature } from './signature.js'

/** Milliseconds since 1970, both ends included. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

export const PATH_LENGTH_MAX = 8

/** Critical extensions whose meaning `verifyPath` enforces. Any other critical extension refuses the path. */
const ENFORCED_EXTENSIONS: ReadonlySet<string> = new Set([OID.basicConstraints, OID.keyUsage])

export interface PathCheck {
  /** Leaf first; the last certificate must be one of `roots`, byte for byte. */
  readonly path: readonly Certificate[]
  /** DER of the pinned roots. */
  readonly roots: readonly Uint8Array[]
  /** Milliseconds since 1970. */
  readonly at: number
  readonly crypto: CryptoProvider
  /** Critical extensions the caller itself enforces (the simulator's marker). */
  readonly enforced?: readonly string[]
}

/**
 * Verifies a certification path (RFC 5280 §6.1, without policies and name constraints, which none of these hierarchies
 * uses) and returns the time during which all of it is valid.
 *
 * Order, from the root down: pinned root; then for each certificate form (critical extensions), validity at `at`,
 * issuer's right to issue (CA flag, keyCertSign, path length), names and key identifiers, signature. The root's own
 * signature proves nothing that pinning has not, and is not checked.
 */
export function verifyPath(check: PathCheck): Promise<Validity> {
  return verifyDown(check, checkIsLeaf)
}

/** The same for a path whose first certificate is itself an issuer: that of a list of revocation, or of an answer about the certificates below it. */
export function verifyIssuerPath(check: PathCheck): Promise<Validity> {
  return verifyDown(check, ({ isCa }) => ensure(isCa, 'path-issuer-not-ca', 'the issuer is not a certification authority'))
}

async function verifyDown({ path, roots, at, crypto, enforced = [] }: PathCheck, checkFirst: (first: Certificate) => void): Promise<Validity> {
  ensure(path.length <= PATH_LENGTH_MAX, 'path-too-long', `${path.length} certificates`)
  const root = path.at(-1)
  const pinned = root !== undefined && roots.some((pin) => equal(pin, root.raw))
  ensure(pinned, 'path-root-untrusted', 'the path does not end in a pinned root')
  for (let i = path.length - 1; i >= 0; i--) {
    const certificate = path[i]!
    checkCriticalExtensions(certificate, enforced)
    checkValidity(certificate, at)
    if (i > 0) checkMayIssue(certificate, i - 1)
    else checkFirst(certificate)
    const issuer = path[i + 1]
    if (issuer) await checkIssuedBy(certificate, issuer, crypto)
  }
  return intersect(path)
}

/** The time during which every one is valid. Empty input is valid always. */
export function intersect(windows: readonly Validity[]): Validity {
  return {
    notBefore: Math.max(...windows.map(({ notBefore }) => notBefore)),
    notAfter: Math.min(...windows.map(({ notAfter }) => notAfter)),
  }
}

/** Names, key identifiers and signature of `certificate` against its issuer. */
export async function checkIssuedBy(
  certificate: Certificate,
  issuer: Certificate,
  crypto: CryptoProvider,
): Promise<void> {
  ensure(equal(certificate.issuer, issuer.subject), 'path-issuer-mismatch', 'issuer name is not the subject above')
  const { authorityKeyId } = certificate
  const { subjectKeyId } = issuer
  const sameKey = !authorityKeyId || !subjectKeyId || equal(authorityKeyId, subjectKeyId)
  ensure(sameKey, 'path-issuer-mismatch', 'authority key identifier is not the key above')
  const genuine = await verifySignature(crypto, issuer.publicKey, certificate.signature, certificate.tbs)
  ensure(genuine, 'certificate-signature-invalid', 'signature is not the issuer’s')
}

export function checkCriticalExtensions(certificate: Certificate, enforced: readonly string[]): void {
  for (const [oid, { critical }] of certificate.extensions) {
    const known = ENFORCED_EXTENSIONS.has(oid) || enforced.includes(oid)
    ensure(!critical || known, 'certificate-critical-extension-unknown', oid)
  }
}

export function checkValidity(certificate: Certificate, at: number): void {
  checkWindow(certificate, at, 'certificate', { early: 'certificate-not-yet-valid', late: 'certificate-expired' })
}

/**
 * Refuses outside a window. The comparisons are written the way round that a time which is not a number (an invalid
 * Date) is outside every window.
 */
export function checkWindow(
  { notBefore, notAfter }: Validity,
  at: number,
  what: string,
  codes: { readonly early: AttestationErrorCode; readonly late: AttestationErrorCode },
): void {
  if (!(at >= notBefore)) throw new AttestationError(codes.early, `${what} valid from ${iso(notBefore)}`)
  if (!(at <= notAfter)) throw new AttestationError(codes.late, `${what} valid until ${iso(notAfter)}`)
}

/** `below` is the number of CA certificates between this one and the leaf. */
function checkMayIssue({ isCa, keyUsage, pathLength }: Certificate, below: number): void {
  ensure(isCa, 'path-issuer-not-ca', 'an issuer is not a certification authority')
  ensure(keyUsage?.has(KEY_USAGE.keyCertSign) ?? false, 'path-key-usage', 'an issuer may not sign certificates')
  ensure(
    pathLength === undefined || below <= pathLength,
    'path-length-exceeded',
    `${below} below a limit of ${pathLength}`,
  )
}

/** AMD's endorsement keys carry no keyUsage; where it is present it must allow signing data. */
function checkIsLeaf({ isCa, keyUsage }: Certificate): void {
  ensure(!isCa, 'path-leaf-is-ca', 'the signing certificate is a certification authority')
  const maySign = keyUsage === undefined || keyUsage.has(KEY_USAGE.digitalSignature)
  ensure(maySign, 'path-key-usage', 'the signing certificate may not sign data')
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
