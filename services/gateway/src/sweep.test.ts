import { create } from '@bufbuild/protobuf'
import { AppError, Hex } from '@haca/core'
import { InferenceCompletedSchema, type InferenceCompleted } from '@haca/proto'
import { MemoryBlobs, Outcome } from '@haca/platform/blobs'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { MemoryClaims } from './claims/memory.js'
import { sweep } from './sweep.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))

describe('the sweeper', () => {
  it('comes to every claim, also behind one whose event cannot be told', async () => {
    const [claims, blobs] = [new MemoryClaims(), new MemoryBlobs()]
    const now = 2_000_000_000_000
    const overdue = async (validBefore: number): Promise<Hex.Hex> => {
      const requestId = random(32)
      await claims.restore({ paymentId: random(32), requestId, fingerprint: random(32), payer: random(20), amount: 1n, flow: 'authorization', state: 'delivered', validBefore, acceptedAtMs: 0 })
      await Outcome.decide(blobs, requestId, { case: 'completed', value: create(InferenceCompletedSchema, { requestId: Hex.toBytes(requestId) }) })
      return requestId
    }
    const [poison, other] = [await overdue(1_000_000), await overdue(1_000_001)]
    const told: Hex.Hex[] = []
    const bus = {
      publish: async (_schema: unknown, { requestId }: InferenceCompleted) => {
        if (Hex.fromBytes(requestId) === poison) throw new AppError('bus.unavailable', { retryable: true })
        told.push(Hex.fromBytes(requestId))
      },
    }
    const world = { claims, blobs, bus: bus as never, logger: createLogger('test', 'silent'), now: () => now }
    await expect(sweep(world)).rejects.toThrow('bus.unavailable')
    await sweep(world)
    expect(told).toEqual([other])
  })
})
