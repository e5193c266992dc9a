/**
 * The one seam to cryptography. Core holds no implementation of a signature scheme: `webCrypto` (any browser or
 * runtime) and `nodeCrypto` (fast, Node only) are the two adapters, and every verifier test runs on both.
 *
 * Results may be plain or promised. Verifiers `await` each one, which costs a microtask on Node's synchronous adapter
 * (well under a microsecond against 100 µs for one P-256 check) and buys one code path for both worlds.
 */
export type Awaitable<T> = T | Promise<T>

export type Curve = 'P-256' | 'P-384'
export type HashName = 'SHA-256' | 'SHA-384'

export interface EcdsaCheck {
  readonly curve: Curve
  readonly hash: HashName
  /** Uncompressed point: 0x04 ‖ x ‖ y. */
  readonly publicKey: Uint8Array
  /** r ‖ s, each as wide as the curve's field (IEEE P1363). */
  readonly signature: Uint8Array
  readonly message: Uint8Array
}

export interface RsaPssCheck {
  /** MGF1 over the same hash; the salt is as long as the hash. */
  readonly hash: 'SHA-384'
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly signature: Uint8Array
  readonly message: Uint8Array
}

/**
 * A check answers `false` for a signature that does not verify and for a key that cannot be used (a point off the
 * curve); it throws only if the runtime broke.
 */
export interface CryptoProvider {
  readonly name: string
  digest(hash: HashName, data: Uint8Array): Awaitable<Uint8Array>
  verifyEcdsa(check: EcdsaCheck): Awaitable<boolean>
  verifyRsaPss(check: RsaPssCheck): Awaitable<boolean>
}

export const FIELD_BYTES: Readonly<Record<Curve, number>> = { 'P-256': 32, 'P-384': 48 }
export const HASH_BYTES: Readonly<Record<HashName, number>> = { 'SHA-256': 32, 'SHA-384': 48 }
