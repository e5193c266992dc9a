import * as D from './der-builder.js'
import {
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  extension,
  generateKey,
  issueCertificate,
  issueOcsp,
  KEY_CERT_SIGN,
  signRaw,
  type CertificateOptions,
  type OcspOptions,
  type TestCertificate,
  type TestKey,
} from './pki.js'

/** NVIDIA-shaped device chains, reports and golden values under a test root. */
export interface DeviceWorld {
  readonly root: TestCertificate
  readonly architecture: TestCertificate
  readonly provisioner: TestCertificate
  readonly identity: TestCertificate
  readonly leaf: TestCertificate
}

export const DEVICE_AT = new Date('2026-01-10T12:00:00Z')
export const FWID = new Uint8Array(48).fill(0xf1)

export interface DeviceOptions {
  readonly product?: string
  readonly serial?: string
  /** Extensions of the leaf; Hopper's firmware identity where absent. */
  readonly leafExtensions?: readonly Uint8Array[]
}

export function deviceWorld(
  options: DeviceOptions = {},
  change: Partial<Record<keyof DeviceWorld, Partial<CertificateOptions>>> = {},
): DeviceWorld {
  const { product = 'GH100', serial = '4892C0FFEE00000001' } = options
  const authority = { ca: true, keyUsage: [KEY_CERT_SIGN, CRL_SIGN] } as const
  const make = (subject: string | Uint8Array, more: Partial<CertificateOptions>) =>
    issueCertificate({ subject, key: generateKey('P-384'), ...more })
  const root = make('NVIDIA Device Identity CA', { ...authority, ...change.root })
  const architecture = make(`NVIDIA ${product} Identity`, { issuer: root, ...authority, ...change.architecture })
  const provisioner = make(`NVIDIA ${product} Provisioner ICA 1`, {
    issuer: architecture,
    ...authority,
    ...change.provisioner,
  })
  const identity = make(deviceName(serial, `${product} A01 GSP BROM`), {
    issuer: provisioner,
    ca: true,
    keyUsage: [KEY_CERT_SIGN],
    ...change.identity,
  })
  const leaf = make(deviceName('00', `${product} A01 GSP FMC LF`), {
    issuer: identity,
    keyUsage: [DIGITAL_SIGNATURE],
    extensions: options.leafExtensions ?? [hopperFwid()],
    ...change.leaf,
  })
  return { root, architecture, provisioner, identity, leaf }
}

function deviceName(serial: string, commonName: string): Uint8Array {
  const attribute = (oid: string, text: string) => D.set(D.sequence(D.oid(oid), D.utf8String(text)))
  return D.sequence(attribute('2.5.4.5', serial), attribute('2.5.4.3', commonName))
}

const fwidOf = (digest: Uint8Array) => D.sequence(D.oid('2.16.840.1.101.3.4.2.2'), D.octetString(digest))

export function hopperFwid(digest = FWID, version = 1): Uint8Array {
  const key = generateKey('P-384').spki
  return extension('2.23.133.5.4.1', false, D.sequence(D.integer(version), key, fwidOf(digest)))
}

/** DiceTcbInfo with a vendor, an SVN and the list of FWIDs. */
export function blackwellFwid(digests: readonly Uint8Array[] = [FWID]): Uint8Array {
  const list = D.tlv(0xa6, ...digests.map(fwidOf))
  return extension(
    '2.23.133.5.4.1.1',
    false,
    D.sequence(D.implicit(0, Buffer.from('NVIDIA')), D.implicit(3, Uint8Array.of(1)), list),
  )
}

export function chainOf({ leaf, identity, provisioner, architecture, root }: DeviceWorld): Uint8Array {
  return new Uint8Array(Buffer.from([leaf, identity, provisioner, architecture, root].map(({ pem }) => pem).join('')))
}

/** A good answer for each certificate that NVIDIA's responder serves. */
export function ocspAnswers(world: DeviceWorld, change: Partial<OcspOptions> = {}): Uint8Array[] {
  const pairs = [
    [world.identity, world.provisioner],
    [world.provisioner, world.architecture],
    [world.architecture, world.root],
  ] as const
  return pairs.map(([certificate, issuer]) => issueOcsp({ certificate, issuer, ...change }))
}

