import { concat, equal, isZero, toHex, type HexDigits } from '../bytes.js'
import { commonName, parseCertificate, type Certificate } from '../certificate.js'
import { parseCrl, CRL_BYTES_MAX, type Crl } from '../crl.js'
import { ensure, refuse } from '../error.js'
import {
  openEnvelope,
  EndorsementSet,
  provenance,
  type EndorsementRole,
  type Evidence,
  type EvidenceClaims,
  type TcbFacts,
  type VerifyContext,
  type Verifier,
} from '../evidence.js'
import { eventMeasurements, EVENT_LOG_BYTES_MAX } from '../event-log.js'
import { intersect, verifyPath, type Validity } from '../path.js'
import { decodeCertificates } from '../pem.js'
import { openQeIdentity, openTcbInfo, SIGNED_JSON_BYTES_MAX, type QeIdentity, type TcbInfo } from './collateral.js'
import { parsePckPlatform, type PckPlatform } from './pck.js'
import { parseQuote, QUOTE_BYTES_MAX, type Quote, type SgxReport, type TdReport } from './quote.js'
import { checkQeIdentity, checkTdxModule, sgxTcb, tdxTcb, type TcbVerdict } from './tcb.js'

/**
 * Intel TDX and SGX quotes (DCAP).
 *
 * Endorsements, all required, because Intel publishes them together and a quote means nothing without them:
 * `root-crl`, `pck-crl`, `tcb-info`, `tcb-info-chain`, `qe-identity`, `qe-identity-chain`. Lists of revocation are
 * required whatever `context.revocation` says. TDX also takes an `event-log`, which must replay to the quote's RTMRs.
 */
export const tdx: Verifier = { kind: 'tdx', verify: (evidence, context) => verify(evidence, context, 'tdx') }
export const sgx: Verifier = { kind: 'sgx', verify: (evidence, context) => verify(evidence, context, 'sgx') }

const COLLATERAL: readonly EndorsementRole[] = [
  'root-crl',
  'pck-crl',
  'tcb-info',
  'tcb-info-chain',
  'qe-identity',
  'qe-identity-chain',
]
const CHAIN_BYTES_MAX = 16 * 1024

async function verify(evidence: Evidence, context: VerifyContext, kind: 'tdx' | 'sgx'): Promise<EvidenceClaims> {
  const bytes = openEnvelope(evidence, kind, QUOTE_BYTES_MAX)
  const allowed: readonly EndorsementRole[] = kind === 'tdx' ? [...COLLATERAL, 'event-log'] : COLLATERAL
  const endorsements = new EndorsementSet(context.endorsements, allowed)
  const quote = parseQuote(bytes)
  ensure(quote.body.type === kind, 'evidence-kind-mismatch', `a ${quote.body.type} quote is not ${kind}`)

  const chain = await verifyPckChain(quote, endorsements, context)
  const collateral = await openCollateral(kind, endorsements, chain, context)
  const platform = parsePckPlatform(chain.pck)
  checkCollateralFits(collateral.tcbInfo, platform, kind)
  await checkQuotingEnclave(quote, chain.pck, context)
  const qe = checkQeIdentity(quote.qeReport, collateral.qeIdentity)
  await checkQuoteSignature(quote, context)

  const validity = intersect([chain.validity, collateral.validity])
  const judged = { collateral, platform, qe }
  const specific =
    quote.body.type === 'tdx'
      ? await tdxFacts(quote.body, tdxVerdict(quote.body, judged), endorsements, context)
      : sgxFacts(quote.body, sgxTcb(collateral.tcbInfo, platform, qe))
  return {
    kind,
    role: 'cpu',
    product: `fmspc:${toHex(platform.fmspc).toUpperCase()}`,
    platformId: toHex(platform.ppid),
    measurements: specific.measurements,
    versions: specific.versions,
    userData: quote.body.reportData,
    debug: specific.debug,
    tcb: tcbFacts(specific.verdict, specific.svn, collateral, platform),
    flags: { ...platform.configuration, ...specific.flags },
    revocation: 'checked',
    validity: { notBefore: new Date(validity.notBefore), notAfter: new Date(validity.notAfter) },
    provenance: await provenance(
      kind,
      { root: chain.root.raw, signer: chain.pck.raw, evidence: quote.raw, endorsements },
      context.crypto,
    ),
  }
}

interface PckChain {
  readonly pck: Certificate
  readonly ca: Certificate
  readonly root: Certificate
  readonly rootCrl: Crl
  readonly validity: Validity
}

