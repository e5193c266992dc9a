import { concat, equal } from './bytes.js'
import {
  extKeyUsages,
  hashAlgorithm,
  KEY_USAGE,
  parseCertificate,
  parseExtensions,
  serialNumber,
  signedFrame,
  type Certificate,
} from './certificate.js'
import type { CryptoProvider, HashName } from './crypto.js'
import { contextTag, Der, TAG } from './der.js'
import { ensure, refuse } from './error.js'
import { OID } from './oid.js'
import { checkCriticalExtensions, checkIssuedBy, checkValidity, checkWindow, intersect, type Validity } from './path.js'
import { verifySignature } from './signature.js'

/**
 * Verifies one OCSP answer (RFC 6960) kept by the collateral service. It must be successful, signed by the issuer of
 * the certificate or by a responder which that issuer certified for OCSP signing, current at `at`, about exactly this
 * certificate, and `good`. CertIDs by SHA-256 or SHA-384 only. A nonce proves freshness to whoever asked; here the
 * dates do, so it is allowed and not compared.
 */
export interface OcspCheck {
  readonly response: Uint8Array
  readonly certificate: Certificate
  readonly issuer: Certificate
  /** Milliseconds since 1970. */
  readonly at: number
  readonly crypto: CryptoProvider
}

export const OCSP_BYTES_MAX = 16 * 1024

export async function verifyOcsp(check: OcspCheck): Promise<Validity> {
  const { status, validity } = await authenticateOcsp(check)
  ensure(status !== 'revoked', 'certificate-revoked', 'the responder answers revoked')
  ensure(status === 'good', 'ocsp-status-unknown', 'the responder does not know the certificate')
  return validity
}

/** The same, whatever the answer says: for whoever keeps answers and does not judge them. */
export async function authenticateOcsp({ response, certificate, issuer, at, crypto }: OcspCheck): Promise<{ status: Single['status']; validity: Validity }> {
  const answer = parseOcsp(response)
  ensure(await isAbout(answer.single, certificate, issuer, crypto), 'ocsp-certificate-mismatch', 'another certificate')
  const responder = await authorisedResponder(answer, issuer, at, crypto)
  const genuine = await verifySignature(crypto, responder.publicKey, answer.signature, answer.signed)
  ensure(genuine, 'ocsp-signature-invalid', 'signature is not the responder’s')
  const { thisUpdate, nextUpdate, status } = answer.single
  const window = { notBefore: thisUpdate, notAfter: nextUpdate }
  checkWindow(window, at, 'answer', { early: 'ocsp-not-yet-valid', late: 'ocsp-stale' })
  return { status, validity: intersect([window, responder]) }
}

/** The serial number an answer speaks about, to pair answers with certificates before verifying them. */
export function ocspSerial(response: Uint8Array): Uint8Array {
  return parseOcsp(response).single.id.serial
}

interface CertId {
  readonly hash: HashName
  readonly issuerName: Uint8Array
  readonly issuerKey: Uint8Array
  readonly serial: Uint8Array
}

interface Single {
  readonly id: CertId
  readonly status: 'good' | 'revoked' | 'unknown'
  readonly thisUpdate: number
  readonly nextUpdate: number
}

interface Answer {
  readonly signed: Uint8Array
  readonly signature: ReturnType<typeof signedFrame>['signature']
  readonly single: Single
  readonly certificates: readonly Certificate[]
}

function parseOcsp(raw: Uint8Array): Answer {
  ensure(raw.length <= OCSP_BYTES_MAX, 'endorsement-too-large', `OCSP answer of ${raw.length} bytes`)
  const outer = Der.sequence(raw)
  const status = outer.expect(TAG.enumerated).value
  ensure(status.length === 1 && status[0] === 0, 'ocsp-not-successful', `response status ${status[0]}`)
  const wrapped = outer.explicit(0) ?? refuse('ocsp-malformed', 'no response bytes')
  outer.end()
  const bytes = wrapped.sequence()
  wrapped.end()
  ensure(bytes.oid() === OID.ocspBasic, 'ocsp-malformed', 'not a basic response')
  const basic = Der.sequence(bytes.octetString())
  bytes.end()
  const { signed, inner, signature } = signedFrame(basic)
  const certificates = parseResponderCertificates(basic)
  basic.end()
  return { signed, signature, single: parseResponseData(inner), certificates }
}

