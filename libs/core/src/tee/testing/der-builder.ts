/** Writes DER for tests. Independent of the reader under test: nothing is imported from the library. */
export function tlv(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents)
  return new Uint8Array(Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body]))
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const digits = length.toString(16)
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes])
}

export const sequence = (...contents: readonly Uint8Array[]) => tlv(0x30, ...contents)
export const set = (...contents: readonly Uint8Array[]) => tlv(0x31, ...contents)
export const octetString = (bytes: Uint8Array) => tlv(0x04, bytes)
export const bitString = (bytes: Uint8Array) => tlv(0x03, Buffer.from([0]), bytes)
export const boolean = (value: boolean) => tlv(0x01, Buffer.from([value ? 0xff : 0]))
export const nullValue = () => tlv(0x05)
export const explicit = (n: number, ...contents: readonly Uint8Array[]) => tlv(0xa0 | n, ...contents)
export const implicit = (n: number, bytes: Uint8Array) => tlv(0x80 | n, bytes)
export const utf8String = (text: string) => tlv(0x0c, Buffer.from(text))
export const ia5String = (text: string) => tlv(0x16, Buffer.from(text))
export const enumerated = (value: number) => tlv(0x0a, Buffer.from([value]))

/** A non-negative INTEGER from its value or its magnitude. */
export function integer(value: number | Uint8Array): Uint8Array {
  const magnitude = typeof value === 'number' ? numberBytes(value) : Buffer.from(value)
  return tlv(0x02, magnitude[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), magnitude]) : magnitude)
}

function numberBytes(value: number): Buffer {
  const digits = value.toString(16)
  return Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
}

export function oid(dotted: string): Uint8Array {
  const [root, second, ...rest] = dotted.split('.').map(BigInt) as [bigint, bigint, ...bigint[]]
  return tlv(0x06, ...[root * 40n + second, ...rest].map(base128))
}

function base128(arc: bigint): Uint8Array {
  const bytes = [Number(arc & 127n)]
  for (let left = arc >> 7n; left > 0n; left >>= 7n) bytes.unshift(Number(left & 127n) | 128)
  return Uint8Array.from(bytes)
}

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280 §4.1.2.5). */
export function time(at: Date): Uint8Array {
  const digits = at.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return at.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(`${digits.slice(2)}Z`)) : generalizedTime(at)
}

export function generalizedTime(at: Date): Uint8Array {
  return tlv(0x18, Buffer.from(`${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
}

/** A BIT STRING with these flags set, trailing zero bits removed. */
export function flags(bits: readonly number[]): Uint8Array {
  const highest = Math.max(...bits)
  const bytes = new Uint8Array(1 + Math.floor(highest / 8))
  for (const bit of bits) bytes[bit >> 3]! |= 0x80 >> (bit & 7)
  return tlv(0x03, Buffer.from([7 - (highest & 7)]), bytes)
}
