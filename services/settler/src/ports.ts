import type { Hex, Payment } from '@haca/core'

/** What the vault says of one payment. */
export interface Credit {
  /** Atomic units, 0 when there is no credit. */
  amount: bigint
  /** The credit was paid back. */
  refunded: boolean
}

/** Reads of the vault and the token. Rejects when the chain cannot be asked. */
export interface Vault {
  credits(paymentIds: readonly Hex.Hex[], tag: 'latest' | 'safe'): Promise<Credit[]>
  /** Whether the token has each payment's nonce as used or cancelled. */
  noncesUsed(payments: readonly Payment.Payment[], tag: 'latest' | 'safe'): Promise<boolean[]>
  balances(payers: readonly Hex.Hex[]): Promise<bigint[]>
  /** Unix seconds of the newest block behind which nothing is taken back. */
  safeTime(): Promise<number>
  /** The transaction in which a payment was moved to the vault without us, if there is one. */
  directTransfer(payment: Payment.Payment): Promise<Hex.Hex | undefined>
}
