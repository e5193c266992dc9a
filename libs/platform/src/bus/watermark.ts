/**
 * Finds how far a partition may be committed when records finish out of order: everything below the lowest unfinished
 * offset is done.
 */
export class Watermark {
  readonly #open = new Set<bigint>()
  #next: bigint | undefined
  #committed: bigint | undefined

  /** A record was handed out. Offsets rise, with gaps where the topic was compacted. */
  begin(offset: bigint): void {
    this.#open.add(offset)
    this.#next = offset + 1n
  }

  finish(offset: bigint): void {
    this.#open.delete(offset)
  }

  /** Offset to commit (the next to be read), if it moved since `committed` was last told. */
  advance(): bigint | undefined {
    let lowest = this.#next
    for (const offset of this.#open) {
      lowest = offset // Sets keep insertion order and offsets are begun in order, so the first open one is the lowest.
      break
    }
    return lowest === this.#committed ? undefined : lowest
  }

  committed(offset: bigint): void {
    this.#committed = offset
  }
}
