/** How firmly a claim stands. Never one green tick: a claim says what it rests on, and "unknown" is an answer. */
export type Status =
  /** Trusted hardware vouches, under its vendor's root. */
  | 'hardware-proven'
  /** A mathematical proof was checked here. */
  | 'proof-verified'
  /** The chain says so, and was asked. */
  | 'chain-verified'
  /** Somebody who is named says so, and signed it. */
  | 'asserted'
  /** Nothing is known either way. */
  | 'unknown'
  /** It is false. */
  | 'refuted'

export interface Claim {
  status: Status
  /** What was found, in words. */
  reason: string
  /** Whom or what one has to trust for it. */
  trust: string
}

/** Every claim a receipt can make. The list is closed: a report names each of them, always. */
export const names = ['signature', 'tee_attested', 'tcb_current', 'image_known', 'model_weights', 'gpu_attested', 'custody', 'zk_proof', 'payment', 'anchored', 'route'] as const
export type Name = (typeof names)[number]

export type Claims = Record<Name, Claim>

export const claim = (status: Status, reason: string, trust: string): Claim => ({ status, reason, trust })

export const unknown = (reason: string): Claim => claim('unknown', reason, 'nothing')

export const refuted = (reason: string): Claim => claim('refuted', reason, 'nothing')