/** PCK ← Platform or Processor CA ← pinned root, each not revoked by its issuer's list. */
async function verifyPckChain(quote: Quote, endorsements: EndorsementSet, context: VerifyContext): Promise<PckChain> {
  const at = context.at.getTime()
  const { crypto } = context
  const path = decodeCertificates(quote.pckChain).map(parseCertificate)
  ensure(path.length === 3, 'evidence-malformed', `PCK chain of ${path.length} certificates`)
  const [pck, ca, root] = path as [Certificate, Certificate, Certificate]
  const pathValidity = await verifyPath({ path, roots: context.roots.intel ?? [], at, crypto })
  checkCommonName(pck, ['Intel SGX PCK Certificate'])
  checkCommonName(ca, ['Intel SGX PCK Platform CA', 'Intel SGX PCK Processor CA'])
  const rootCrl = await parseCrl(endorsements.one('root-crl', CRL_BYTES_MAX)).authenticate(root, at, crypto)
  const pckCrl = await parseCrl(endorsements.one('pck-crl', CRL_BYTES_MAX)).authenticate(ca, at, crypto)
  rootCrl.refuseRevoked(ca)
  pckCrl.refuseRevoked(pck)
  return { pck, ca, root, rootCrl, validity: intersect([pathValidity, rootCrl, pckCrl]) }
}

interface Collateral {
  readonly tcbInfo: TcbInfo
  readonly qeIdentity: QeIdentity
  readonly validity: Validity
}

async function openCollateral(
  kind: 'tdx' | 'sgx',
  endorsements: EndorsementSet,
  chain: PckChain,
  context: VerifyContext,
): Promise<Collateral> {
  const at = context.at.getTime()
  const { crypto } = context
  const infoChain = endorsements.one('tcb-info-chain', CHAIN_BYTES_MAX)
  const identityChain = endorsements.one('qe-identity-chain', CHAIN_BYTES_MAX)
  const infoSigner = await verifySignerChain(infoChain, chain, context)
  // Intel signs both with one certificate, so the second chain is usually the first again.
  const identitySigner = equal(infoChain, identityChain)
    ? infoSigner
    : await verifySignerChain(identityChain, chain, context)
  const info = endorsements.one('tcb-info', SIGNED_JSON_BYTES_MAX)
  const identity = endorsements.one('qe-identity', SIGNED_JSON_BYTES_MAX)
  const tcbInfo = await openTcbInfo(info, infoSigner.signer, at, crypto)
  const expectedId = kind === 'tdx' ? 'TD_QE' : 'QE'
  const qeIdentity = await openQeIdentity(identity, expectedId, identitySigner.signer, at, crypto)
  const validity = intersect([infoSigner.validity, identitySigner.validity, tcbInfo, qeIdentity])
  return { tcbInfo, qeIdentity, validity }
}

/** TCB signer ← the same pinned root, not on the root's list. */
async function verifySignerChain(
  pem: Uint8Array,
  { rootCrl }: PckChain,
  context: VerifyContext,
): Promise<{ signer: Certificate; validity: Validity }> {
  const path = decodeCertificates(pem).map(parseCertificate)
  const roots = context.roots.intel ?? []
  const validity = await verifyPath({ path, roots, at: context.at.getTime(), crypto: context.crypto })
  const signer = path[0]!
  ensure(path.length === 2 && rootCrl.covers(signer, []), 'path-subject-unexpected', 'not a signer below the root')
  rootCrl.refuseRevoked(signer)
  return { signer, validity }
}

function checkCommonName(certificate: Certificate, expected: readonly string[]): void {
  const name = commonName(certificate.subject) ?? ''
  ensure(expected.includes(name), 'path-subject-unexpected', `${name} where ${expected.join(' or ')} belongs`)
}

function checkCollateralFits(info: TcbInfo, platform: PckPlatform, kind: 'tdx' | 'sgx'): void {
  ensure(info.id === kind.toUpperCase(), 'collateral-mismatch', `TCB info of ${info.id} for a ${kind} quote`)
  ensure(equal(info.fmspc, platform.fmspc), 'collateral-mismatch', 'TCB info of another FMSPC')
  ensure(equal(info.pceId, platform.pceId), 'collateral-mismatch', 'TCB info of another PCE')
}

/** The PCK signed the quoting enclave's report, and the report carries the digest of the attestation key. */
async function checkQuotingEnclave(quote: Quote, pck: Certificate, { crypto }: VerifyContext): Promise<void> {
  const { publicKey } = pck
  ensure(
    publicKey.type === 'ec' && publicKey.curve === 'P-256',
    'certificate-algorithm-unsupported',
    'PCK is not P-256',
  )
  const genuine = await crypto.verifyEcdsa({
    curve: 'P-256',
    hash: 'SHA-256',
    publicKey: publicKey.point,
    signature: quote.qeReportSignature,
    message: quote.qeReport.raw,
  })
  ensure(genuine, 'qe-report-signature-invalid', 'the quoting enclave’s report is not signed by the PCK')
  const digest = await crypto.digest('SHA-256', concat(quote.attestationKey, quote.qeAuthData))
  const bound = equal(quote.qeReport.reportData, concat(digest, new Uint8Array(32)))
  ensure(bound, 'qe-report-data-mismatch', 'the attestation key is not the quoting enclave’s')
}

