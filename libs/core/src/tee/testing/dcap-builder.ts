import { createHash } from 'node:crypto'
import type { Endorsement } from '../evidence.js'
import * as D from './der-builder.js'
import {
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  extension,
  generateKey,
  issueCertificate,
  issueCrl,
  KEY_CERT_SIGN,
  pointOf,
  signRaw,
  type CertificateOptions,
  type TestCertificate,
  type TestKey,
} from './pki.js'

/** An Intel-shaped world under a test root: PCK chain, TCB signer, collateral, quotes of every accepted form. */
export interface DcapWorld {
  readonly root: TestCertificate
  readonly ca: TestCertificate
  readonly pck: TestCertificate
  readonly signer: TestCertificate
  readonly attestationKey: TestKey
}

export const DCAP_AT = new Date('2026-01-10T12:00:00Z')

const SGX_EXTENSION = '1.2.840.113741.1.13.1'
export const FMSPC = Buffer.from('90c06f000000', 'hex')

export interface PckOptions {
  readonly components?: readonly number[]
  readonly pceSvn?: number
  readonly ppid?: Uint8Array
  /** Whole extension value, to test malformed ones. */
  readonly extension?: Uint8Array
}

export function sgxExtension({
  components = Array(16).fill(5),
  pceSvn = 13,
  ppid = new Uint8Array(16).fill(7),
}: PckOptions = {}): Uint8Array {
  const entry = (suffix: string, value: Uint8Array) => D.sequence(D.oid(`${SGX_EXTENSION}.${suffix}`), value)
  const tcb = D.sequence(
    ...components.map((svn, i) => entry(`2.${i + 1}`, D.integer(svn))),
    entry('2.17', D.integer(pceSvn)),
    entry('2.18', D.octetString(Uint8Array.from(components))),
  )
  return D.sequence(
    entry('1', D.octetString(ppid)),
    entry('2', tcb),
    entry('3', D.octetString(Uint8Array.of(0, 0))),
    entry('4', D.octetString(FMSPC)),
    entry('5', D.enumerated(0)),
  )
}

export function dcapWorld(
  change: Partial<Record<'root' | 'ca' | 'pck' | 'signer', Partial<CertificateOptions>>> = {},
  pckOptions: PckOptions = {},
): DcapWorld {
  const authority = { keyUsage: [KEY_CERT_SIGN, CRL_SIGN] }
  const make = (subject: string, options: Partial<CertificateOptions>) =>
    issueCertificate({ subject, key: generateKey('P-256'), ...options })
  const root = make('Intel SGX Root CA', { ca: { pathLength: 1 }, ...authority, ...change.root })
  const ca = make('Intel SGX PCK Platform CA', { issuer: root, ca: { pathLength: 0 }, ...authority, ...change.ca })
  const leaf = { ca: false, keyUsage: [DIGITAL_SIGNATURE] } as const
  const value = pckOptions.extension ?? sgxExtension(pckOptions)
  const pck = make('Intel SGX PCK Certificate', {
    issuer: ca,
    extensions: [extension(SGX_EXTENSION, false, value)],
    ...leaf,
    ...change.pck,
  })
  const signer = make('Intel SGX TCB Signing', { issuer: root, ...leaf, ...change.signer })
  return { root, ca, pck, signer, attestationKey: generateKey('P-256') }
}

export interface Level {
  readonly sgx?: readonly number[]
  readonly tdx?: readonly number[]
  readonly pceSvn?: number
  readonly status: string
  readonly advisories?: readonly string[]
}

export interface TcbInfoOptions {
  readonly id?: 'TDX' | 'SGX'
  readonly levels?: readonly Level[]
  readonly modules?: readonly { id: string; levels: readonly { isvsvn: number; status: string }[]; mrsigner?: string }[]
  readonly fields?: Record<string, unknown>
}

