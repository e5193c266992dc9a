import { AttestationError, type AttestationErrorCode } from './error.js'

/** Lower-case hexadecimal without prefix. */
export type HexDigits = string

const HEX_DIGITS = '0123456789abcdef'

export function toHex(bytes: Uint8Array): HexDigits {
  let text = ''
  for (const byte of bytes) text += HEX_DIGITS[byte >> 4]! + HEX_DIGITS[byte & 15]!
  return text
}

/** Decodes an even number of hexadecimal digits of either case; anything else is `undefined`. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

export function isZero(bytes: Uint8Array): boolean {
  let seen = 0
  for (const byte of bytes) seen |= byte
  return seen === 0
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A copy with the bytes in the opposite order (AMD writes r and s little-endian). */
export function reversed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes).reverse()
}

/** Lexicographic order, a shorter prefix first (RFC 8949 §4.2.1). */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length)
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

const UTF8 = new TextEncoder()

export function utf8(text: string): Uint8Array {
  return UTF8.encode(text)
}

/** Strict UTF-8: an invalid sequence is `undefined`, and a byte order mark stays in the text. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * Reads fixed layouts front to back, little-endian; running off the end refuses with the code given at construction,
 * so that a parser made of reads is total.
 */
export class Cursor {
  #at = 0
  readonly #bytes: Uint8Array
  readonly #code: AttestationErrorCode
  readonly #what: string

  constructor(bytes: Uint8Array, code: AttestationErrorCode, what: string) {
    this.#bytes = bytes
    this.#code = code
    this.#what = what
  }

  get position(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  take(length: number): Uint8Array {
    if (length > this.remaining) {
      throw new AttestationError(
        this.#code,
        `${this.#what} ends at byte ${this.#bytes.length}, ${length} more expected`,
      )
    }
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  u8(): number {
    return this.take(1)[0]!
  }

  u16(): number {
    const b = this.take(2)
    return b[0]! | (b[1]! << 8)
  }

  u24(): number {
    const b = this.take(3)
    return b[0]! | (b[1]! << 8) | (b[2]! << 16)
  }

  u32(): number {
    const b = this.take(4)
    return (b[0]! | (b[1]! << 8) | (b[2]! << 16) | (b[3]! << 24)) >>> 0
  }

  u64(): bigint {
    const low = this.u32()
    return BigInt(low) | (BigInt(this.u32()) << 32n)
  }

  end(): void {
    if (this.remaining !== 0) {
      throw new AttestationError(this.#code, `${this.#what} is followed by ${this.remaining} unexpected bytes`)
    }
  }
}
