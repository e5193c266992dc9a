/** What is known of one nonce: a logical transaction is a set of hashes. */
export interface SendState {
  /** Unix milliseconds the newest variant was signed. */
  newestSignedAtMs: number
  /** Unix milliseconds of the last broadcast. */
  lastSentAtMs: number
  /** A variant is in a block now. */
  minedIn: { blockNumber: bigint; hash: string; reverted: boolean } | undefined
  /** The chain's transaction count of the key, at `latest`. */
  chainNonce: number
  nonce: number
  /** Block number of the tag that ends doubt, `safe` by default. */
  settledBlock: bigint
}

export interface SendLimits {
  /** Milliseconds before the fee is raised. */
  bumpAfterMs: number
  /** Milliseconds before the same bytes are sent again; a pool may have dropped them. */
  resendAfterMs: number
}

export type SendAction = 'wait' | 'resend' | 'bump' | 'final' | 'superseded'

/**
 * What to do with a nonce. Pure, with the clock as an argument.
 *
 * | known                                               | action                                             |
 * | --------------------------------------------------- | -------------------------------------------------- |
 * | in a block at or below the settled tag              | final                                              |
 * | in a younger block                                  | wait                                               |
 * | not in a block, chain count past the nonce          | superseded: another transaction took the nonce     |
 * | not in a block, newest variant older than bumpAfter | bump: same nonce, higher fee                       |
 * | not in a block, last sent longer ago than resend    | resend the same bytes (dropped, or reorganised out) |
 * | otherwise                                           | wait                                               |
 */
export function decide(state: SendState, limits: SendLimits, nowMs: number): SendAction {
  if (state.minedIn) return state.minedIn.blockNumber <= state.settledBlock ? 'final' : 'wait'
  if (state.chainNonce > state.nonce) return 'superseded'
  if (nowMs - state.newestSignedAtMs >= limits.bumpAfterMs) return 'bump'
  if (nowMs - state.lastSentAtMs >= limits.resendAfterMs) return 'resend'
  return 'wait'
}

/** Fees of a variant: the fresh suggestion, and at least an eighth more than the last one, which every pool accepts as a replacement. */
export function fees(suggested: { baseFee: bigint; tip: bigint }, last: { max: bigint; tip: bigint } | undefined): { max: bigint; tip: bigint } {
  const fresh = { max: suggested.baseFee * 2n + suggested.tip, tip: suggested.tip }
  if (!last) return fresh
  const raised = (fee: bigint): bigint => fee + fee / 8n + 1n
  const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)
  return { max: most(fresh.max, raised(last.max)), tip: most(fresh.tip, raised(last.tip)) }
}
