import { Receipt, Secp256k1, type Hex } from '@haca/core'
import { loadPrimitives } from '@haca/platform/crypto'
import { randomBytes } from 'node:crypto'

export interface SignerOptions {
  scope: Receipt.Scope
  keyKind: number
  evidenceId: Hex.Hex
  privateKey: Uint8Array
  /** Unix seconds until which the key may sign. */
  expiresAt: number
  /** Unix milliseconds. */
  now(): number
}

/** One receipt key. */
export interface KeySigner {
  /** Address of the key. */
  readonly node: Hex.Hex
  readonly keyKind: number
  readonly evidenceId: Hex.Hex
  readonly expiresAt: number
  /** Fills in node, evidence, sequence and time, and signs. */
  sign(terms: Receipt.Terms): Receipt.Signed
  /** Gives back the sequence number of a receipt that was never shown. */
  discard(signed: Receipt.Signed): void
}

/** A key of this boot: made here, never written down, never shown. */
export const newKey = (): { privateKey: Uint8Array; node: Hex.Hex } => {
  const privateKey = randomBytes(32) // 1 in 2^127 is no scalar of the curve; signing with it would throw
  return { privateKey, node: Secp256k1.addressOfKey(privateKey) }
}

/** The receipt key in use. Sequence numbers rise by one and leave no gap: a number whose receipt lost the race to the store is used again. */
export async function createSigner(options: SignerOptions): Promise<KeySigner> {
  const native = await loadPrimitives()
  const node = Secp256k1.addressOfKey(options.privateKey)
  const returned: number[] = []
  let last = 0
  return {
    node,
    keyKind: options.keyKind,
    evidenceId: options.evidenceId,
    expiresAt: options.expiresAt,
    sign(terms: Receipt.Terms) {
      const issuedAt = Math.floor(options.now() / 1000)
      const receipt: Receipt.Receipt = {
        ...terms,
        node,
        evidenceId: terms.evidenceId ?? options.evidenceId,
        keyKind: options.keyKind,
        issuedAt,
        settleBy: issuedAt + Receipt.settleWithinSeconds,
        seq: returned.pop() ?? ++last,
      }
      return Receipt.sign(receipt, options.scope, options.privateKey, native)
    },
    discard: (signed) => void returned.push(signed.receipt.seq),
  }
}
