import { paymentBatcherAbi, revenueVaultAbi } from '@haca/contracts'
import { AppError, type Hex, type Payment } from '@haca/core'
import type { Followed, TxSender } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { encodeFunctionData, parseEventLogs } from 'viem'
import { paymentsPosted } from '../events.js'
import { idsOf, noteOf, type Poster } from './lane.js'

/** Gas a batch is given: for each payment what the batcher lets it burn and its bookkeeping, as long as a transaction may have so much, and what it demands to have left before the last one. */
const gasBase = 350_000n
const gasPerPayment = 220_000n
const gasMax = 16_777_216n
const gasCreditDirect = 300_000n

/** Posts payment batches by transactions of the payment key, and direct credits by the commit key, which has the role. */
export class ChainPoster implements Poster {
  #recovered = new Map<Hex.Hex, Promise<unknown>>()

  constructor(
    readonly sender: TxSender,
    readonly commitSender: TxSender,
    readonly addresses: { batcher: Hex.Hex; vault: Hex.Hex; token: Hex.Hex },
    readonly logger: Logger,
  ) {}

  /** Takes up the batches an earlier process left. */
  async start(): Promise<void> {
    for (const { note, ended } of await this.sender.start()) {
      for (const id of idsOf(note)) this.#recovered.set(id, ended)
    }
  }

  recovered(): ReadonlyMap<Hex.Hex, Promise<unknown>> {
    return this.#recovered
  }

  async post(payments: readonly Payment.Payment[], included: () => void): Promise<'mined' | 'reverted' | 'superseded'> {
    const data = encodeFunctionData({ abi: paymentBatcherAbi, functionName: 'settle', args: [this.addresses.token, payments.map(authorization)] })
    const wanted = gasBase + gasPerPayment * BigInt(payments.length)
    const sent = await this.sender.send({ to: this.addresses.batcher, data, gas: wanted < gasMax ? wanted : gasMax, note: noteOf(payments) })
    void sent.included.then(included)
    return this.#read(await sent.ended, payments.length)
  }

  async creditDirect(payment: Payment.Payment): Promise<void> {
    const data = encodeFunctionData({ abi: revenueVaultAbi, functionName: 'creditDirect', args: [this.addresses.token, authorization(payment)] })
    const { ended } = await this.commitSender.send({ to: this.addresses.vault, data, gas: gasCreditDirect, note: JSON.stringify({ kind: 'credit-direct', id: payment.paymentId }) })
    const end = await ended
    if (end.outcome !== 'final') throw new AppError('credit-direct.superseded', { retryable: true })
    if (end.receipt.status !== 'success') throw new AppError('credit-direct.refused', { retryable: true })
  }

  /** A log check per payment: a batch that tolerates failures succeeds as a whole whatever happens inside. */
  #read(end: Followed, count: number): 'mined' | 'reverted' | 'superseded' {
    if (end.outcome === 'superseded') return 'superseded'
    if (end.receipt.status === 'reverted') {
      this.logger.error({ alarm: 'payment-batch-reverted', hash: end.receipt.transactionHash, payments: count }, 'payment batch reverted as a whole')
      return 'reverted'
    }
    const credited = parseEventLogs({ abi: revenueVaultAbi, logs: end.receipt.logs, eventName: 'PaymentCredited' })
    const rejected = parseEventLogs({ abi: paymentBatcherAbi, logs: end.receipt.logs, eventName: 'PaymentRejected' })
    paymentsPosted(this.logger, { hash: end.receipt.transactionHash, count, credited: credited.length, rejected: rejected.length, gasUsed: end.receipt.gasUsed })
    return 'mined'
  }
}

const authorization = (payment: Payment.Payment) => ({
  from: payment.payer,
  value: payment.amount,
  validAfter: BigInt(payment.validAfter),
  validBefore: BigInt(payment.validBefore),
  nonce: payment.nonce,
  signature: payment.signature,
})
