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
    const text = String.fromCharCode(...value.subarray(0, 16))
    if (tag === TAG.utcTime && /^\d{12}Z$/.test(text)) {
      const year = Number(text.slice(0, 2))
      return instant(`${year < 50 ? '20' : '19'}${text}`)
    }
    if (tag === TAG.generalizedTime && /^\d{14}Z$/.test(text)) return instant(text)
    return malformed('not a time of the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ')
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
  const arcs: string[] = []
  let arc = 0
  let wide: bigint | undefined
  let fresh = true
  for (const byte of value) {
    if (fresh && byte === 0x80) malformed('object identifier arc not in shortest form')
    if (wide === undefined && arc > Number.MAX_SAFE_INTEGER / 256) wide = BigInt(arc)
    if (wide === undefined) arc = arc * 128 + (byte & 0x7f)
    else wide = wide * 128n + BigInt(byte & 0x7f)
    fresh = byte < 0x80
    if (!fresh) continue
    if (arcs.length === 0) pushFirst(arcs, wide ?? BigInt(arc))
    else arcs.push((wide ?? arc).toString())
    arc = 0
    wide = undefined
  }
  return arcs.join('.')
}

/** The first subidentifier carries two arcs (X.690 §8.19.4). */
function pushFirst(arcs: string[], value: bigint): void {
  const root = value < 40n ? 0n : value < 80n ? 1n : 2n
  arcs.push(root.toString(), (value - root * 40n).toString())
}

function instant(text: string): number {
  const field = (from: number, to: number) => Number(text.slice(from, to))
  const [year, month, day] = [field(0, 4), field(4, 6), field(6, 8)]
  const [hour, minute, second] = [field(8, 10), field(10, 12), field(12, 14)]
  const at = new Date(0)
  at.setUTCFullYear(year, month - 1, day)
  at.setUTCHours(hour, minute, second)
  // Date carries overflow (32 January) into the next unit; a real date comes back as it went in.
  const same = at.getUTCMonth() === month - 1 && at.getUTCDate() === day && at.getUTCHours() === hour
  if (!same || at.getUTCMinutes() !== minute || at.getUTCSeconds() !== second) malformed('time does not exist')
  return at.getTime()
}

function malformed(why: string): never {
  throw new AttestationError('der-malformed', why)
}
