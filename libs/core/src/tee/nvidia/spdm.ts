import { Cursor, fromUtf8, toHex, type HexDigits } from '../bytes.js'
import { ensure, refuse } from '../error.js'

/**
 * The attestation report of an NVIDIA GPU or NVSwitch: the SPDM 1.1 GET_MEASUREMENTS request followed by the signed
 * MEASUREMENTS response (DMTF DSP0274 1.1, §10.11). Opaque data are NVIDIA's type-length-values
 * (github.com/NVIDIA/nvtrust, spdm_msrt_resp_msg.py).
 */
export interface SpdmReport {
  /** The requester's nonce. */
  readonly nonce: Uint8Array
  /** SHA-384 of each block, in order; block i + 1 is index i of NVIDIA's reference manifests. */
  readonly measurements: readonly Uint8Array[]
  readonly opaque: ReadonlyMap<number, Uint8Array>
  /** Everything before the signature. */
  readonly signed: Uint8Array
  /** r ‖ s, P-384. */
  readonly signature: Uint8Array
}

export const SPDM_BYTES_MAX = 32 * 1024

/** Types of opaque data. */
export const OPAQUE = {
  driverVersion: 3,
  vbiosVersion: 6,
  nvdec0Status: 11,
  chipSku: 15,
  project: 17,
  projectSku: 18,
  fwid: 20,
  protectedPcieStatus: 21,
  /** The chip of a Blackwell device, by which its driver's reference manifest is named. */
  chipInfo: 35,
  featureFlag: 36,
} as const

const SPDM_1_1 = 0x11
const GET_MEASUREMENTS = 0xe0
const MEASUREMENTS = 0x60
const WITH_SIGNATURE = 0x01
const ALL_MEASUREMENTS = 0xff
const DMTF_SPECIFICATION = 1
const SHA384_BYTES = 48
const NONCE_BYTES = 32
const SIGNATURE_BYTES = 96

/** Parses request and response; refuses with `evidence-malformed`. */
export function parseSpdmReport(bytes: Uint8Array): SpdmReport {
  const cursor = new Cursor(bytes, 'evidence-malformed', 'SPDM report')
  const request = [cursor.u8(), cursor.u8(), cursor.u8(), cursor.u8()]
  const asksForAll = [SPDM_1_1, GET_MEASUREMENTS, WITH_SIGNATURE, ALL_MEASUREMENTS].every(
    (byte, i) => byte === request[i],
  )
  ensure(asksForAll, 'evidence-malformed', 'the request is not for all measurements, signed')
  const nonce = cursor.take(NONCE_BYTES)
  const slot = cursor.u8()
  ensure(slot === 0, 'evidence-malformed', `certificate slot ${slot}`)
  ensure(cursor.u8() === SPDM_1_1 && cursor.u8() === MEASUREMENTS, 'evidence-malformed', 'not a measurements response')
  ensure(cursor.u16() === 0, 'evidence-malformed', 'response parameters')
  const count = cursor.u8()
  const measurements = parseBlocks(cursor.take(cursor.u24()), count)
  cursor.take(NONCE_BYTES)
  const opaque = parseOpaque(cursor.take(cursor.u16()))
  const signed = bytes.subarray(0, cursor.position)
  const signature = cursor.take(SIGNATURE_BYTES)
  cursor.end()
  return { nonce, measurements, opaque, signed, signature }
}

function parseBlocks(record: Uint8Array, count: number): Uint8Array[] {
  const cursor = new Cursor(record, 'evidence-malformed', 'measurement record')
  const measurements = Array.from({ length: count }, (_, i) => {
    const index = cursor.u8()
    ensure(index === i + 1, 'evidence-malformed', `measurement block ${index} where ${i + 1} belongs`)
    ensure(cursor.u8() === DMTF_SPECIFICATION, 'evidence-malformed', `block ${index} is not of the DMTF form`)
    const block = new Cursor(cursor.take(cursor.u16()), 'evidence-malformed', `measurement block ${index}`)
    block.u8() // kind of component measured
    const value = block.take(block.u16())
    block.end()
    ensure(value.length === SHA384_BYTES, 'evidence-malformed', `block ${index} of ${value.length} bytes`)
    return value
  })
  cursor.end()
  ensure(count > 0, 'evidence-malformed', 'no measurements')
  return measurements
}

function parseOpaque(data: Uint8Array): Map<number, Uint8Array> {
  const cursor = new Cursor(data, 'evidence-malformed', 'opaque data')
  const fields = new Map<number, Uint8Array>()
  while (cursor.remaining > 0) {
    const type = cursor.u16()
    ensure(!fields.has(type), 'evidence-malformed', `opaque field ${type} twice`)
    fields.set(type, cursor.take(cursor.u16()))
  }
  return fields
}

/** A text field, without the NULs that end and pad it; `undefined` where it is absent. */
export function opaqueText({ opaque }: SpdmReport, type: number): string | undefined {
  const bytes = opaque.get(type)
  if (!bytes) return undefined
  const text = (fromUtf8(bytes) ?? '').replace(/\0+$/, '')
  return /^[\x20-\x7e]+$/.test(text) ? text : refuse('evidence-malformed', `opaque field ${type} is not text`)
}

/** A one- or two-byte little-endian field. */
export function opaqueNumber({ opaque }: SpdmReport, type: number): number | undefined {
  const bytes = opaque.get(type)
  if (!bytes) return undefined
  ensure(
    bytes.length === 1 || bytes.length === 2,
    'evidence-malformed',
    `opaque field ${type} of ${bytes.length} bytes`,
  )
  return bytes[0]! | ((bytes[1] ?? 0) << 8)
}

/** `96.00.5e.00.01`: GPUs write it as eight bytes, the first four reversed; switches as text. */
export function vbiosVersion(report: SpdmReport): string | undefined {
  const bytes = report.opaque.get(OPAQUE.vbiosVersion)
  if (bytes?.length !== 8) return opaqueText(report, OPAQUE.vbiosVersion)?.toLowerCase()
  const order = [3, 2, 1, 0, 4]
  return order.map((i) => toHex(bytes.subarray(i, i + 1))).join('.')
}

/** Measurements by name: `m0` is index 0 of the reference manifests. */
export function measurementNames({ measurements }: SpdmReport): Record<string, HexDigits> {
  return Object.fromEntries(measurements.map((value, i) => [`m${i}`, toHex(value)]))
}