async function checkQuoteSignature(quote: Quote, { crypto }: VerifyContext): Promise<void> {
  const genuine = await crypto.verifyEcdsa({
    curve: 'P-256',
    hash: 'SHA-256',
    publicKey: concat(Uint8Array.of(4), quote.attestationKey),
    signature: quote.signature,
    message: quote.signed,
  })
  ensure(genuine, 'evidence-signature-invalid', 'the quote is not signed by its attestation key')
}

interface Specific {
  readonly verdict: TcbVerdict
  readonly svn: Readonly<Record<string, number>>
  readonly measurements: Readonly<Record<string, HexDigits>>
  readonly versions: Readonly<Record<string, string>>
  readonly debug: boolean
  readonly flags: Readonly<Record<string, boolean>>
}

function tdxVerdict(
  report: TdReport,
  { collateral, platform, qe }: { collateral: Collateral; platform: PckPlatform; qe: Parameters<typeof tdxTcb>[3] },
): TcbVerdict {
  checkTdxModule(collateral.tcbInfo, report)
  return tdxTcb(collateral.tcbInfo, platform, report, qe)
}

async function tdxFacts(
  report: TdReport,
  verdict: TcbVerdict,
  endorsements: EndorsementSet,
  { crypto }: VerifyContext,
): Promise<Specific> {
  const log = endorsements.optional('event-log')
  ensure((log?.length ?? 0) <= EVENT_LOG_BYTES_MAX, 'endorsement-too-large', 'event log')
  const events = log ? await eventMeasurements(log, report.rtmrs, crypto) : {}
  const { mrServiceTd } = report
  return {
    verdict,
    svn: numbered('tdx', report.teeTcbSvn),
    measurements: {
      mrtd: toHex(report.mrTd),
      ...Object.fromEntries(report.rtmrs.map((rtmr, i) => [`rtmr${i}`, toHex(rtmr)])),
      mrSeam: toHex(report.mrSeam),
      mrSignerSeam: toHex(report.mrSignerSeam),
      mrConfigId: toHex(report.mrConfigId),
      mrOwner: toHex(report.mrOwner),
      mrOwnerConfig: toHex(report.mrOwnerConfig),
      ...(mrServiceTd && { mrServiceTd: toHex(mrServiceTd) }),
      tdAttributes: toHex(report.tdAttributes),
      xfam: toHex(report.xfam),
      ...events,
    },
    versions: { tdxModule: `${report.teeTcbSvn[1]}.${report.teeTcbSvn[0]}` },
    // Byte 0 is the group "TD under debug"; every bit in it opens the TD to its host (TDX module ABI, ATTRIBUTES).
    debug: report.tdAttributes[0] !== 0,
    flags: {
      ...tdAttributeFlags(report.tdAttributes),
      serviceTd: mrServiceTd !== undefined && !isZero(mrServiceTd),
      eventLog: log !== undefined,
    },
  }
}

/** ATTRIBUTES by bit (Intel TDX module ABI specification, table "TD ATTRIBUTES"); bits without a name refuse. */
const TD_ATTRIBUTES: Readonly<Record<number, string>> = {
  16: 'icssd',
  27: 'lass',
  28: 'septVeDisable',
  29: 'migratable',
  30: 'pks',
  31: 'keyLocker',
  62: 'tpa',
  63: 'perfmon',
}

function tdAttributeFlags(attributes: Uint8Array): Record<string, boolean> {
  const flags = Object.fromEntries(Object.values(TD_ATTRIBUTES).map((name) => [name, false]))
  for (let bit = 8; bit < 64; bit++) {
    if ((attributes[bit >> 3]! & (1 << (bit & 7))) === 0) continue
    flags[TD_ATTRIBUTES[bit] ?? refuse('evidence-reserved-not-zero', `TD attribute bit ${bit}`)] = true
  }
  return flags
}

const SGX_DEBUG = 0x02

function sgxFacts(report: SgxReport, verdict: TcbVerdict): Specific {
  return {
    verdict,
    svn: { isvSvn: report.isvSvn },
    measurements: {
      mrEnclave: toHex(report.mrEnclave),
      mrSigner: toHex(report.mrSigner),
      attributes: toHex(report.attributes),
      configId: toHex(report.configId),
    },
    versions: { isvProdId: String(report.isvProdId) },
    debug: (report.attributes[0]! & SGX_DEBUG) !== 0,
    flags: {},
  }
}

function tcbFacts(
  { status, parts, advisories }: TcbVerdict,
  svn: Readonly<Record<string, number>>,
  { tcbInfo, qeIdentity }: Collateral,
  { components, pceSvn }: PckPlatform,
): TcbFacts {
  return {
    status,
    parts,
    svn: { ...numbered('sgx', components), pce: pceSvn, ...svn },
    advisories,
    evaluationNumber: Math.min(tcbInfo.evaluationNumber, qeIdentity.evaluationNumber),
  }
}

/** `sgx0` … `sgx15`, `tdx0` … `tdx15`. */
function numbered(prefix: string, svns: ArrayLike<number>): Record<string, number> {
  return Object.fromEntries(Array.from(svns, (svn, i) => [`${prefix}${i}`, svn]))
}
