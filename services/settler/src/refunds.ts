import { revenueVaultAbi, settlementLogAbi } from '@haca/contracts'
import { AppError, Errors, Hex, MerkleSum, type Receipt, type Payment } from '@haca/core'
import type { BatchLedger, Row, Sealed } from '@haca/platform/blobs'
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
  /** Which block tag ends doubt about a batch. */
  safeTag: 'latest' | 'safe' | 'finalized'
  /** Milliseconds before refunds that failed are tried again. */
  retryMs: number
}

const gas = 400_000n
const creditedState = 1
/** Refunds on their way at once. */
const togetherMax = 32

/**
 * Gives payments back that bought nothing. Anybody could do it by the same proofs; the settler does it unasked, batch by batch
 * from a stored cursor: a batch whose refunds an earlier process did not see the end of is gone through again.
 */
export class Refunds {
  /** Batches up to this id are beyond doubt on the chain; all void leaves up to `#done` have been dealt with. */
  #committed = 0
  #done: number | undefined
  #running = false
  #starting: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(readonly options: RefundOptions) {}

  /** Takes up what an earlier process left. A log that was just deployed is not there yet behind the safe tag: it is asked again, and nobody's payment waits for that. */
  async start(): Promise<void> {
    const { chain, log, safeTag, logger, retryMs } = this.options
    try {
      this.committed(Number(await chain.readContract({ address: log, abi: settlementLogAbi, functionName: 'batchCount', blockTag: safeTag })))
    } catch (err) {
      logger.warn({ err }, 'number of batches not read; refunds of an earlier process wait')
      if (!this.#stopped) this.#starting = setTimeout(() => void this.start(), retryMs)
    }
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#starting)
    clearTimeout(this.#timer)
  }

  /** Told that a batch is beyond doubt on the chain, and with it all before it. */
  committed(batchId: number): void {
    this.#committed = Math.max(this.#committed, batchId)
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    const { ledger, logger, retryMs } = this.options
    this.#running = true
    clearTimeout(this.#timer)
    try {
      this.#done ??= await this.#cursor()
      while (this.#done < this.#committed && !this.#stopped) {
        const sealed = await ledger.sealed(this.#done + 1)
        if (sealed) await this.#ofVoidLeaves(sealed)
        else logger.error({ alarm: 'batch-without-record', batch: this.#done + 1 }, 'the chain has a batch we have no record of; its payers have to ask for refunds themselves')
        await ledger.blobs.put(this.#cursorKey(), new TextEncoder().encode(String(++this.#done)))
      }
    } catch (err) {
      logger.warn({ err, batch: (this.#done ?? 0) + 1 }, 'refunds wait; trying again')
      if (!this.#stopped) this.#timer = setTimeout(() => void this.#run(), retryMs)
    } finally {
      this.#running = false
    }
  }

  async #cursor(): Promise<number> {
    const bytes = await this.options.ledger.blobs.get(this.#cursorKey())
    return bytes ? Number(new TextDecoder().decode(bytes)) : 0
  }

  #cursorKey(): string {
    return `cursors/refunds-${this.options.log.toLowerCase()}`
  }

  /** Refunds every void leaf of a committed batch whose payment the vault still holds, each by its inclusion proof. */
  async #ofVoidLeaves(sealed: Sealed): Promise<void> {
    const rows = await this.options.ledger.rows(sealed)
    const voids = rows.flatMap((row, index) => (row.collected === 0n ? [{ row, index }] : []))
    if (voids.length === 0) return
    const tree = MerkleSum.build(rows.map((row) => MerkleSum.leaf(this.options.ledger.scope, row.receiptHash, row.collected)))
    for (let at = 0; at < voids.length; at += togetherMax) {
      const ended = await Promise.allSettled(voids.slice(at, at + togetherMax).map(({ row, index }) => this.#ofLeaf(sealed, row, contractProof(row.collected, index, MerkleSum.proof(tree, index)))))
      // Thrown only when the others have ended: tried again before that, they would be sent a second time.
      const failed = ended.find((end) => end.status === 'rejected')
      if (failed) throw failed.reason
    }
  }

  async #ofLeaf(sealed: Sealed, { receipt }: Row, proof: ReturnType<typeof contractProof>): Promise<void> {
    if (!(await this.#held(receipt.paymentId))) return
    const nonce = await this.#nonceOf(receipt)
    if (!nonce) return
    const data = encodeFunctionData({
      abi: revenueVaultAbi,
      functionName: 'refund',
      args: [{ token: receipt.token, payer: receipt.payer, nonce }, { ...sealed.header, id: BigInt(sealed.header.id) }, contractReceipt(receipt), proof],
    })
    try {
      await this.#send(data, `refund ${receipt.paymentId}`)
    } catch (error) {
      // One account the token pays nothing to must not keep the others' money. An earlier process may have been first.
      if (Errors.find(error)?.code !== 'refund.reverted') throw error
      if (await this.#held(receipt.paymentId)) this.options.logger.error({ alarm: 'refund-reverted', paymentId: receipt.paymentId, batch: sealed.header.id }, 'a void leaf cannot be refunded; its payer can ask for it later')
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
    if (end.outcome !== 'final') throw new AppError('refund.superseded', { retryable: true, detail: note })
    if (end.receipt.status !== 'success') throw new AppError('refund.reverted', { retryable: true, detail: note })
    // The vault also succeeds when it can only put the refund off, until it holds money that no payout root has promised.
    const [refunded] = parseEventLogs({ abi: revenueVaultAbi, eventName: 'PaymentRefunded', logs: end.receipt.logs })
    if (refunded) this.options.logger.info({ note, hash: end.receipt.transactionHash }, 'payment refunded')
    else this.options.logger.error({ alarm: 'refund-deferred', note, hash: end.receipt.transactionHash }, 'refund recorded, but the vault cannot fund it yet')
  }
}

/** Where the nonce of a payment is kept that may have to be refunded. */
export const nonceKey = (paymentId: Hex.Hex): string => `nonces/${paymentId.slice(2, 4)}/${paymentId.slice(2)}`
