/**
 * A broken promise: the network, a store or a peer did not do what it must. What the *world* says no to is a verdict
 * (`{ ok: false, reason }`), and what *we* get wrong is an assertion; neither is an AppError.
 *
 * @example throw new AppError('blobs.unreachable', { retryable: true, cause })
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  /** Stable, dotted and kebab-case: `payment.replayed`, `model.unknown`. */
  readonly code: string
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean

  constructor(code: string, options: { retryable?: boolean; cause?: unknown; detail?: string } = {}) {
    super(options.detail ?? code, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

/** The AppError in an error's chain of causes, if there is one. */
export function find(error: unknown): AppError | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 16; at = at.cause, depth++) {
    if (at instanceof AppError) return at
  }
  return undefined
}

/** Throws when we broke our own rule; never used for input. */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${why}`)
}
