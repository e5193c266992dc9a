import { utf8ToBytes } from '@noble/hashes/utils.js'
import { assert } from './errors.js'
import * as Hex from './hex.js'

/** A value for `encode`, tagged with its Solidity type. */
export type Value =
  | { type: 'uint'; value: bigint | number }
  | { type: 'address' | 'bytes32'; value: string }
  | { type: 'string'; value: string }

/** 32-byte big-endian word of an unsigned integer. */
export const word = (value: bigint | number): Uint8Array => uint(value, 32)

/** 32-byte word of an address or of 32 bytes, left-padded as Solidity does for addresses. */
export function padded(value: string): Uint8Array {
  const bytes = Hex.toBytes(value)
  assert(bytes.length <= 32, 'a value of at most 32 bytes')
  const out = new Uint8Array(32)
  out.set(bytes, 32 - bytes.length)
  return out
}

/** `abi.encode` for the static types we hash and for strings (Solidity ABI specification, "Formal Specification of the Encoding"). */
export function encode(values: readonly Value[]): Uint8Array {
  const heads: Uint8Array[] = []
  const tails: Uint8Array[] = []
  let offset = values.length * 32
  for (const item of values) {
    if (item.type === 'string') {
      const tail = encodeText(item.value)
      heads.push(word(offset))
      tails.push(tail)
      offset += tail.length
    } else {
      heads.push(item.type === 'uint' ? word(item.value) : padded(item.value))
    }
  }
  return concat([...heads, ...tails])
}

/** Bytes one after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Big-endian unsigned integer of `width` bytes, 32 at most. */
export function uint(value: bigint | number, width: number): Uint8Array {
  const out = new Uint8Array(width)
  const fits = typeof value === 'number' ? putNumber(out, value) : putBigInt(out, value)
  assert(fits, `an unsigned integer of at most ${width} bytes`)
  return out
}

/** Writes a number right-aligned; false when it is not an unsigned integer, or does not fit. */
function putNumber(out: Uint8Array, value: number): boolean {
  if (!Number.isSafeInteger(value) || value < 0) return false
  let rest = value
  for (let i = out.length - 1; rest > 0 && i >= 0; i--) {
    out[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return rest === 0
}

/** The same, eight bytes at a time. */
function putBigInt(out: Uint8Array, value: bigint): boolean {
  if (value < 0n) return false
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return putNumber(out, Number(value))
  let rest = value
  for (let end = out.length; rest > 0n && end > 0; end -= 6) {
    if (!putNumber(out.subarray(Math.max(0, end - 6), end), Number(rest & 0xffff_ffff_ffffn))) return false
    rest >>= 48n
  }
  return rest === 0n
}

function encodeText(text: string): Uint8Array {
  const bytes = utf8ToBytes(text)
  const out = new Uint8Array(32 + Math.ceil(bytes.length / 32) * 32)
  out.set(word(bytes.length), 0)
  out.set(bytes, 32)
  return out
}
