import { create } from '@bufbuild/protobuf'
import { Hex, Receipt } from '@haca/core'
import { InferenceCompletedSchema, InferenceVoidedSchema } from '@haca/proto'
import { describe, expect, it } from 'vitest'
import { deal, random, trust } from './testing/deal.js'
import { verifyCompletion, verifyVoid } from './verify-completion.js'

type Changes = Parameters<typeof deal>[0]
const completed = (changes: Changes = {}) => verifyCompletion(create(InferenceCompletedSchema, deal(changes).outcome), trust)
const voided = (receipt: Partial<Receipt.Receipt> = {}) => verifyVoid(create(InferenceVoidedSchema, deal({ receipt: { mode: Receipt.modes.none, price: 0n, ...receipt } }).outcome), trust)
const forged = { code: 'completion.forged' }

describe('a completion', () => {
  it('is believed when payment, offer and receipt speak of the same', async () => {
    const { outcome, requestId } = deal()
    expect((await verifyCompletion(create(InferenceCompletedSchema, outcome), trust)).requestId).toBe(requestId)
  })

  it.each<[string, Changes]>([
    ['another model than was bought', { receipt: { modelHash: random(32) } }],
    ['an older policy than it was sold under', { receipt: { policyEpoch: 42 } }],
    ['less verification than was bought', { receipt: { mode: Receipt.modes.none } }],
    ['a higher price than was authorised', { receipt: { price: 1_001n } }],
    ['a higher price than was offered', { offer: { ceiling: 999n } }],
    ['a later settle-by', { receipt: { settleBy: 1_800_000_601 } }],
  ])('is forged when its receipt names %s', async (_what, changes) => {
    await expect(completed(changes)).rejects.toMatchObject(forged)
  })
})

describe('a void', () => {
  it('counts for the request of its own payment', async () => {
    const { outcome, requestId } = deal({ receipt: { mode: Receipt.modes.none, price: 0n } })
    expect((await verifyVoid(create(InferenceVoidedSchema, outcome), trust)).requestId).toBe(requestId)
  })

  it.each<[string, Partial<Receipt.Receipt>]>([
    ['another request, whose receipt it would stand before', { requestId: random(32) }],
    ['another token', { token: Hex.checksum(random(20)) }],
    ['a later settle-by', { settleBy: 1_800_009_999 }],
    ['a price', { price: 1n }],
  ])('is forged when it names %s', async (_what, change) => {
    await expect(voided(change)).rejects.toMatchObject(forged)
  })
})
