import { Cursor, equal, fromHex, isZero } from '../bytes.js'
import { AttestationError, ensure } from '../error.js'

/**
 * Intel DCAP quotes: version 3 (SGX), versions 4 and 5 (TDX 1.0 and 1.5).
 * Sources: Intel SGX ECDSA QuoteLibReference §A.4 (v3); Intel TDX DCAP Quoting Library API §A.3 (v4), §A.4 (v5).
 */
export interface Quote {
  readonly version: 3 | 4 | 5
  readonly body: QuoteBody
  /** Header and body: what the attestation key signs. */
  readonly signed: Uint8Array
  /** r ‖ s by the attestation key. */
  readonly signature: Uint8Array
  /** x ‖ y, P-256. */
  readonly attestationKey: Uint8Array
  readonly qeReport: SgxReport
  /** r ‖ s by the PCK over the QE report. */
  readonly qeReportSignature: Uint8Array
  readonly qeAuthData: Uint8Array
  /** PEM: PCK, its CA, the root. */
  readonly pckChain: Uint8Array
  /** The quote without the padding that drivers leave after it. */
  readonly raw: Uint8Array
}

export type QuoteBody = ({ readonly type: 'tdx' } & TdReport) | ({ readonly type: 'sgx' } & SgxReport)

export interface SgxReport {
  readonly raw: Uint8Array
  readonly cpuSvn: Uint8Array
  readonly miscSelect: Uint8Array
  readonly attributes: Uint8Array
  readonly mrEnclave: Uint8Array
  readonly mrSigner: Uint8Array
  readonly configId: Uint8Array
  readonly isvProdId: number
  readonly isvSvn: number
  readonly reportData: Uint8Array
}

export interface TdReport {
  readonly teeTcbSvn: Uint8Array
  readonly mrSeam: Uint8Array
  readonly mrSignerSeam: Uint8Array
  readonly seamAttributes: Uint8Array
  readonly tdAttributes: Uint8Array
  readonly xfam: Uint8Array
  readonly mrTd: Uint8Array
  readonly mrConfigId: Uint8Array
  readonly mrOwner: Uint8Array
  readonly mrOwnerConfig: Uint8Array
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  readonly reportData: Uint8Array
  /** TD 1.5 only. */
  readonly teeTcbSvn2?: Uint8Array
  readonly mrServiceTd?: Uint8Array
}

export const QUOTE_BYTES_MAX = 64 * 1024

const HEADER_BYTES = 48
const ECDSA_P256 = 2
const TEE_SGX = 0x00000000
const TEE_TDX = 0x00000081
const BODY_TD10 = { type: 2, size: 584 } as const
const BODY_TD15 = { type: 3, size: 648 } as const
const SGX_REPORT_BYTES = 384
const CERTIFICATION_PCK_CHAIN = 5
const CERTIFICATION_QE_REPORT = 6
/** The quoting enclaves Intel builds (QuoteLibReference §A.4, QE Vendor ID). */
const INTEL_QE_VENDOR = fromHex('939a7233f79c4ca9940a0db3957f0607')!

/** Parses a quote and requires whatever follows it to be zero; refuses with `evidence-*` or `qe-vendor-unknown`. */
export function parseQuote(bytes: Uint8Array): Quote {
  const cursor = new Cursor(bytes, 'evidence-malformed', 'quote')
  const { version, tee } = parseHeader(cursor)
  const body = parseBody(cursor, version, tee)
  const signed = bytes.subarray(0, cursor.position)
  const section = new Cursor(cursor.take(cursor.u32()), 'evidence-malformed', 'quote signature')
  const raw = bytes.subarray(0, cursor.position)
  ensure(isZero(cursor.take(cursor.remaining)), 'evidence-malformed', 'bytes after the quote are not zero')

  const signature = section.take(64)
  const attestationKey = section.take(64)
  const certification = version === 3 ? section : certificationData(section, CERTIFICATION_QE_REPORT)
  const qeReport = parseSgxReport(certification.take(SGX_REPORT_BYTES))
  const qeReportSignature = certification.take(64)
  const qeAuthData = certification.take(certification.u16())
  const chain = certificationData(certification, CERTIFICATION_PCK_CHAIN)
  const pckChain = chain.take(chain.remaining)
  return { version, body, signed, signature, attestationKey, qeReport, qeReportSignature, qeAuthData, pckChain, raw }
}

