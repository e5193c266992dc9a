import { AttestationError } from './error.js'

/**
 * Strict DER (X.690 §8 and §10): definite minimal lengths, low tag numbers, minimal integers, 0x00/0xFF booleans.
 * A `Der` is a cursor over the contents of one constructed value; what it is asked for must come next, and `end`
 * refuses leftovers. Everything refuses with `der-malformed`.
 */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** The tag of `[n]`, constructed unless said otherwise. */
export function contextTag(n: number, form: 'constructed' | 'primitive' = 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | n
}

/** One tag-length-value: `raw` is all of it, `value` its contents. Both are views, not copies. */
export interface Tlv {
  readonly tag: number
  readonly raw: Uint8Array
  readonly value: Uint8Array
}

export class Der {
  #at = 0
  readonly #bytes: Uint8Array

  /** A cursor over `bytes`, which hold zero or more values back to back. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** A cursor inside the one SEQUENCE that `bytes` hold, with nothing after it. */
  static sequence(bytes: Uint8Array): Der {
    const outer = new Der(bytes)
    const inner = outer.sequence()
    outer.end()
    return inner
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  /** The next tag, or `undefined` at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at]
  }

  next(): Tlv {
    const start = this.#at
    const tag = this.#byte()
    if ((tag & 0x1f) === 0x1f) malformed('high tag numbers are not accepted')
    const length = this.#length()
    if (length > this.#bytes.length - this.#at) malformed('value longer than its container')
    const content = this.#at
    this.#at += length
    return { tag, raw: this.#bytes.subarray(start, this.#at), value: this.#bytes.subarray(content, this.#at) }
  }

  expect(tag: number): Tlv {
    const tlv = this.next()
    if (tlv.tag !== tag) malformed(`tag 0x${tlv.tag.toString(16)} where 0x${tag.toString(16)} belongs`)
    return tlv
  }

  /** The next value if it has this tag. */
  optional(tag: number): Tlv | undefined {
    return this.peek() === tag ? this.next() : undefined
  }

  sequence(): Der {
    return new Der(this.expect(TAG.sequence).value)
  }

  /** Enters the explicitly tagged `[n]` and returns a cursor over what it wraps, if it comes next. */
  explicit(n: number): Der | undefined {
    const tlv = this.optional(contextTag(n))
    return tlv && new Der(tlv.value)
  }

  boolean(): boolean {
    const { value } = this.expect(TAG.boolean)
    if (value.length !== 1 || (value[0] !== 0x00 && value[0] !== 0xff)) malformed('boolean is neither 00 nor FF')
    return value[0] === 0xff
  }

  /** Two's complement contents of an INTEGER, in the shortest form. */
  integer(): Uint8Array {
    return minimalInteger(this.expect(TAG.integer).value)
  }

  /** A non-negative INTEGER below 2^31. */
  smallInteger(): number {
    return smallInteger(this.integer())
  }

  oid(): string {
    return oid(this.expect(TAG.oid).value)
  }

  octetString(): Uint8Array {
    return this.expect(TAG.octetString).value
  }

  /** A BIT STRING of whole bytes. */
  bitString(): Uint8Array {
    const { value } = this.expect(TAG.bitString)
    if (value.length === 0 || value[0] !== 0) malformed('bit string is not made of whole bytes')
    return value.subarray(1)
  }

  /**
   * A BIT STRING used as a set of flags; bit 0 is the most significant bit of the first byte. Trailing zero bits are
   * taken although X.690 §11.2.2 forbids them, because AMD's certificates have them; they change no meaning.
   */
  flags(): ReadonlySet<number> {
    const { value } = this.expect(TAG.bitString)
    const unused = value[0] ?? malformed('empty bit string')
    const last = value[value.length - 1]!
    if (unused > 7 || (value.length === 1 && unused !== 0)) malformed('bit string with impossible padding')
    if (value.length > 1 && (last & ((1 << unused) - 1)) !== 0) malformed('bit string padding is not zero')
    const set = new Set<number>()
    for (let bit = 0; bit < (value.length - 1) * 8; bit++) {
      if ((value[1 + (bit >> 3)]! & (0x80 >> (bit & 7))) !== 0) set.add(bit)
    }
    return set
  }

  /** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 writes them; milliseconds since 1970. */
  time(): number {
    const { tag, value } = this.next()
    const yearDigits = tag === TAG.utcTime ? 2 : tag === TAG.generalizedTime ? 4 : malformed('not a time')
    const formed = value.length === yearDigits + 11 && value[value.length - 1] === 0x5a
    if (!formed) malformed('not a time of the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ')
    const year = decimal(value, 0, yearDigits)
    const century = yearDigits === 4 ? 0 : year < 50 ? 2000 : 1900
    return instant(century + year, value.subarray(yearDigits))
  }

  end(): void {
    if (!this.done) malformed(`${this.#bytes.length - this.#at} unexpected bytes`)
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    const width = first & 0x7f
    if (width === 0 || width > 4) return malformed('indefinite or oversized length')
    let length = 0
    for (let i = 0; i < width; i++) length = length * 256 + this.#byte()
    if (length < 0x80 || length < 256 ** (width - 1)) malformed('length not in shortest form')
    return length
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    return byte ?? malformed('truncated')
  }
}

function minimalInteger(value: Uint8Array): Uint8Array {
  if (value.length === 0) malformed('empty integer')
  if (value.length > 1) {
    const padded = (value[0] === 0x00 && value[1]! < 0x80) || (value[0] === 0xff && value[1]! >= 0x80)
    if (padded) malformed('integer not in shortest form')
  }
  return value
}

function smallInteger(value: Uint8Array): number {
  if (value.length > 4 || value[0]! >= 0x80) malformed('integer out of range')
  return value.reduce((sum, byte) => sum * 256 + byte, 0)
}

/** Dotted decimal; arcs beyond 2^53 (UUID arcs under 2.25) are written out exactly. */
function oid(value: Uint8Array): string {
  if (value.length === 0 || value.length > 64 || value[value.length - 1]! >= 0x80) malformed('object identifier')
  let text = ''
  let start = 0
  for (let i = 0; i < value.length; i++) {
    if (value[i]! >= 0x80) continue
    if (value[start] === 0x80) malformed('object identifier arc not in shortest form')
    const arc = base128(value, start, i + 1)
    text += start === 0 ? firstArcs(arc) : `.${arc}`
    start = i + 1
  }
  return text
}

function base128(value: Uint8Array, from: number, to: number): number | bigint {
  if (to - from > 7) return value.subarray(from, to).reduce((sum, byte) => sum * 128n + BigInt(byte & 0x7f), 0n)
  let arc = 0
  for (let i = from; i < to; i++) arc = arc * 128 + (value[i]! & 0x7f)
  return arc
}

/** The first subidentifier carries two arcs (X.690 §8.19.4). */
function firstArcs(value: number | bigint): string {
  if (value < 40) return `0.${value}`
  if (value < 80) return `1.${Number(value) - 40}`
  return `2.${BigInt(value) - 80n}`
}

/** `digits` hold MMDDHHMMSS. */
function instant(year: number, digits: Uint8Array): number {
  const [month, day, hour] = [decimal(digits, 0, 2), decimal(digits, 2, 2), decimal(digits, 4, 2)]
  const [minute, second] = [decimal(digits, 6, 2), decimal(digits, 8, 2)]
  const inRange = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
  if (!inRange || hour > 23 || minute > 59 || second > 59) malformed('time does not exist')
  // Date.UTC takes years below 100 for the twentieth century; no certificate is that old.
  return year >= 100 ? Date.UTC(year, month - 1, day, hour, minute, second) : malformed('time does not exist')
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

function decimal(bytes: Uint8Array, from: number, length: number): number {
  let value = 0
  for (let i = from; i < from + length; i++) {
    const digit = bytes[i]! - 0x30
    if (digit < 0 || digit > 9) malformed('time with something not a digit')
    value = value * 10 + digit
  }
  return value
}

function malformed(why: string): never {
  throw new AttestationError('der-malformed', why)
}
