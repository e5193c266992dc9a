import type { PublicKey, Signature } from './certificate.js'
import { FIELD_BYTES, type Awaitable, type CryptoProvider, type Curve } from './crypto.js'
import { Der } from './der.js'

/**
 * Whether `signature`, as X.509 objects carry it, is `publicKey`'s over `message`.
 * A scheme that does not fit the key is an answer (`false`), as is an ECDSA value that is not strict DER.
 */
export function verifySignature(
  crypto: CryptoProvider,
  publicKey: PublicKey,
  signature: Signature,
  message: Uint8Array,
): Awaitable<boolean> {
  if (signature.scheme === 'rsa-pss') {
    if (publicKey.type !== 'rsa') return false
    return crypto.verifyRsaPss({ hash: signature.hash, publicKey: publicKey.spki, signature: signature.value, message })
  }
  if (publicKey.type !== 'ec') return false
  const { curve, point } = publicKey
  const raw = ecdsaFromDer(signature.value, curve)
  return raw ? crypto.verifyEcdsa({ curve, hash: signature.hash, publicKey: point, signature: raw, message }) : false
}

/** ECDSA-Sig-Value (RFC 3279 §2.2.3) to r ‖ s of fixed width; `undefined` where a number does not fit the curve. */
export function ecdsaFromDer(der: Uint8Array, curve: Curve): Uint8Array | undefined {
  const width = FIELD_BYTES[curve]
  const sequence = Der.sequence(der)
  const numbers = [sequence.integer(), sequence.integer()]
  sequence.end()
  const raw = new Uint8Array(2 * width)
  for (const [i, number] of numbers.entries()) {
    const magnitude = number[0] === 0 ? number.subarray(1) : number
    if (number[0]! >= 0x80 || magnitude.length > width) return undefined
    raw.set(magnitude, (i + 1) * width - magnitude.length)
  }
  return raw
}
