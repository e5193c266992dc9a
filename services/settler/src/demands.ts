import { settlementLogAbi } from '@haca/contracts'
import type { Hex } from '@haca/core'
import type { BatchLedger } from '@haca/platform/blobs'
import type { Chain, TxSender } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { encodeFunctionData, maxUint64 } from 'viem'
import { contractReceipt } from './contract-forms.js'

export interface DemandsOptions {
  chain: Chain
  sender: TxSender
  log: Hex.Hex
  ledger: BatchLedger
  logger: Logger
}

/** A demand as the log tells of it. */
export interface Demand {
  receiptHash: Hex.Hex
  batchId: number
  index: number
  /** Unix seconds. */
  dueAt: number
}

const gas = 200_000n
const shown = maxUint64

/**
 * Shows the signatures of anchored receipts to whoever demands them on chain. A demand nobody answers within
 * `SettlementLog.SIGNATURE_WINDOW` voids the leaf, so an unanswered one is an alarm.
 */
export class Demands {
  constructor(readonly options: DemandsOptions) {}

  /** Resolves once the answer is signed, stored and sent. A demand told twice is answered once. */
  async answer(demand: Demand): Promise<void> {
    const { chain, sender, log, ledger, logger } = this.options
    const due = await chain.readContract({ address: log, abi: settlementLogAbi, functionName: 'signatureDueOf', args: [demand.receiptHash] })
    if (due === shown) return
    const sealed = await ledger.sealed(demand.batchId)
    const row = sealed && (await ledger.row(sealed, demand.index))
    if (row?.receiptHash !== demand.receiptHash) {
      logger.error({ alarm: 'demand-without-leaf', ...demand }, 'a signature is demanded for a leaf our batch record does not have')
      return
    }
    const data = encodeFunctionData({ abi: settlementLogAbi, functionName: 'showSignature', args: [contractReceipt(row.receipt), row.signature] })
    const { ended } = await sender.send({ to: log, data, gas, note: JSON.stringify({ kind: 'show', receiptHash: demand.receiptHash }) })
    void ended
      .then((end) => {
        // Another transaction took the nonce: nothing was said against the signature.
        if (end.outcome === 'superseded') return this.answer(demand)
        if (end.receipt.status === 'success') logger.info({ ...demand, hash: end.receipt.transactionHash }, 'demanded signature shown')
        else logger.error({ alarm: 'demand-unanswered', ...demand, hash: end.receipt.transactionHash }, 'the demanded signature was not taken')
      })
      .catch((err: unknown) => logger.error({ err, alarm: 'demand-unanswered', ...demand }, 'the demanded signature could not be shown'))
  }
}
