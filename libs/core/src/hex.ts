import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { AppError } from './errors.js'

/** `0x` and an even number of hexadecimal digits. */
export type Hex = `0x${string}`

/** 32 zero bytes. */
export const zero32: Hex = `0x${'00'.repeat(32)}`

/** 20 zero bytes. */
export const zeroAddress: Hex = `0x${'00'.repeat(20)}`

/** Lower-case hexadecimal of bytes. */
export const fromBytes = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`

/** Bytes of a hexadecimal text; with `width`, refuses any other length. Throws `hex.malformed`. */
export function toBytes(hex: string, width?: number): Uint8Array {
  if (!is(hex, width)) throw new AppError('hex.malformed', { detail: `expected ${width ?? 'whole'} bytes of 0x-hexadecimal` })
  return hexToBytes(hex.slice(2))
}

/** Whether a value is `0x`-hexadecimal, of `width` bytes if given. */
export function is(value: unknown, width?: number): value is Hex {
  if (typeof value !== 'string' || !/^0x(?:[0-9a-fA-F]{2})*$/.test(value)) return false
  return width === undefined || value.length === 2 + 2 * width
}

/** Equality that ignores case, as addresses are compared. */
export const equals = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Mixed-case checksum form of an address (EIP-55); the only form we emit. */
export function checksum(address: string): Hex {
  const lower = fromBytes(toBytes(address, 20)).slice(2)
  const hash = bytesToHex(keccak_256(utf8ToBytes(lower)))
  let out = ''
  for (let i = 0; i < 40; i++) out += Number.parseInt(hash[i] as string, 16) >= 8 ? (lower[i] as string).toUpperCase() : lower[i]
  return `0x${out}`
}
