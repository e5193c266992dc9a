import { MerkleSum, type Secp256k1 } from '@haca/core'
import type { BatchLedger, Row, Sealed } from '@haca/platform/blobs'

/** A sealed batch with what proves a leaf of it. */
export interface OpenBatch {
  sealed: Sealed
  rows: readonly Row[]
  tree: MerkleSum.Tree
}

/** Leaves kept in memory, all batches together: some fifty megabytes. */
const leavesMax = 30_000

/**
 * Sealed batches, opened once for all who ask for their receipts. Opening one of ten thousand takes a good part of a second of
 * this process, and anybody may ask: it is done for one batch at a time, and kept, because a sealed batch never changes.
 */
export class OpenBatches {
  readonly #open = new Map<number, Promise<OpenBatch | undefined>>()
  readonly #leaves = new Map<number, number>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    readonly ledger: BatchLedger,
    readonly primitives: Pick<Secp256k1.Primitives, 'keccak256'>,
    readonly most = leavesMax,
  ) {}

  /** The batch with this id, or nothing when none was sealed. */
  get(id: number): Promise<OpenBatch | undefined> {
    const known = this.#open.get(id)
    if (known) return known
    const opened = this.#turn.then(() => this.#read(id))
    this.#turn = opened.catch(() => undefined)
    this.#open.set(id, opened)
    opened.then(
      (batch) => (batch ? this.#keep(id, batch.rows.length) : this.#open.delete(id)),
      () => this.#open.delete(id),
    )
    return opened
  }

  async #read(id: number): Promise<OpenBatch | undefined> {
    const { keccak256 } = this.primitives
    const sealed = await this.ledger.sealed(id)
    if (!sealed) return undefined
    const rows = await this.ledger.rows(sealed, keccak256)
    await new Promise(setImmediate) // others have their turn between one half of the work and the other
    const leaves = rows.map((row) => MerkleSum.leaf(this.ledger.scope, row.receiptHash, row.collected, keccak256))
    return { sealed, rows, tree: MerkleSum.build(leaves, keccak256) }
  }

  /** Lets the oldest go until the rest is within bounds; the newest stays, whatever its size. */
  #keep(id: number, leaves: number): void {
    this.#leaves.set(id, leaves)
    let total = [...this.#leaves.values()].reduce((sum, count) => sum + count, 0)
    for (const [oldest, count] of this.#leaves) {
      if (total <= this.most || oldest === id) return
      this.#leaves.delete(oldest)
      this.#open.delete(oldest)
      total -= count
    }
  }
}
