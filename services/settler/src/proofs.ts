import { groth16Format, proofLedgerAbi } from '@haca/contracts'
import { Receipt, type Hex } from '@haca/core'
import type { BatchLedger, Row } from '@haca/platform/blobs'
import type { Chain, TxSender } from '@haca/platform/chain'
import { readProof, type StoredProof } from '@haca/platform/circuits'
import type { Logger } from '@haca/platform/log'
import { encodeFunctionData, parseEventLogs } from 'viem'
import { contractReceipt } from './contract-forms.js'
import { proofsAccepted } from './events.js'
import { proofGas, proofsAtOnce } from './proof-gas.js'

export interface ProofsOptions {
  chain: Chain
  sender: TxSender
  log: Hex.Hex
  proofLedger: Hex.Hex
  ledger: BatchLedger
  logger: Logger
  /** How proofs are shown whose caller did not say: together, alone, or only when they are demanded. */
  mode: 'batch' | 'single' | 'dispute'
}

interface Proven {
  row: Row
  proof: StoredProof
}

/**
 * Shows proofs to the ledger: all of an anchored batch together, or the one that somebody demands. The ledger is asked
 * first, so that what is told twice is sent once; a proof nobody takes within the window of its demand voids its leaf.
 */
export class Proofs {
  constructor(readonly options: ProofsOptions) {}

  /** Resolves once the proofs of a batch's receipts are signed, stored and sent. */
  async ofBatch(batchId: number): Promise<void> {
    const { ledger, mode } = this.options
    const sealed = await ledger.sealed(batchId)
    const rows = sealed ? (await ledger.rows(sealed)).filter((row) => promisesProof(row) && row.collected > 0n) : []
    const by = Map.groupBy(await this.#open(rows), ({ proof }) => proof.document.settlement ?? mode)
    for (const alone of by.get('single') ?? []) await this.#show([alone])
    for (const group of Map.groupBy(by.get('batch') ?? [], ({ proof }) => proof.document.vkId).values()) {
      const atOnce = proofsAtOnce(signalsOf(group))
      for (let at = 0; at < group.length; at += atOnce) await this.#show(group.slice(at, at + atOnce))
    }
  }

  /** Resolves once the demanded proof is sent. A demand we have no proof for is an alarm: its leaf will be void. */
  async answer(demand: { receiptHash: Hex.Hex; batchId: number; index: number; dueAt: number }): Promise<void> {
    const { ledger, logger } = this.options
    const sealed = await ledger.sealed(demand.batchId)
    const row = sealed && (await ledger.row(sealed, demand.index))
    if (row?.receiptHash !== demand.receiptHash) {
      logger.error({ alarm: 'demand-without-leaf', ...demand }, 'a proof is demanded for a leaf our batch record does not have')
      return
    }
    if (!(await readProof(ledger.blobs, row.receiptHash))) {
      logger.error({ alarm: 'demand-without-proof', ...demand }, 'a proof is demanded that nobody made')
      return
    }
    const open = await this.#open([row])
    if (open.length > 0) await this.#show(open)
  }

  /** Those with a proof that the ledger has not taken. */
  async #open(rows: readonly Row[]): Promise<Proven[]> {
    const { chain, log, proofLedger, ledger } = this.options
    const found = await Promise.all(
      rows.map(async (row) => {
        const proof = await readProof(ledger.blobs, row.receiptHash)
        if (!proof) return undefined
        const { node, requestId } = row.receipt
        const at = await chain.readContract({ address: proofLedger, abi: proofLedgerAbi, functionName: 'acceptedAt', args: [log, node, requestId, row.receiptHash] })
        return at === 0n ? { row, proof } : undefined
      }),
    )
    return found.filter((item) => item !== undefined)
  }

  async #show(group: readonly Proven[]): Promise<void> {
    const { sender, log, proofLedger, logger } = this.options
    const [first] = group
    if (!first) return
    const items = group.map(({ row, proof }) => ({ receipt: contractReceipt(row.receipt), signature: row.signature, signals: proof.document.signals.map(BigInt), proof: proof.document.proof }))
    const data =
      items.length === 1
        ? encodeFunctionData({ abi: proofLedgerAbi, functionName: 'accept', args: [log, groth16Format, items[0] as (typeof items)[number]] })
        : encodeFunctionData({ abi: proofLedgerAbi, functionName: 'acceptBatch', args: [log, groth16Format, first.proof.document.vkId, items] })
    const receiptHashes = group.map(({ row }) => row.receiptHash)
    const { ended } = await sender.send({ to: proofLedger, data, gas: proofGas(items.length, signalsOf(group)), note: JSON.stringify({ kind: 'prove', receiptHashes }) })
    void ended
      .then(async (end) => {
        if (end.outcome === 'final' && end.receipt.status === 'success') {
          const accepted = parseEventLogs({ abi: proofLedgerAbi, eventName: 'ProofAccepted', logs: end.receipt.logs })
          const skipped = parseEventLogs({ abi: proofLedgerAbi, eventName: 'ProofSkipped', logs: end.receipt.logs })
          return proofsAccepted(logger, { hash: end.receipt.transactionHash, accepted: accepted.length, skipped: skipped.length, gasUsed: end.receipt.gasUsed })
        }
        // Another transaction took the nonce: nothing was said against the proofs.
        if (end.outcome === 'superseded') return this.#show(await this.#open(group.map(({ row }) => row)))
        await this.#halve(group)
      })
      .catch((err: unknown) => logger.error({ err, alarm: 'proofs-not-shown', receiptHashes }, 'proofs could not be shown to the ledger'))
  }

  /** A batch that reverts as a whole has one proof that does not hold, or more: its halves say where. */
  async #halve(group: readonly Proven[]): Promise<void> {
    const open = await this.#open(group.map(({ row }) => row))
    if (open.length === 0) return
    const [alone] = open
    if (open.length === 1 && group.length === 1) {
      this.options.logger.error({ alarm: 'proof-refused', receiptHash: alone?.row.receiptHash }, 'the ledger does not take a proof that we verified')
      return
    }
    const middle = Math.ceil(open.length / 2)
    await this.#show(open.slice(0, middle))
    await this.#show(open.slice(middle))
  }
}

/** Public signals of a proof; those of a group are of one circuit. */
const signalsOf = ([first]: readonly Proven[]): number => first?.proof.document.signals.length ?? 0

const promisesProof = ({ receipt }: Row): boolean => receipt.mode === Receipt.modes.zkml || receipt.mode === Receipt.modes['tee+zkml']
