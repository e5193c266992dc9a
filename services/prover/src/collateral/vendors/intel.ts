import { AppError } from '@haca/core'
import { commonName, CRL_BYTES_MAX, decodeCertificates, ensure, equal, openQeIdentity, openTcbInfo, parseCertificate, parseCrl, refuse, SIGNED_JSON_BYTES_MAX, toHex, utf8, verifyIssuerPath, verifyPath, type Certificate } from '@haca/core/tee/collateral'
import { onlyParts, partOf, standingOf, unknownSubject, type Checked, type Grounds, type Part, type Statement, type Vendor } from '../statement.js'
import type { VendorAnswer, VendorHttp } from '../vendor-http.js'

/** `intel/root-crl` · `intel/pck-crl/<platform|processor>` · `intel/tcb-info/<tdx|sgx>/<fmspc>` · `intel/qe-identity/<tdx|sgx>`. */
type Asked =
  | { what: 'root-crl' }
  | { what: 'pck-crl'; ca: 'platform' | 'processor' }
  | { what: 'tcb-info'; kind: Kind; fmspc: string }
  | { what: 'qe-identity'; kind: Kind }
type Kind = 'tdx' | 'sgx'

const CA_NAMES = { platform: 'Intel SGX PCK Platform CA', processor: 'Intel SGX PCK Processor CA' } as const
const QE_IDS = { tdx: 'TD_QE', sgx: 'QE' } as const

/**
 * Intel's Provisioning Certification Service, version 4 (api.portal.trustedservices.intel.com), and the place of its root's list. TCB info and
 * identities are kept as the exact body that was answered, because signatures cover its text.
 */
export const intel = (pcs: VendorHttp, certificates: VendorHttp): Vendor => ({
  name: 'intel',
  check,
  ask: async (subject, _context, signal) => ({ subject, parts: await ask(asked(subject), pcs, certificates, signal) }),
})

function asked(subject: string): Asked {
  const [, what, one, two, ...rest] = subject.split('/')
  const kind = one === 'tdx' || one === 'sgx' ? one : undefined
  if (rest.length > 0) return unknownSubject(subject)
  if (what === 'root-crl' && one === undefined) return { what }
  if (what === 'pck-crl' && (one === 'platform' || one === 'processor') && two === undefined) return { what, ca: one }
  if (what === 'tcb-info' && kind && /^[0-9a-f]{12}$/.test(two ?? '')) return { what, kind, fmspc: two! }
  if (what === 'qe-identity' && kind && two === undefined) return { what, kind }
  return unknownSubject(subject)
}

async function ask(about: Asked, pcs: VendorHttp, certificates: VendorHttp, signal: AbortSignal): Promise<Part[]> {
  switch (about.what) {
    case 'root-crl':
      return [{ role: 'root-crl', bytes: (await certificates.send({ path: '/IntelSGXRootCA.der', bytesMax: CRL_BYTES_MAX }, signal)).bytes }]
    case 'pck-crl': {
      const answer = await pcs.send({ path: '/sgx/certification/v4/pckcrl', query: { ca: about.ca, encoding: 'der' }, bytesMax: CRL_BYTES_MAX }, signal)
      return [{ role: 'pck-crl', bytes: answer.bytes }, { role: 'issuer-chain', bytes: chainIn(answer, 'SGX-PCK-CRL-Issuer-Chain') }]
    }
    case 'tcb-info': {
      const answer = await pcs.send({ path: `/${about.kind}/certification/v4/tcb`, query: { fmspc: about.fmspc.toUpperCase() }, bytesMax: SIGNED_JSON_BYTES_MAX }, signal)
      return [{ role: 'tcb-info', bytes: answer.bytes }, { role: 'tcb-info-chain', bytes: chainIn(answer, 'TCB-Info-Issuer-Chain') }]
    }
    case 'qe-identity': {
      const answer = await pcs.send({ path: `/${about.kind}/certification/v4/qe/identity`, bytesMax: SIGNED_JSON_BYTES_MAX }, signal)
      return [{ role: 'qe-identity', bytes: answer.bytes }, { role: 'qe-identity-chain', bytes: chainIn(answer, 'SGX-Enclave-Identity-Issuer-Chain') }]
    }
  }
}

