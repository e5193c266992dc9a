import { Receipt, type Hex } from '@haca/core'
import { loadPrimitives } from '@haca/platform/crypto'
import { randomBytes } from 'node:crypto'
import { Secp256k1 } from '@haca/core'
import type { ReceiptSigner } from '../ports.js'

/** Everything of a receipt that its signer does not fill in itself. */
type Terms = Receipt.Terms

export interface SignerOptions {
  scope: Receipt.Scope
  keyKind: number
  evidenceId: Hex.Hex
  privateKey: Uint8Array
  /** Unix milliseconds. */
  now(): number
}

/** A key of this boot: made here, never written down, never shown. */
export const newKey = (): { privateKey: Uint8Array; node: Hex.Hex } => {
  const privateKey = randomBytes(32) // 1 in 2^127 is no scalar of the curve; signing with it would throw
  return { privateKey, node: Secp256k1.addressOfKey(privateKey) }
}

/** The receipt key in use. Sequence numbers rise by one and leave no gap: a number whose receipt lost the race to the store is used again. */
export async function createSigner(options: SignerOptions): Promise<ReceiptSigner> {
  const native = await loadPrimitives()
  const node = Secp256k1.addressOfKey(options.privateKey)
  const returned: number[] = []
  let last = 0
  return {
    node,
    keyKind: options.keyKind,
    evidenceId: options.evidenceId,
    sign(terms: Terms) {
      const issuedAt = Math.floor(options.now() / 1000)
      const receipt: Receipt.Receipt = {
        ...terms,
        node,
        evidenceId: options.evidenceId,
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
