import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import * as Abi from './abi.js'
import * as Hex from './hex.js'

/**
 * The primitives of the hot path, as arguments, so that services pass native code and browsers the portable ones.
 * All are pure functions of their input.
 */
export interface Primitives {
  /** Keccak-256 of bytes: 32 bytes. */
  keccak256(data: Uint8Array): Uint8Array
  /** SHA-256 of bytes: 32 bytes. */
  sha256(data: Uint8Array): Uint8Array
  /**
   * Address (20 bytes) whose key made `signature` (r ‖ s ‖ v, 65 bytes, v 27 or 28, low s) over `digest` (32 bytes);
   * `undefined` where `ecrecover` of a token that forbids malleable signatures would refuse (EIP-2, OpenZeppelin ECDSA).
   */
  recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined
}

const halfOrder = Abi.word(secp256k1.Point.Fn.ORDER >> 1n)

/** Portable primitives on noble; correct everywhere, about twenty times slower than native recovery. */
export const portable: Primitives = {
  keccak256: keccak_256,
  sha256,
  recover(digest, signature) {
    if (!isCanonical(signature)) return undefined
    try {
      const parsed = secp256k1.Signature.fromBytes(signature.subarray(0, 64), 'compact').addRecoveryBit((signature[64] as number) - 27)
      return addressOf(parsed.recoverPublicKey(digest).toBytes(false), keccak_256)
    } catch {
      return undefined // not on the curve: nobody signed this
    }
  },
}

/** Length, `v` and low-`s` rules shared by all adapters. */
export function isCanonical(signature: Uint8Array): boolean {
  if (signature.length !== 65 || (signature[64] !== 27 && signature[64] !== 28)) return false
  return isLowScalar(signature.subarray(32, 64))
}

/** Whether a big-endian scalar lies between one and half the group order. */
function isLowScalar(s: Uint8Array): boolean {
  for (const [i, most] of halfOrder.entries()) {
    if (s[i] !== most) return (s[i] as number) < most && s.some((byte) => byte !== 0)
  }
  return true
}

/** Last 20 bytes of the keccak of an uncompressed public key (65 bytes, 0x04 first). */
export function addressOf(publicKey: Uint8Array, keccak256: Primitives['keccak256']): Uint8Array {
  return keccak256(publicKey.subarray(1)).slice(12)
}

/** Address (20 bytes) of a public key, compressed or not. */
export const addressOfPublicKey = (publicKey: Uint8Array): Uint8Array => addressOf(secp256k1.Point.fromBytes(publicKey).toBytes(false), keccak_256)

/** Public key of a private key (32 bytes); compressed, 33 bytes. */
export const publicKeyOf = (privateKey: Uint8Array): Uint8Array => secp256k1.getPublicKey(privateKey, true)

/** Address of a private key (32 bytes). */
export const addressOfKey = (privateKey: Uint8Array): Hex.Hex =>
  Hex.checksum(Hex.fromBytes(addressOf(secp256k1.getPublicKey(privateKey, false), keccak_256)))

/** r ‖ s ‖ v over a digest: deterministic (RFC 6979) with low s. */
export function sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const signature = secp256k1.sign(digest, privateKey, { prehash: false, format: 'recovered' })
  const out = new Uint8Array(65)
  out.set(signature.subarray(1), 0)
  out[64] = (signature[0] as number) + 27
  return out
}
