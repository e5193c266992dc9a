import type { Hex, Payment } from '@haca/core'

/** What the vault and the token say of one payment. */
export interface PaymentFacts {
  /** Credited amount in atomic units, 0 when there is no credit. */
  credited: bigint
  /** The credit was paid back. */
  refunded: boolean
  /** The token has the nonce as used or cancelled. */
  nonceUsed: boolean
}

/** Reads of the vault and the token. Rejects when the chain cannot be asked. */
export interface Vault {
  facts(payments: readonly Payment.Payment[], tag: 'latest' | 'safe'): Promise<PaymentFacts[]>
  balances(payers: readonly Hex.Hex[]): Promise<bigint[]>
  /** Unix seconds of the newest block behind which nothing is taken back. */
  safeTime(): Promise<number>
  /** The transaction in which a payment was moved to the vault without us, if there is one. */
  directTransfer(payment: Payment.Payment): Promise<Hex.Hex | undefined>
}
