import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { AppError } from './errors.js'

/** `0x` and an even number of hexadecimal digits. */
export type Hex = `0x${string}`

/** 32 zero bytes. */
export const zero32: Hex = `0x${'00'.repeat(32)}`

/** 20 zero bytes. */
export const zeroAddress: Hex = `0x${'00'.repeat(20)}`

/** Node's own, where there is one: a quarter of the time, and a text in one piece. */
const native = (globalThis as { Buffer?: { prototype: { hexSlice(this: Uint8Array): string } } }).Buffer?.prototype.hexSlice

/** Lower-case hexadecimal of bytes. */
export const fromBytes: (bytes: Uint8Array) => Hex = native ? (bytes) => `0x${native.call(bytes)}` : (bytes) => `0x${bytesToHex(bytes)}`

/** Bytes of a hexadecimal text; with `width`, refuses any other length. Throws `hex.malformed`. */
export function toBytes(hex: string, width?: number): Uint8Array {
  const bytes = decode(hex)
  if (!bytes || (width !== undefined && bytes.length !== width)) throw new AppError('hex.malformed', { detail: `expected ${width ?? 'whole'} bytes of 0x-hexadecimal` })
  return bytes
}

/** Writes the bytes of a hexadecimal text of `width` bytes at a place. Throws `hex.malformed`. */
export function put(hex: string, width: number, out: Uint8Array, at: number): void {
  if (hex.length !== 2 + 2 * width || !decodeInto(hex, out, at)) throw new AppError('hex.malformed', { detail: `expected ${width} bytes of 0x-hexadecimal` })
}

/** Value of each character code, 0xff for what is no digit. */
const digits = new Uint8Array(128).fill(0xff)
for (const [i, digit] of [...'0123456789abcdef'].entries()) digits[digit.charCodeAt(0)] = digits[digit.toUpperCase().charCodeAt(0)] = i

function decode(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0 || hex.length < 2) return undefined
  const bytes = new Uint8Array(hex.length / 2 - 1)
  return decodeInto(hex, bytes, 0) ? bytes : undefined
}

/** False where the text is not `0x` and pairs of digits. */
function decodeInto(hex: string, out: Uint8Array, at: number): boolean {
  if (hex.charCodeAt(0) !== 0x30 || hex.charCodeAt(1) !== 0x78) return false
  for (let i = 2, to = at; i < hex.length; i += 2, to++) {
    const high = digits[hex.charCodeAt(i)] ?? 0xff
    const low = digits[hex.charCodeAt(i + 1)] ?? 0xff
    if ((high | low) > 0xf) return false
    out[to] = (high << 4) | low
  }
  return true
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