export interface DeviceReportOptions {
  readonly nonce?: Uint8Array
  readonly measurements?: readonly Uint8Array[]
  /** Type → value; `undefined` removes one of the usual fields. */
  readonly opaque?: Readonly<Record<number, Uint8Array | undefined>>
  /** Overwrites bytes before signing: offset → bytes. */
  readonly bytes?: Readonly<Record<number, Uint8Array>>
  readonly extraOpaque?: Uint8Array
  readonly signedBy?: TestKey
}

export const DEVICE_NONCE = new Uint8Array(32).fill(0x0e)

/** Measurement i of the usual report: 48 bytes of i. */
export function measurement(i: number): Uint8Array {
  return new Uint8Array(48).fill(i)
}

export function deviceReport(world: DeviceWorld, options: DeviceReportOptions = {}): Uint8Array {
  const measurements = options.measurements ?? Array.from({ length: 64 }, (_, i) => measurement(i))
  const record = Buffer.concat(
    measurements.map((value, i) =>
      Buffer.concat([Buffer.from([i + 1, 1]), le(value.length + 3, 2), Buffer.from([1]), le(value.length, 2), value]),
    ),
  )
  const text = (value: string) => Buffer.from(`${value}\0`)
  const usual: Record<number, Uint8Array | undefined> = {
    3: text('580.159.03'),
    6: Uint8Array.of(0x00, 0x5e, 0x00, 0x96, 0x01, 0, 0, 0),
    11: Uint8Array.of(0xaa),
    15: text('882'),
    17: text('1010'),
    18: text('0200'),
    20: FWID,
    36: Uint8Array.of(0, 0),
    ...options.opaque,
  }
  const fields = Object.entries(usual).flatMap(([type, value]) =>
    value ? [le(Number(type), 2), le(value.length, 2), value] : [],
  )
  const opaque = Buffer.concat([...fields, options.extraOpaque ?? new Uint8Array()])
  const request = Buffer.concat([
    Buffer.from([0x11, 0xe0, 0x01, 0xff]),
    options.nonce ?? DEVICE_NONCE,
    Buffer.from([0]),
  ])
  const head = Buffer.concat([Buffer.from([0x11, 0x60, 0, 0, measurements.length]), le(record.length, 3)])
  const signed = Buffer.concat([request, head, record, Buffer.alloc(32, 0x77), le(opaque.length, 2), opaque])
  for (const [offset, bytes] of Object.entries(options.bytes ?? {})) signed.set(bytes, Number(offset))
  return new Uint8Array(Buffer.concat([signed, signRaw(options.signedBy ?? world.leaf.key, signed)]))
}

export interface GoldenOptions {
  readonly component?: 'driver' | 'vbios'
  readonly measurements?: readonly { index: number; digests: readonly string[] }[]
  readonly fields?: Record<string, unknown>
}

export function goldenValues({ component = 'driver', measurements, fields }: GoldenOptions = {}): Record<
  string,
  unknown
> {
  const hex = (i: number) => Buffer.from(measurement(i)).toString('hex')
  return {
    v: 1,
    component,
    product: 'GH100',
    version: component === 'driver' ? '580.159.03' : '96.00.5E.00.01',
    ...(component === 'vbios' && { board: { project: '1010', projectSku: '0200', chipSku: '882' } }),
    source: { id: 'test', sha256: '00'.repeat(32) },
    notBefore: '2025-01-01T00:00:00Z',
    notAfter: '2026-12-31T00:00:00Z',
    measurements:
      measurements ?? (component === 'driver' ? [9, 10] : [1, 2]).map((index) => ({ index, digests: [hex(index)] })),
    ...fields,
  }
}

/** Compact JWS over a payload, by default with the one header that is accepted. */
export function jws(
  payload: unknown,
  key: TestKey,
  header: unknown = { alg: 'ES384', typ: 'vnd.haca.gpu-golden-values+json' },
): Uint8Array {
  const part = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const message = `${part(header)}.${part(payload)}`
  return new Uint8Array(
    Buffer.from(`${message}.${Buffer.from(signRaw(key, Buffer.from(message))).toString('base64url')}`),
  )
}

function le(value: number, width: number): Buffer {
  const buffer = Buffer.alloc(width)
  buffer.writeUIntLE(value, 0, width)
  return buffer
}
