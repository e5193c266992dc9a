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
  const out = new Uint8Array(32)
  putHex(out, value)
  return out
}

function putHex(word: Uint8Array, value: string): void {
  const bytes = Hex.toBytes(value)
  assert(bytes.length <= 32, 'a value of at most 32 bytes')
  word.set(bytes, 32 - bytes.length)
}

/** `abi.encode` for the static types we hash and for strings (Solidity ABI specification, "Formal Specification of the Encoding"). */
export function encode(values: readonly Value[]): Uint8Array {
  const texts = values.map((item) => (item.type === 'string' ? utf8ToBytes(item.value) : undefined))
  const tails = texts.reduce((sum, text) => sum + (text ? 32 + padded32(text.length) : 0), 0)
  const out = new Uint8Array(values.length * 32 + tails)
  let tail = values.length * 32
  for (const [i, item] of values.entries()) {
    const head = out.subarray(i * 32, i * 32 + 32)
    const text = texts[i]
    if (text) {
      putNumber(head, tail)
      putNumber(out.subarray(tail, tail + 32), text.length)
      out.set(text, tail + 32)
      tail += 32 + padded32(text.length)
    } else if (item.type === 'uint') assert(put(head, item.value), 'an unsigned integer of at most 32 bytes')
    else putHex(head, item.value)
  }
  return out
}

/** A length rounded up to whole words. */
const padded32 = (length: number): number => Math.ceil(length / 32) * 32

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
  assert(put(out, value), `an unsigned integer of at most ${width} bytes`)
  return out
}

const put = (out: Uint8Array, value: bigint | number): boolean => (typeof value === 'number' ? putNumber(out, value) : putBigInt(out, value))

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

/** The same, six bytes at a time, which a number holds exactly. */
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
