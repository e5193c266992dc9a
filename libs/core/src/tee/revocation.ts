import { equal } from './bytes.js'
import { crlDistributionPoints, type Certificate } from './certificate.js'
import type { Crl } from './crl.js'
import { parseCrl } from './crl.js'
import type { CryptoProvider } from './crypto.js'
import { AttestationError, ensure } from './error.js'
import { ocspSerial, verifyOcsp } from './ocsp.js'
import type { Validity } from './path.js'

/**
 * What a verifier does when a statement of revocation is missing. There is no default: the caller says which.
 * `required` refuses; `unchecked` goes on and the claims say so, for a policy to weigh. Statements that are present are
 * always authenticated and obeyed.
 */
export type RevocationMode = 'required' | 'unchecked'

/** The fact for the claims: every certificate that needed a statement had one, or not. */
export type RevocationFact = 'checked' | 'unchecked'

export interface RevocationCheck {
  /** A verified path, leaf first, root last. */
  readonly path: readonly Certificate[]
  /** The certificates that must be covered. */
  readonly needed: readonly Certificate[]
  readonly crls: readonly Uint8Array[]
  readonly ocsps: readonly Uint8Array[]
  readonly mode: RevocationMode
  readonly at: number
  readonly crypto: CryptoProvider
}

export interface Revocation {
  readonly fact: RevocationFact
  /** Windows of all statements used. */
  readonly windows: readonly Validity[]
}

/**
 * Consults every statement given. Each must be issued by somebody on the path; a stray, stale or forged one refuses
 * even if nothing needed it, because it shows that the collateral is not what it seems.
 */
export async function checkRevocation(check: RevocationCheck): Promise<Revocation> {
  const windows: Validity[] = []
  const covered = new Set<Certificate>()
  for (const raw of check.crls) {
    const crl = await authenticateCrl(raw, check)
    windows.push(crl)
    for (const certificate of coveredBy(crl, check.path)) {
      crl.refuseRevoked(certificate)
      covered.add(certificate)
    }
  }
  for (const response of check.ocsps) {
    const { certificate, issuer } = subjectOf(response, check.path)
    windows.push(await verifyOcsp({ response, certificate, issuer, at: check.at, crypto: check.crypto }))
    covered.add(certificate)
  }
  const complete = check.needed.length > 0 && check.needed.every((certificate) => covered.has(certificate))
  ensure(complete || check.mode === 'unchecked', 'revocation-missing', 'a certificate has no statement of revocation')
  return { fact: complete ? 'checked' : 'unchecked', windows }
}

/** The certificates that say where their revocation is published. */
export function withDistributionPoint(path: readonly Certificate[]): Certificate[] {
  return path.slice(0, -1).filter((certificate) => crlDistributionPoints(certificate).length > 0)
}

async function authenticateCrl(raw: Uint8Array, { path, at, crypto }: RevocationCheck): Promise<Crl> {
  const crl = parseCrl(raw)
  const issuer = path.find((certificate) => certificate.isCa && equal(certificate.subject, crl.issuer))
  if (!issuer) throw new AttestationError('crl-issuer-mismatch', 'the list’s issuer is not on the path')
  return crl.authenticate(issuer, at, crypto)
}

function coveredBy(crl: Crl, path: readonly Certificate[]): Certificate[] {
  const covered = path.slice(0, -1).filter((one) => crl.covers(one, crlDistributionPoints(one)))
  ensure(covered.length > 0, 'crl-scope-mismatch', 'the list speaks for no certificate on the path')
  return covered
}

function subjectOf(
  response: Uint8Array,
  path: readonly Certificate[],
): { certificate: Certificate; issuer: Certificate } {
  const serial = ocspSerial(response)
  const index = path.findIndex((certificate, i) => i < path.length - 1 && equal(certificate.serial, serial))
  if (index < 0)
    throw new AttestationError('ocsp-certificate-mismatch', 'the answer is about no certificate on the path')
  return { certificate: path[index]!, issuer: path[index + 1]! }
}
