import { revenueVaultAbi } from '@haca/contracts'
import { AppError, Hex, MerkleSum, type Receipt, type Payment } from '@haca/core'
import type { BatchLedger, Sealed } from '@haca/platform/blobs'
import type { Chain, TxSender } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { encodeFunctionData, parseEventLogs } from 'viem'
import { contractProof, contractReceipt } from './contract-forms.js'

export interface RefundOptions {
  chain: Chain
  sender: TxSender
  vault: Hex.Hex
  log: Hex.Hex
  ledger: BatchLedger
  logger: Logger
}

const gas = 400_000n
const creditedState = 1

/**
 * Gives payments back that bought nothing. Anybody could do it by the same proofs; the settler does it unasked.
 */
export class Refunds {
  constructor(readonly options: RefundOptions) {}

  /** Refunds every void leaf of a committed batch whose payment the vault still holds, each by its inclusion proof. */
  async ofVoidLeaves(sealed: Sealed): Promise<void> {
    const rows = await this.options.ledger.rows(sealed)
    const voids = rows.flatMap((row, index) => (row.collected === 0n ? [{ row, index }] : []))
    if (voids.length === 0) return
    const tree = MerkleSum.build(rows.map((row) => MerkleSum.leaf(this.options.ledger.scope, row.receiptHash, row.collected)))
    for (const { row, index } of voids) {
      if (!(await this.#held(row.receipt.paymentId))) continue
      const nonce = await this.#nonceOf(row.receipt)
      if (!nonce) continue
      const siblings = MerkleSum.proof(tree, index)
      const data = encodeFunctionData({
        abi: revenueVaultAbi,
        functionName: 'refund',
        args: [
          { token: row.receipt.token, payer: row.receipt.payer, nonce },
          { ...sealed.header, id: BigInt(sealed.header.id) },
          contractReceipt(row.receipt),
          contractProof(row.collected, index, siblings),
        ],
      })
      await this.#send(data, `refund ${row.receipt.paymentId}`)
    }
  }

  /** Refunds a payment collected up front that nobody answered. */
  async unanswered(payment: Payment.Payment): Promise<void> {
    if (!(await this.#held(payment.paymentId))) return
    const data = encodeFunctionData({
      abi: revenueVaultAbi,
      functionName: 'refundBySettler',
      args: [[{ token: payment.token, payer: payment.payer, nonce: payment.nonce }]],
    })
    await this.#send(data, `refund ${payment.paymentId}`)
  }

  async #held(paymentId: Hex.Hex): Promise<boolean> {
    const [, , state] = await this.options.chain.readContract({ address: this.options.vault, abi: revenueVaultAbi, functionName: 'creditOf', args: [paymentId] })
    return state === creditedState
  }

  /** The payment's nonce, which a receipt does not carry, from the log of its credit. */
  async #nonceOf(receipt: Receipt.Receipt): Promise<Hex.Hex | undefined> {
    const bytes = await this.options.ledger.blobs.get(nonceKey(receipt.paymentId))
    if (!bytes) this.options.logger.error({ alarm: 'refund-without-nonce', paymentId: receipt.paymentId }, 'a void leaf cannot be refunded by us; its payer can')
    return bytes && Hex.fromBytes(bytes)
  }

  async #send(data: Hex.Hex, note: string): Promise<void> {
    const { ended } = await this.options.sender.send({ to: this.options.vault, data, gas, note: JSON.stringify({ kind: 'refund', note }) })
    const end = await ended
    if (end.outcome !== 'final' || end.receipt.status !== 'success') throw new AppError('refund.failed', { retryable: true, detail: note })
    // The vault also succeeds when it can only put the refund off, until it holds money that no payout root has promised.
    const [refunded] = parseEventLogs({ abi: revenueVaultAbi, eventName: 'PaymentRefunded', logs: end.receipt.logs })
    if (refunded) this.options.logger.info({ note, hash: end.receipt.transactionHash }, 'payment refunded')
    else this.options.logger.error({ alarm: 'refund-deferred', note, hash: end.receipt.transactionHash }, 'refund recorded, but the vault cannot fund it yet')
  }
}

/** Where the nonce of a payment is kept that may have to be refunded. */
export const nonceKey = (paymentId: Hex.Hex): string => `nonces/${paymentId.slice(2, 4)}/${paymentId.slice(2)}`