export function tcbInfo({
  id = 'TDX',
  levels = [{ status: 'UpToDate' }],
  modules,
  fields,
}: TcbInfoOptions = {}): string {
  const svns = (list: readonly number[]) => list.map((svn) => ({ svn }))
  const zeros = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) }
  return JSON.stringify({
    id,
    version: 3,
    issueDate: '2026-01-01T00:00:00Z',
    nextUpdate: '2026-01-31T00:00:00Z',
    fmspc: FMSPC.toString('hex'),
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: 18,
    ...(id === 'TDX' && { tdxModule: zeros }),
    ...(modules && {
      tdxModuleIdentities: modules.map(({ id: moduleId, levels: moduleLevels, mrsigner }) => ({
        id: moduleId,
        ...zeros,
        ...(mrsigner && { mrsigner }),
        tcbLevels: moduleLevels.map(({ isvsvn, status }) => ({
          tcb: { isvsvn },
          tcbDate: '2025-01-01T00:00:00Z',
          tcbStatus: status,
        })),
      })),
    }),
    tcbLevels: levels.map(({ sgx = Array(16).fill(5), tdx = Array(16).fill(0), pceSvn = 13, status, advisories }) => ({
      tcb: { sgxtcbcomponents: svns(sgx), pcesvn: pceSvn, ...(id === 'TDX' && { tdxtcbcomponents: svns(tdx) }) },
      tcbDate: '2025-01-01T00:00:00Z',
      tcbStatus: status,
      ...(advisories && { advisoryIDs: advisories }),
    })),
    ...fields,
  })
}

const QE_SIGNER = '8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff'

export function qeIdentity(fields: Record<string, unknown> = {}, id: 'TD_QE' | 'QE' = 'TD_QE'): string {
  return JSON.stringify({
    id,
    version: 2,
    issueDate: '2026-01-01T00:00:00Z',
    nextUpdate: '2026-01-31T00:00:00Z',
    tcbEvaluationDataNumber: 18,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: QE_SIGNER,
    isvprodid: 2,
    tcbLevels: [
      { tcb: { isvsvn: 4 }, tcbDate: '2025-01-01T00:00:00Z', tcbStatus: 'UpToDate' },
      { tcb: { isvsvn: 2 }, tcbDate: '2023-01-01T00:00:00Z', tcbStatus: 'OutOfDate' },
      { tcb: { isvsvn: 1 }, tcbDate: '2022-01-01T00:00:00Z', tcbStatus: 'Revoked' },
    ],
    ...fields,
  })
}

export interface CollateralOptions {
  readonly tcbInfo?: string
  readonly qeIdentity?: string
  readonly rootCrl?: Uint8Array
  readonly pckCrl?: Uint8Array
  readonly signedBy?: TestKey
  readonly signerChain?: readonly TestCertificate[]
}

export function collateral(world: DcapWorld, options: CollateralOptions = {}): Endorsement[] {
  const { root, ca, signer } = world
  const key = options.signedBy ?? signer.key
  const sign = (text: string) => Buffer.from(signRaw(key, Buffer.from(text))).toString('hex')
  const body = (name: string, text: string) =>
    new Uint8Array(Buffer.from(`{"${name}":${text},"signature":"${sign(text)}"}`))
  const chain = new Uint8Array(Buffer.from((options.signerChain ?? [signer, root]).map(({ pem }) => pem).join('')))
  return [
    { role: 'root-crl', bytes: options.rootCrl ?? issueCrl({ issuer: root }) },
    { role: 'pck-crl', bytes: options.pckCrl ?? issueCrl({ issuer: ca }) },
    { role: 'tcb-info', bytes: body('tcbInfo', options.tcbInfo ?? tcbInfo()) },
    { role: 'tcb-info-chain', bytes: chain },
    { role: 'qe-identity', bytes: body('enclaveIdentity', options.qeIdentity ?? qeIdentity()) },
    { role: 'qe-identity-chain', bytes: chain },
  ]
}

export interface QuoteOptions {
  readonly form?: 'sgx-v3' | 'tdx-v4' | 'tdx-v5-td10' | 'tdx-v5-td15'
  /** Overwrites bytes of the signed body before signing: offset → bytes. */
  readonly body?: Readonly<Record<number, Uint8Array>>
  readonly header?: Readonly<Record<number, Uint8Array>>
  readonly qeReport?: Readonly<Record<number, Uint8Array>>
  readonly teeTcbSvn?: readonly number[]
  readonly teeTcbSvn2?: readonly number[]
  readonly qeIsvSvn?: number
  readonly authData?: Uint8Array
  readonly chain?: readonly TestCertificate[]
  readonly certificationType?: number
  readonly quotingKey?: TestKey
  readonly pckKey?: TestKey
}

