import type { Hex } from '@haca/core'

/** What happened to one logical call, as its caller saw it. */
export interface CallRecord {
  index: number
  payer: Hex.Hex
  /** Of the one payment that was signed for it; undefined when none was. */
  paymentId?: Hex.Hex
  amount: bigint
  /** Every answer with status 200 that came, the receipt beside it. */
  answers: { answer: string; receipt: string; requestId: Hex.Hex }[]
  /** Statuses and failures in order, for whoever has to read a failed run. */
  attempts: string[]
  /** How it ended for the caller. */
  end?: 'answered' | 'void' | 'refused' | 'gave-up'
}

/** What was done to the system, and when. */
export interface Blow {
  atMs: number
  what: string
}

export interface History {
  seed: number
  calls: CallRecord[]
  blows: Blow[]
}

/** Numbers that look random and come again for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A history a person can read. */
export const tell = ({ seed, blows, calls }: History): string =>
  [
    `seed ${seed}`,
    ...blows.map(({ atMs, what }) => `  ${String(atMs).padStart(6)} ms  ${what}`),
    ...calls.filter((c) => c.attempts.join() !== '402,200').map((c) => `  call ${c.index}: ${c.end ?? 'open'} after ${c.attempts.join(', ')}`),
  ].join('\n')
