import { Hex } from '@haca/core'
import { BatchLedger, MemoryBlobs } from '@haca/platform/blobs'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Waiters } from './await-outcome.js'
import { MemoryClaims } from './claims/memory.js'
import { watchRequest } from './watch-request.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))

describe('a watch', () => {
  it('ends when its replica stops, although its request goes on', async () => {
    const [blobs, claims, scope] = [new MemoryBlobs(), new MemoryClaims(), { chainId: 84532, log: Hex.checksum(random(20)) }]
    const [requestId, stopping] = [random(32), new AbortController()]
    await claims.restore({ requestId, paymentId: random(32), fingerprint: random(32), payer: Hex.checksum(random(20)), amount: 1n, flow: 'authorization', state: 'accepted', validBefore: 2_000_000_000, acceptedAtMs: 1 })
    const watching = { blobs, claims, scope, ledger: new BatchLedger(blobs, scope), waiters: new Waiters(), watched: { count: 0 }, stopping: stopping.signal, now: Date.now }
    const statuses = watchRequest(requestId, watching, new AbortController().signal)
    expect((await statuses.next()).value).toMatchObject({ state: 'accepted' })
    stopping.abort()
    expect(await Promise.race([statuses.next(), new Promise((late) => setTimeout(late, 5_000, 'goes on'))])).toEqual({ done: true, value: undefined })
    expect(watching.watched.count).toBe(0)
  })
})