/** Offsets inside a TD report. */
export const TD = {
  teeTcbSvn: 0,
  mrSignerSeam: 64,
  seamAttributes: 112,
  tdAttributes: 120,
  mrTd: 136,
  rtmr0: 328,
  reportData: 520,
  teeTcbSvn2: 584,
  mrServiceTd: 600,
} as const

export function quote(world: DcapWorld, options: QuoteOptions = {}): Uint8Array {
  const form = options.form ?? 'tdx-v4'
  const header = patch(headerOf(form), options.header)
  const signed = Buffer.concat([header, bodyOf(form, options)])
  const attestationKey = pointOf(world.attestationKey).slice(1)
  const authData = options.authData ?? Buffer.from('auth')
  const qeReport = patch(qeReportOf(attestationKey, authData, form, options.qeIsvSvn ?? 4), options.qeReport)
  const chain = Buffer.from((options.chain ?? [world.pck, world.ca, world.root]).map(({ pem }) => pem).join(''))
  const certification = Buffer.concat([
    qeReport,
    signRaw(options.pckKey ?? world.pck.key, qeReport),
    le(authData.length, 2),
    authData,
    le(options.certificationType ?? 5, 2),
    le(chain.length, 4),
    chain,
  ])
  const wrapped =
    form === 'sgx-v3' ? certification : Buffer.concat([le(6, 2), le(certification.length, 4), certification])
  const section = Buffer.concat([signRaw(options.quotingKey ?? world.attestationKey, signed), attestationKey, wrapped])
  return new Uint8Array(Buffer.concat([signed, le(section.length, 4), section]))
}

function headerOf(form: string): Buffer {
  const header = Buffer.alloc(48)
  header.writeUInt16LE(form === 'sgx-v3' ? 3 : form === 'tdx-v4' ? 4 : 5, 0)
  header.writeUInt16LE(2, 2)
  header.writeUInt32LE(form === 'sgx-v3' ? 0 : 0x81, 4)
  header.set(Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex'), 12)
  return header
}

function bodyOf(form: string, { body, teeTcbSvn, teeTcbSvn2 }: QuoteOptions): Buffer {
  if (form === 'sgx-v3') return patch(Buffer.alloc(384), body)
  const report = Buffer.alloc(form === 'tdx-v5-td15' ? 648 : 584)
  report.set(teeTcbSvn ?? Array(16).fill(0), TD.teeTcbSvn)
  report[TD.tdAttributes + 3] = 0x10
  report.fill(0xa1, TD.mrTd, TD.mrTd + 48)
  if (form === 'tdx-v5-td15') report.set(teeTcbSvn2 ?? teeTcbSvn ?? Array(16).fill(0), TD.teeTcbSvn2)
  patch(report, body)
  if (form === 'tdx-v4') return report
  return Buffer.concat([le(form === 'tdx-v5-td15' ? 3 : 2, 2), le(report.length, 4), report])
}

function qeReportOf(attestationKey: Uint8Array, authData: Uint8Array, form: string, isvSvn: number): Buffer {
  const report = Buffer.alloc(384)
  report[48] = 0x11
  report.set(Buffer.from(QE_SIGNER, 'hex'), 128)
  report.writeUInt16LE(form === 'sgx-v3' ? 1 : 2, 256)
  report.writeUInt16LE(isvSvn, 258)
  report.set(createHash('sha256').update(attestationKey).update(authData).digest(), 320)
  return report
}

function patch(buffer: Buffer, changes: Readonly<Record<number, Uint8Array>> = {}): Buffer {
  for (const [offset, bytes] of Object.entries(changes)) buffer.set(bytes, Number(offset))
  return buffer
}

function le(value: number, width: number): Buffer {
  const buffer = Buffer.alloc(width)
  buffer.writeUIntLE(value, 0, width)
  return buffer
}
