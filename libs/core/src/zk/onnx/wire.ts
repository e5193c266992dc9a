import { refusal } from '../error.js'

/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding), as much as ONNX needs: varints, fixed 32 and 64
 * bits, length-delimited. Groups are refused. Reading is total: any bytes give fields or `zk.onnx-malformed`.
 */
export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

export interface Field {
  number: number
  type: number
  /** Set for varints and fixed 64: the raw 64 bits, unsigned. */
  bits: bigint
  /** Set for length-delimited and fixed fields. */
  bytes: Uint8Array
}

const NOTHING = new Uint8Array(0)
const FIELD_NUMBER_MAX = 2 ** 29 - 1

/** Fields of one message, in the order they stand. */
export function* fields(message: Uint8Array): Generator<Field> {
  let at = 0
  while (at < message.length) {
    const key = readVarint(message, at)
    at = key.next
    const number = Number(key.value >> 3n)
    const type = Number(key.value & 7n)
    if (number < 1 || number > FIELD_NUMBER_MAX) throw malformed('field number out of range')
    if (type === VARINT) {
      const { value, next } = readVarint(message, at)
      at = next
      yield { number, type, bits: value, bytes: NOTHING }
    } else {
      const head = type === BYTES ? readVarint(message, at) : { value: BigInt(fixedWidth(type)), next: at }
      const length = Number(head.value)
      if (length > message.length - head.next) throw malformed(`field ${number} is longer than its message`)
      at = head.next + length
      const bytes = message.subarray(head.next, at)
      yield { number, type, bits: type === FIXED64 ? view(bytes).getBigUint64(0, true) : 0n, bytes }
    }
  }
}

/** An unsigned varint of at most 64 bits (ten bytes). */
export function readVarint(bytes: Uint8Array, from: number): { value: bigint; next: number } {
  let small = 0
  // Up to four bytes fit a double's integers without a bigint; nearly every varint of a model does.
  for (let i = 0; i < 4; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) throw malformed('truncated varint')
    small += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value: BigInt(small), next: from + i + 1 }
  }
  let value = BigInt(small)
  for (let i = 4; i < 10; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) throw malformed('truncated varint')
    if (i === 9 && byte > 1) throw malformed('varint beyond 64 bits')
    value |= BigInt(byte & 0x7f) << BigInt(7 * i)
    if (byte < 0x80) return { value, next: from + i + 1 }
  }
  throw malformed('varint beyond 64 bits')
}

/** A repeated varint field, packed or not, as signed 64-bit integers; refuses more than `most`. A byte can stand for one, and costs forty. */
export function* packedIntegers(field: Field, most: number): Generator<bigint> {
  if (field.type === VARINT) yield BigInt.asIntN(64, field.bits)
  else if (field.type !== BYTES) throw malformed(`field ${field.number} is not an integer`)
  else {
    let count = 0
    for (let at = 0; at < field.bytes.length; ) {
      const { value, next } = readVarint(field.bytes, at)
      at = next
      if (++count > most) throw tooMany(field, most)
      yield BigInt.asIntN(64, value)
    }
  }
}

/** A repeated float or double field, packed or not; `width` is 4 or 8; refuses more than `most`. */
export function packedFloats(field: Field, width: 4 | 8, most: number): number[] {
  const single = width === 4 ? FIXED32 : FIXED64
  if (field.type !== single && field.type !== BYTES) throw malformed(`field ${field.number} is not a float`)
  if (field.bytes.length % width !== 0) throw malformed(`field ${field.number} holds no whole number of floats`)
  if (field.bytes.length / width > most) throw tooMany(field, most)
  const at = view(field.bytes)
  return Array.from({ length: field.bytes.length / width }, (_, i) => (width === 4 ? at.getFloat32(4 * i, true) : at.getFloat64(8 * i, true)))
}

export const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const malformed = (why: string) => refusal('zk.onnx-malformed', why)

const tooMany = ({ number }: Field, most: number) => refusal('zk.onnx-too-large', `field ${number} lists more than ${most} numbers; large constants go into raw_data`)

function fixedWidth(type: number): number {
  if (type === FIXED64) return 8
  if (type === FIXED32) return 4
  throw malformed(`wire type ${type} is not used by ONNX`)
}

/** Builds one message; fields are written in the order of the calls. */
export class MessageWriter {
  readonly #parts: Uint8Array[] = []
  #length = 0

  integer(number: number, value: number | bigint): this {
    return this.#push(varint(BigInt(number * 8 + VARINT))).#push(varint(BigInt.asUintN(64, BigInt(value))))
  }

  float(number: number, value: number): this {
    const bytes = new Uint8Array(4)
    view(bytes).setFloat32(0, value, true)
    return this.#push(varint(BigInt(number * 8 + FIXED32))).#push(bytes)
  }

  bytes(number: number, value: Uint8Array): this {
    return this.#push(varint(BigInt(number * 8 + BYTES))).#push(varint(BigInt(value.length))).#push(value)
  }

  text(number: number, value: string): this {
    return this.bytes(number, new TextEncoder().encode(value))
  }

  message(number: number, value: MessageWriter): this {
    return this.bytes(number, value.finish())
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.#length)
    let at = 0
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }

  #push(part: Uint8Array): this {
    this.#parts.push(part)
    this.#length += part.length
    return this
  }
}

/** Shortest varint of an unsigned 64-bit value. */
export function varint(value: bigint): Uint8Array {
  const out: number[] = []
  for (; value >= 0x80n; value >>= 7n) out.push(Number(value & 0x7fn) | 0x80)
  out.push(Number(value))
  return Uint8Array.from(out)
}
