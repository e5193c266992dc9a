/** Why the SDK did not do what it was asked; `code` is stable. */
export type Code =
  /** The price is above the stated maximum; nothing was signed. */
  | 'price-above-maximum'
  /** The offer is not from whom we trust, or not for what we asked; nothing was signed. */
  | 'offer-not-trusted'
  /** The gateway refused the request. Where a payment had been signed, `callId` is among the details. */
  | 'refused'
  /** A signed payment was not taken. It is not signed again: the reason says what to do. */
  | 'payment-not-taken'
  /** The answer is not there yet; the same call id fetches it later without paying again. */
  | 'not-answered-yet'
  /** What came back is not what was asked for, or is not signed. */
  | 'answer-not-authentic'
  /** The gateway could not be reached; a payment that was sent may have been taken, and the same call id finds out. */
  | 'unreachable'
  /** The chain could not be asked. */
  | 'chain-unreachable'

export class HacaError extends Error {
  override readonly name = 'HacaError'
  constructor(
    readonly code: Code,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options: { cause?: unknown } = {},
  ) {
    super(message, options)
  }
}
