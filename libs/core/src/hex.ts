import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
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
  const bytes = decode(hex)
  if (!bytes || (width !== undefined && bytes.length !== width)) throw new AppError('hex.malformed', { detail: `expected ${width ?? 'whole'} bytes of 0x-hexadecimal` })
  return bytes
}

/** Value of each character code, 0xff for what is no digit. */
const digits = new Uint8Array(128).fill(0xff)
for (const [i, digit] of [...'0123456789abcdef'].entries()) digits[digit.charCodeAt(0)] = digits[digit.toUpperCase().charCodeAt(0)] = i

function decode(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0 || hex.charCodeAt(0) !== 0x30 || hex.charCodeAt(1) !== 0x78) return undefined
  const bytes = new Uint8Array(hex.length / 2 - 1)
  for (let i = 0; i < bytes.length; i++) {
    const high = digits[hex.charCodeAt(2 * i + 2)] ?? 0xff
    const low = digits[hex.charCodeAt(2 * i + 3)] ?? 0xff
    if ((high | low) > 0xf) return undefined
    bytes[i] = (high << 4) | low
  }
  return bytes
}

/** Whether a value is `0x`-hexadecimal, of `width` bytes if given. */
export function is(value: unknown, width?: number): value is Hex {
  if (typeof value !== 'string' || !/^0x(?:[0-9a-fA-F]{2})*$/.test(value)) return false
  return width === undefined || value.length === 2 + 2 * width
}

/** Equality that ignores case, as addresses are compared. */
export const equals = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Checksums by address as it was given: the same few come with every message, and a checksum costs a hash. */
const checksums = new Map<string, Hex>()

/** Mixed-case checksum form of an address (EIP-55); the only form we emit. */
export function checksum(address: string): Hex {
  let found = checksums.get(address)
  if (!found) {
    if (checksums.size >= 10_000) checksums.clear()
    checksums.set(address, (found = computeChecksum(address)))
  }
  return found
}

function computeChecksum(address: string): Hex {
  const lower = fromBytes(toBytes(address, 20)).slice(2)
  const hash = bytesToHex(keccak_256(utf8ToBytes(lower)))
  let out = ''
  for (let i = 0; i < 40; i++) out += Number.parseInt(hash[i] as string, 16) >= 8 ? (lower[i] as string).toUpperCase() : lower[i]
  return `0x${out}`
}