/** The issuer's path, which the service writes percent-encoded into a header. */
function chainIn({ headers }: VendorAnswer, name: string): Uint8Array {
  try {
    return utf8(decodeURIComponent(headers.get(name) ?? ''))
  } catch (cause) {
    throw new AppError('collateral.refused', { retryable: true, cause, detail: `header ${name} is not percent-encoded` })
  }
}

async function check(statement: Statement, at: number, grounds: Grounds): Promise<Checked> {
  const about = asked(statement.subject)
  switch (about.what) {
    case 'root-crl':
    case 'pck-crl':
      return checkList(statement, about, at, grounds)
    case 'tcb-info':
    case 'qe-identity':
      return checkSigned(statement, about, at, grounds)
  }
}

async function checkList(statement: Statement, about: Asked & { what: 'root-crl' | 'pck-crl' }, at: number, { roots, crypto }: Grounds): Promise<Checked> {
  onlyParts(statement, about.what === 'root-crl' ? ['root-crl'] : ['pck-crl', 'issuer-chain'])
  const path = about.what === 'root-crl' ? [rootOf(roots.intel)] : decodeCertificates(partOf(statement.parts, 'issuer-chain')).map(parseCertificate)
  await verifyIssuerPath({ path, roots: roots.intel ?? [], at, crypto })
  const issuer = path[0]!
  if (about.what === 'pck-crl') ensure(path.length === 2 && commonName(issuer.subject) === CA_NAMES[about.ca], 'collateral-mismatch', `a list of ${commonName(issuer.subject)}`)
  const crl = await parseCrl(partOf(statement.parts, about.what)).authenticate(issuer, at, crypto)
  return { statement, standing: standingOf(crl.number ?? 0, crl.notBefore, crl.notAfter), notBefore: crl.notBefore, notAfter: crl.notAfter }
}

const rootOf = (pinned: readonly Uint8Array[] | undefined): Certificate => parseCertificate(pinned?.[0] ?? refuse('path-root-untrusted', 'no root of Intel is pinned'))

/** Order: tcbEvaluationDataNumber, then issueDate. */
async function checkSigned(statement: Statement, about: Asked & { what: 'tcb-info' | 'qe-identity' }, at: number, { roots, crypto }: Grounds): Promise<Checked> {
  onlyParts(statement, [about.what, `${about.what}-chain`])
  const path = decodeCertificates(partOf(statement.parts, `${about.what}-chain`)).map(parseCertificate)
  await verifyPath({ path, roots: roots.intel ?? [], at, crypto })
  const body = partOf(statement.parts, about.what)
  ensure(body.length <= SIGNED_JSON_BYTES_MAX, 'endorsement-too-large', `${about.what} of ${body.length} bytes`)
  if (about.what === 'tcb-info') {
    const info = await openTcbInfo(body, path[0]!, at, crypto)
    ensure(info.id === about.kind.toUpperCase() && equal(info.fmspc, Buffer.from(about.fmspc, 'hex')), 'collateral-mismatch', `TCB info of ${info.id} ${toHex(info.fmspc)}`)
    return { statement, standing: standingOf(info.evaluationNumber, info.notBefore, info.notAfter), notBefore: info.notBefore, notAfter: info.notAfter }
  }
  const identity = await openQeIdentity(body, QE_IDS[about.kind], path[0]!, at, crypto)
  return { statement, standing: standingOf(identity.evaluationNumber, identity.notBefore, identity.notAfter), notBefore: identity.notBefore, notAfter: identity.notAfter }
}
