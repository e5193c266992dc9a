import type { Hex, Receipt, Tensor } from '@haca/core'
import type { LocalModel } from './models.js'

/** Runs a model on one request's inputs. */
export interface Runner {
  submit(model: LocalModel, inputs: Tensor.Tensor[], units: number): Promise<Tensor.Tensor[]>
  load(): { depth: number; oldestAgeMs: number }
}

/** What only the enclave can do: sign receipts with a key that never leaves it. */
export interface ReceiptSigner {
  /** Address of the key. */
  readonly node: Hex.Hex
  readonly keyKind: number
  readonly evidenceId: Hex.Hex
  /** Whether the key may sign now, as far as the chain was seen. */
  usable(): boolean
  /** Fills in node, evidence, sequence and time, and signs. `discard` gives the sequence number of a receipt that was never shown back. Throws a retryable `key.unusable`. */
  sign(terms: Receipt.Terms): Receipt.Signed
  discard(signed: Receipt.Signed): void
}
