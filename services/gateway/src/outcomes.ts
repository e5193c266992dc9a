import type { Hex } from '@haca/core'
import type { RequestOutcome } from '@haca/proto'
import { Outcome, type Blobs } from '@haca/platform/blobs'

/** Bytes of answers remembered at most. */
const bytesMax = 32 * 1024 * 1024

/**
 * Outcomes as the object store decided them. An outcome is decided once and for ever, so one that was read stays true: the
 * event of an answer and the caller who waits for it read it once together.
 */
export class Outcomes {
  readonly #recent = new Map<Hex.Hex, RequestOutcome['outcome']>()
  #bytes = 0

  constructor(
    readonly blobs: Blobs,
    readonly most = bytesMax,
  ) {}

  /** What became of a request, or nothing when nothing did yet. */
  async read(requestId: Hex.Hex): Promise<RequestOutcome['outcome'] | undefined> {
    const known = this.#recent.get(requestId)
    if (known) return known
    const outcome = await Outcome.read(this.blobs, requestId)
    if (outcome?.case) this.#remember(requestId, outcome)
    return outcome
  }

  #remember(requestId: Hex.Hex, outcome: RequestOutcome['outcome']): void {
    if (this.#recent.has(requestId)) return
    this.#recent.set(requestId, outcome)
    this.#bytes += weight(outcome)
    for (const [oldest, dropped] of this.#recent) {
      if (this.#bytes <= this.most) return
      this.#recent.delete(oldest)
      this.#bytes -= weight(dropped)
    }
  }
}

/** What an outcome takes in memory, roughly: its answer, and two kilobytes for the rest. */
const weight = (outcome: RequestOutcome['outcome']): number => (outcome.case === 'completed' ? outcome.value.answer.length : 0) + 2_048
