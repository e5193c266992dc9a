/** What kind of no it is; each edge has one status for each. */
export type Kind = 'invalid' | 'unknown' | 'conflict' | 'too-large' | 'unavailable' | 'gone'

/** A request that is refused before anything is charged, in the same words on every transport. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  constructor(
    readonly kind: Kind,
    /** Stable: `model.unknown`, `tensor.shape`. */
    readonly code: string,
    /** One sentence that names the way out. */
    readonly detail: string,
    readonly field?: string,
    /** Seconds after which to try again. */
    readonly retryAfterSeconds?: number,
  ) {
    super(`${code}: ${detail}`)
  }
}
