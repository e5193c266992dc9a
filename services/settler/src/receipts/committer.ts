import { settlementLogAbi } from '@haca/contracts'
import { AppError, Batch, Errors, Hex } from '@haca/core'
import type { BatchLedger, Row, Sealed } from '@haca/platform/blobs'
import type { Chain, Followed, TxSender } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { encodeFunctionData } from 'viem'
import { batchCommitted } from '../events.js'

/** Seals rows into the next batch and sends its root. */
export interface Committer {
  /** Resolves when the batch is durable and its commit signed, stored and sent. When it rejects, some rows may be sealed all the same: their pointers say which. */
  commit(rows: readonly Row[], evidence: Uint8Array, token: Hex.Hex): Promise<void>
}

export interface ChainCommitterOptions {
  chain: Chain
  log: Hex.Hex
  sender: TxSender
  ledger: BatchLedger
  logger: Logger
  /** Milliseconds before a chain that did not answer is asked again. */
  retryMs?: number
  /** Told of each batch that is beyond doubt on the chain. */
  committed(sealed: Sealed): Promise<void>
}

const gas = 250_000n

/**
 * Commits batches in the order of their ids. The tip is ours to know: the last sealed record. After a restart it is the chain's
 * tip, plus the sealed records the chain has not seen, which are sent first.
 */
export class ChainCommitter implements Committer {
  #tip: { id: number; hash: Hex.Hex } | undefined
  readonly #underway = new Map<number, Promise<Followed>>()

  constructor(readonly options: ChainCommitterOptions) {}

  /** Takes up transactions and sealed batches that an earlier process left. */
  async start(recovered: readonly { note: string; ended: Promise<Followed> }[]): Promise<void> {
    for (const { note, ended } of recovered) {
      const id = batchIdOf(note)
      if (id !== undefined) this.#underway.set(id, ended)
    }
    const call = { address: this.options.log, abi: settlementLogAbi } as const
    const [count, tip] = await Promise.all([
      this.options.chain.readContract({ ...call, functionName: 'batchCount' }),
      this.options.chain.readContract({ ...call, functionName: 'tip' }),
    ])
    this.#tip = { id: Number(count), hash: tip }
    for (;;) {
      const sealed = await this.options.ledger.sealed(this.#tip.id + 1)
      if (!sealed) break
      await this.options.ledger.point(await this.options.ledger.rows(sealed), sealed.header.id)
      await this.#send(sealed)
      this.#tip = { id: sealed.header.id, hash: Batch.hash(sealed.header) }
    }
  }

  async commit(rows: readonly Row[], evidence: Uint8Array, token: Hex.Hex): Promise<void> {
    if (!this.#tip) throw new AppError('committer.not-started')
    const tip = this.#tip
    const sealed = await this.options.ledger.seal(rows, evidence, token, tip).catch(async (error: unknown) => {
      if (Errors.find(error)?.code === 'batch.taken') await this.#takeUp(tip)
      throw error
    })
    this.#tip = { id: sealed.header.id, hash: Batch.hash(sealed.header) }
    await this.#sendSurely(sealed)
  }

  /** The batch after `tip` is stored, by an earlier attempt of ours that could not finish or by another settler: it is finished and sent, and ours comes after it. */
  async #takeUp(tip: { id: number; hash: Hex.Hex }): Promise<void> {
    const { ledger, logger } = this.options
    const sealed = await ledger.sealed(tip.id + 1)
    if (!sealed || sealed.header.prev !== tip.hash) return
    logger.warn({ batch: sealed.header.id }, 'the next batch is stored already; taking it up')
    await ledger.point(await ledger.rows(sealed), sealed.header.id)
    this.#tip = { id: sealed.header.id, hash: Batch.hash(sealed.header) }
    await this.#sendSurely(sealed)
  }

  /** A sealed batch is never given up: it is sent until the chain has it. Its rows must not be sealed again because the chain was away. */
  async #sendSurely(sealed: Sealed): Promise<void> {
    for (;;) {
      try {
        return await this.#send(sealed)
      } catch (err) {
        this.options.logger.warn({ err, batch: sealed.header.id }, 'batch not sent; trying again')
        await this.#pause()
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((next) => setTimeout(next, this.options.retryMs ?? 1_000))
  }

  /** Sends a batch's commit unless it is on its way, and follows it. */
  async #send(sealed: Sealed): Promise<void> {
    const { id } = sealed.header
    let ended = this.#underway.get(id)
    if (!ended) {
      const data = encodeFunctionData({ abi: settlementLogAbi, functionName: 'commit', args: [{ ...sealed.header, id: BigInt(id) }] })
      ended = (await this.options.sender.send({ to: this.options.log, data, gas, note: noteOf(id) })).ended
      this.#underway.set(id, ended)
    }
    void ended.then((end) => this.#ended(sealed, end)).catch((err: unknown) => this.options.logger.error({ err, batch: id }, 'batch not followed'))
  }

  async #ended(sealed: Sealed, end: Followed): Promise<void> {
    const { id } = sealed.header
    this.#underway.delete(id)
    const headerHash = await this.#onChain(id)
    if (headerHash === Batch.hash(sealed.header)) {
      if (end.outcome === 'final') {
        const rows = await this.options.ledger.rows(sealed)
        batchCommitted(this.options.logger, { id, count: rows.length, voids: rows.filter((row) => row.collected === 0n).length, hash: end.receipt.transactionHash, gasUsed: end.receipt.gasUsed })
      }
      return this.options.committed(sealed)
    }
    if (headerHash !== Hex.zero32) {
      // Another settler's batch took this id. Only a person can say which of the two may go on.
      this.options.logger.fatal({ alarm: 'stale-tip', batch: id, headerHash }, 'the chain has another batch under this id; the lane stops')
      this.#tip = undefined
      return
    }
    await this.#sendSurely(sealed)
  }

  /** Header the chain has for an id, zero when none; asked until it answers. */
  async #onChain(id: number): Promise<Hex.Hex> {
    for (;;) {
      try {
        return await this.options.chain.readContract({ address: this.options.log, abi: settlementLogAbi, functionName: 'headerOf', args: [BigInt(id)] })
      } catch (err) {
        this.options.logger.warn({ err }, 'log not read; trying again')
        await this.#pause()
      }
    }
  }
}

const noteOf = (id: number): string => JSON.stringify({ kind: 'commit', id })

function batchIdOf(note: string): number | undefined {
  const parsed = JSON.parse(note) as { kind?: string; id?: number }
  return parsed.kind === 'commit' ? parsed.id : undefined
}
