import * as D from './der-builder.js'
import {
  CRL_SIGN,
  extension,
  generateKey,
  issueCertificate,
  KEY_CERT_SIGN,
  signRaw,
  type CertificateOptions,
  type TestCertificate,
  type TestKey,
} from './pki.js'

/** AMD-shaped hierarchies and reports under a test ARK. Turin exists here only: no public report was found. */
export type Product = 'Milan' | 'Genoa' | 'Turin'

export interface SnpWorld {
  readonly product: Product
  readonly ark: TestCertificate
  readonly ask: TestCertificate
  readonly vek: TestCertificate
}

export const SNP_AT = new Date('2026-01-10T12:00:00Z')

const AMD = '1.3.6.1.4.1.3704.1'
/** Number under the SPL arc for each TCB byte (AMD 57230), written down again here, not imported. */
const LAYOUT: Record<Product, readonly number[]> = {
  Milan: [1, 2, 4, 5, 6, 7, 3, 8],
  Genoa: [1, 2, 4, 5, 6, 7, 3, 8],
  Turin: [9, 1, 2, 3, 5, 6, 7, 8],
}
const CPUID: Record<Product, readonly [number, number, number]> = {
  Milan: [0x19, 0x01, 1],
  Genoa: [0x19, 0x11, 1],
  Turin: [0x1a, 0x02, 1],
}

export interface VekOptions {
  readonly tcb?: readonly number[]
  readonly hardwareId?: Uint8Array | null
  readonly productName?: string
  readonly vlek?: boolean
  readonly structVersion?: number
  readonly drop?: string
}

export const TCB = [10, 0, 0, 0, 0, 0, 23, 84] as const

export function chipId(product: Product): Uint8Array {
  const id = new Uint8Array(64)
  id.fill(0xc1, 0, product === 'Turin' ? 8 : 64)
  return id
}

const rsaKeys: TestKey[] = []
/** RSA keys are slow to make, and nothing here depends on who holds which. */
function rsaKey(i: number): TestKey {
  return (rsaKeys[i] ??= generateKey('RSA'))
}

export function snpWorld(
  product: Product,
  change: Partial<Record<'ark' | 'ask' | 'vek', Partial<CertificateOptions>>> = {},
  vekOptions: VekOptions = {},
): SnpWorld {
  const { vlek = false } = vekOptions
  const ark = issueCertificate({
    subject: `ARK-${product}`,
    key: rsaKey(0),
    ca: true,
    keyUsage: [KEY_CERT_SIGN, CRL_SIGN],
    ...change.ark,
  })
  const ask = issueCertificate({
    subject: vlek ? `SEV-VLEK-${product}` : `SEV-${product}`,
    key: rsaKey(1),
    issuer: ark,
    ca: { pathLength: 0 },
    keyUsage: [KEY_CERT_SIGN, CRL_SIGN],
    crlUri: 'http://kds.test/crl',
    ...change.ask,
  })
  const vek = issueCertificate({
    subject: vlek ? 'SEV-VLEK' : 'SEV-VCEK',
    key: generateKey('P-384'),
    issuer: ask,
    serial: Uint8Array.of(7),
    extensions: vekExtensions(product, vekOptions),
    ...change.vek,
  })
  return { product, ark, ask, vek }
}

function vekExtensions(product: Product, options: VekOptions): Uint8Array[] {
  const { tcb = TCB, vlek = false, productName = product, structVersion = 0, drop } = options
  const hardwareId =
    options.hardwareId === undefined ? chipId(product).slice(0, product === 'Turin' ? 8 : 64) : options.hardwareId
  const list: [string, Uint8Array][] = [
    [`${AMD}.1`, D.integer(structVersion)],
    [`${AMD}.2`, D.ia5String(productName)],
    ...LAYOUT[product].map((spl, i) => [`${AMD}.3.${spl}`, D.integer(tcb[i]!)] as [string, Uint8Array]),
    ...(hardwareId && !vlek ? [[`${AMD}.4`, hardwareId] as [string, Uint8Array]] : []),
    ...(vlek ? [[`${AMD}.5`, D.ia5String('cloud.test')] as [string, Uint8Array]] : []),
  ]
  return list.filter(([oid]) => oid !== drop).map(([oid, value]) => extension(oid, false, value))
}

export interface ReportOptions {
  readonly version?: number
  readonly tcb?: readonly number[]
  readonly chipId?: Uint8Array
  readonly signingKey?: number
  readonly policy?: bigint
  /** Overwrites signed bytes: offset → bytes. */
  readonly bytes?: Readonly<Record<number, Uint8Array>>
  readonly signedBy?: TestKey
}

export function snpReport({ product, vek }: SnpWorld, options: ReportOptions = {}): Uint8Array {
  const version = options.version ?? 3
  const report = Buffer.alloc(1184)
  const tcb = options.tcb ?? TCB
  report.writeUInt32LE(version, 0x00)
  report.writeBigUInt64LE(options.policy ?? 0x30000n, 0x08)
  report.writeUInt32LE(1, 0x34)
  report.writeBigUInt64LE(0x25n, 0x40)
  report.writeUInt32LE((options.signingKey ?? 0) << 2, 0x48)
  report.fill(0xd1, 0x50, 0x90)
  report.fill(0xe1, 0x90, 0xc0)
  for (const offset of [0x38, 0x180, 0x1e0, 0x1f0]) report.set(tcb, offset)
  if (version >= 3) report.set(CPUID[product], 0x188)
  report.set(options.chipId ?? chipId(product), 0x1a0)
  for (const [offset, bytes] of Object.entries(options.bytes ?? {})) report.set(bytes, Number(offset))
  const signature = signRaw(options.signedBy ?? vek.key, report.subarray(0, 0x2a0))
  report.set(signature.slice(0, 48).reverse(), 0x2a0)
  report.set(signature.slice(48).reverse(), 0x2a0 + 72)
  return new Uint8Array(report)
}
