import { describe, expect, it } from 'vitest'
import { decide, fees, type SendState } from './send-state.js'

const limits = { bumpAfterMs: 4_000, resendAfterMs: 1_000 }
const state = (change: Partial<SendState> = {}): SendState => ({ newestSignedAtMs: 0, lastSentAtMs: 0, minedIn: undefined, chainNonce: 7, nonce: 7, settledBlock: 100n, ...change })
const minedIn = (blockNumber: bigint) => ({ blockNumber, hash: '0x', reverted: false })

describe('send state', () => {
  it.each([
    ['final at the settled block', state({ minedIn: minedIn(100n), chainNonce: 8 }), 99_999, 'final'],
    ['waits in a younger block, however long', state({ minedIn: minedIn(101n), chainNonce: 8 }), 99_999, 'wait'],
    ['superseded when the nonce is used and none of ours is mined', state({ chainNonce: 8 }), 0, 'superseded'],
    ['bumps an old variant', state(), 4_000, 'bump'],
    ['resends a younger one', state(), 1_000, 'resend'],
    ['waits before that', state(), 999, 'wait'],
    ['counts the bump from the newest variant', state({ newestSignedAtMs: 3_000, lastSentAtMs: 3_000 }), 3_999, 'wait'],
  ] as const)('%s', (_name, given, now, expected) => {
    expect(decide(given, limits, now)).toBe(expected)
  })

  it('raises both caps by an eighth and a unit, and never below the suggestion', () => {
    expect(fees({ baseFee: 100n, tip: 10n }, undefined)).toEqual({ max: 210n, tip: 10n })
    expect(fees({ baseFee: 100n, tip: 10n }, { max: 210n, tip: 10n })).toEqual({ max: 237n, tip: 12n }) // 210 + 26 + 1, 10 + 1 + 1
    expect(fees({ baseFee: 1_000n, tip: 10n }, { max: 210n, tip: 10n })).toEqual({ max: 2_010n, tip: 12n })
  })
})
