/**
 * The life of one paid request. A state changes only by a guarded transition along these edges; every store
 * enforces the same table.
 *
 * | state     | meaning                                                    | next                                |
 * | --------- | ---------------------------------------------------------- | ----------------------------------- |
 * | reserved  | payment claimed, nothing promised                          | accepted · paying · (released)      |
 * | paying    | `upfront`: the payment is on its way, no work yet          | accepted · unpaid · void            |
 * | accepted  | durable on Kafka                                           | delivered · void                    |
 * | delivered | answer and receipt durable; not settled yet                | settled · unpaid                    |
 * | settled   | payment collected on chain                                 | anchored                            |
 * | anchored  | receipt under a root on chain                              | –                                   |
 * | void      | not answered, not charged (or refundable)                  | anchored                            |
 * | unpaid    | delivered, and the payment can no longer be collected      | anchored                            |
 */
export const states = ['reserved', 'paying', 'accepted', 'delivered', 'settled', 'anchored', 'void', 'unpaid'] as const

export type State = (typeof states)[number]

const edges: Record<State, readonly State[]> = {
  reserved: ['accepted', 'paying'],
  paying: ['accepted', 'unpaid', 'void'],
  accepted: ['delivered', 'void'],
  delivered: ['settled', 'unpaid'],
  settled: ['anchored'],
  anchored: [],
  void: ['anchored'],
  unpaid: ['anchored'],
}

/** What a guarded transition answers. */
export type Transition = 'applied' | 'already' | 'conflict'

/**
 * Whether a state may follow another, directly or through states whose news is late: an event about a later state
 * implies the earlier ones, because each is published only after its predecessor is durable.
 */
export function reaches(from: State, to: State): boolean {
  return edges[from].some((next) => next === to || reaches(next, to))
}

/** The answer a store must give when asked to move `from` (what it holds) to `to`. */
export function transition(from: State, to: State): Transition {
  if (from === to || reaches(to, from)) return 'already'
  return reaches(from, to) ? 'applied' : 'conflict'
}

/** No more work will be done for the request. */
export const isFinal = (state: State): boolean => state === 'settled' || state === 'anchored' || state === 'void' || state === 'unpaid'