function parseHeader(cursor: Cursor): { version: 3 | 4 | 5; tee: 'sgx' | 'tdx' } {
  const header = new Cursor(cursor.take(HEADER_BYTES), 'evidence-malformed', 'quote header')
  const version = header.u16()
  const known = version === 3 || version === 4 || version === 5
  ensure(known, 'evidence-version-unsupported', `quote version ${version}`)
  const keyType = header.u16()
  ensure(keyType === ECDSA_P256, 'evidence-algorithm-unsupported', `attestation key type ${keyType}`)
  const teeType = header.u32()
  const tee = teeType === TEE_TDX ? 'tdx' : 'sgx'
  const fits = teeType === (version === 3 ? TEE_SGX : TEE_TDX)
  ensure(fits, 'evidence-version-unsupported', `TEE type ${teeType} in a quote of version ${version}`)
  header.take(4)
  ensure(equal(header.take(16), INTEL_QE_VENDOR), 'qe-vendor-unknown', 'the quoting enclave is not Intel’s')
  return { version, tee }
}

function parseBody(cursor: Cursor, version: 3 | 4 | 5, tee: 'sgx' | 'tdx'): QuoteBody {
  if (tee === 'sgx') return { type: 'sgx', ...parseSgxReport(cursor.take(SGX_REPORT_BYTES)) }
  if (version === 4) return { type: 'tdx', ...parseTdReport(cursor.take(BODY_TD10.size)) }
  const type = cursor.u16()
  const size = cursor.u32()
  const known = [BODY_TD10, BODY_TD15].some((body) => body.type === type && body.size === size)
  ensure(known, 'evidence-version-unsupported', `quote body type ${type} of ${size} bytes`)
  return { type: 'tdx', ...parseTdReport(cursor.take(size)) }
}

/** Enters certification data of one type that fills the rest of its container. */
function certificationData(container: Cursor, expected: number): Cursor {
  const type = container.u16()
  if (type !== expected) {
    throw new AttestationError('evidence-version-unsupported', `certification data type ${type}, ${expected} expected`)
  }
  const data = container.take(container.u32())
  container.end()
  return new Cursor(data, 'evidence-malformed', `certification data of type ${type}`)
}

function parseSgxReport(raw: Uint8Array): SgxReport {
  const field = (offset: number, length: number) => raw.subarray(offset, offset + length)
  const u16 = (offset: number) => raw[offset]! | (raw[offset + 1]! << 8)
  return {
    raw,
    cpuSvn: field(0, 16),
    miscSelect: field(16, 4),
    attributes: field(48, 16),
    mrEnclave: field(64, 32),
    mrSigner: field(128, 32),
    configId: field(192, 64),
    isvProdId: u16(256),
    isvSvn: u16(258),
    reportData: field(320, 64),
  }
}

function parseTdReport(raw: Uint8Array): TdReport {
  const cursor = new Cursor(raw, 'evidence-malformed', 'TD report')
  const report = {
    teeTcbSvn: cursor.take(16),
    mrSeam: cursor.take(48),
    mrSignerSeam: cursor.take(48),
    seamAttributes: cursor.take(8),
    tdAttributes: cursor.take(8),
    xfam: cursor.take(8),
    mrTd: cursor.take(48),
    mrConfigId: cursor.take(48),
    mrOwner: cursor.take(48),
    mrOwnerConfig: cursor.take(48),
    rtmrs: [cursor.take(48), cursor.take(48), cursor.take(48), cursor.take(48)] as const,
    reportData: cursor.take(64),
  }
  if (cursor.remaining === 0) return report
  return { ...report, teeTcbSvn2: cursor.take(16), mrServiceTd: cursor.take(48) }
}