function parseResponderCertificates(basic: Der): Certificate[] {
  const list = basic.explicit(0)?.sequence()
  const certificates: Certificate[] = []
  while (list && !list.done) {
    ensure(certificates.length < 4, 'ocsp-malformed', 'too many certificates')
    certificates.push(parseCertificate(list.expect(TAG.sequence).raw))
  }
  return certificates
}

/** ResponseData with exactly one SingleResponse (RFC 6960 §4.2.1); the default version is not written in DER. */
function parseResponseData(data: Der): Single {
  const byName = data.optional(contextTag(1))
  if (!byName) data.expect(contextTag(2))
  ensure(data.expect(TAG.generalizedTime).value.length === 15, 'ocsp-malformed', 'producedAt')
  const responses = data.sequence()
  const single = parseSingle(responses.sequence())
  ensure(responses.done, 'ocsp-malformed', 'more than one answer')
  refuseCritical(data.explicit(1))
  data.end()
  return single
}

function parseSingle(der: Der): Single {
  const id = parseCertId(der.sequence())
  const status = certificateStatus(der.next().tag)
  const thisUpdate = der.time()
  const next = der.explicit(0) ?? refuse('ocsp-malformed', 'no nextUpdate')
  const nextUpdate = next.time()
  next.end()
  refuseCritical(der.explicit(1))
  der.end()
  return { id, status, thisUpdate, nextUpdate }
}

function certificateStatus(tag: number): Single['status'] {
  if (tag === contextTag(0, 'primitive')) return 'good'
  if (tag === contextTag(1)) return 'revoked'
  ensure(tag === contextTag(2, 'primitive'), 'ocsp-malformed', 'certificate status')
  return 'unknown'
}

function parseCertId(der: Der): CertId {
  const algorithm = hashAlgorithm(der.sequence())
  const hash = algorithm === OID.sha256 ? 'SHA-256' : algorithm === OID.sha384 ? 'SHA-384' : undefined
  ensure(hash !== undefined, 'certificate-algorithm-unsupported', `OCSP certificate id by ${algorithm}`)
  const issuerName = der.octetString()
  const issuerKey = der.octetString()
  const serial = serialNumber(der)
  der.end()
  return { hash, issuerName, issuerKey, serial }
}

function refuseCritical(wrapper: Der | undefined): void {
  if (!wrapper) return
  for (const [oid, { critical }] of parseExtensions(wrapper)) {
    ensure(!critical || oid === OID.ocspNonce, 'ocsp-malformed', `critical extension ${oid}`)
  }
}

async function isAbout(
  { id }: Single,
  certificate: Certificate,
  issuer: Certificate,
  crypto: CryptoProvider,
): Promise<boolean> {
  const [name, key] = [
    await crypto.digest(id.hash, issuer.subject),
    await crypto.digest(id.hash, issuer.publicKey.bits),
  ]
  return equal(concat(id.issuerName, id.issuerKey, id.serial), concat(name, key, certificate.serial))
}

/** The issuer itself, or a certificate that the same issuer made for answering (RFC 6960 §4.2.2.2). */
async function authorisedResponder(
  { certificates }: Answer,
  issuer: Certificate,
  at: number,
  crypto: CryptoProvider,
): Promise<Certificate> {
  const [delegate] = certificates
  if (!delegate || equal(delegate.raw, issuer.raw)) return issuer
  const entitled = extKeyUsages(delegate).includes(OID.ocspSigning) && !delegate.isCa
  ensure(entitled, 'ocsp-responder-unauthorised', 'the responder’s certificate is not for OCSP signing')
  ensure(equal(delegate.issuer, issuer.subject), 'ocsp-responder-unauthorised', 'the responder is of another issuer')
  const maySign = delegate.keyUsage?.has(KEY_USAGE.digitalSignature) ?? true
  ensure(maySign, 'ocsp-responder-unauthorised', 'the responder may not sign')
  checkCriticalExtensions(delegate, [OID.extKeyUsage])
  checkValidity(delegate, at)
  await checkIssuedBy(delegate, issuer, crypto)
  return delegate
}
