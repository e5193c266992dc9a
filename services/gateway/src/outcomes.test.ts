import { create } from '@bufbuild/protobuf'
import { Hex } from '@haca/core'
import { InferenceVoidedSchema } from '@haca/proto'
import { MemoryBlobs, Outcome } from '@haca/platform/blobs'
import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { Outcomes } from './outcomes.js'

const id = (): Hex.Hex => Hex.fromBytes(randomBytes(32))
const decide = async (blobs: MemoryBlobs, requestId: Hex.Hex) =>
  Outcome.decide(blobs, requestId, { case: 'voided', value: create(InferenceVoidedSchema, { requestId: Hex.toBytes(requestId), code: 'model.failed' }) })

describe('outcomes', () => {
  it('are read once, and never taken for missing later', async () => {
    const blobs = new MemoryBlobs()
    const get = vi.spyOn(blobs, 'get')
    const outcomes = new Outcomes(blobs)
    const requestId = id()
    expect(await outcomes.read(requestId)).toBeUndefined()
    await decide(blobs, requestId)
    expect(await outcomes.read(requestId)).toMatchObject({ case: 'voided', value: { code: 'model.failed' } })
    expect(await outcomes.read(requestId)).toMatchObject({ case: 'voided' })
    expect(get).toHaveBeenCalledTimes(2)
  })

  it('forget the oldest when they weigh too much', async () => {
    const blobs = new MemoryBlobs()
    const outcomes = new Outcomes(blobs, 3 * 2_048)
    const ids = [id(), id(), id(), id()]
    for (const requestId of ids) {
      await decide(blobs, requestId)
      await outcomes.read(requestId)
    }
    const get = vi.spyOn(blobs, 'get')
    for (const requestId of ids.slice(1)) await outcomes.read(requestId)
    expect(get).not.toHaveBeenCalled()
    await outcomes.read(ids[0] as Hex.Hex)
    expect(get).toHaveBeenCalledOnce()
  })
})
