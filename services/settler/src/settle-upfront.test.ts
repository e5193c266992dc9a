import { create } from '@bufbuild/protobuf'
import { type Hex, type Payment } from '@haca/core'
import { InferenceCompletedSchema, InferenceRequestedSchema, PaymentRequestedSchema } from '@haca/proto'
import { MemoryBlobs, Outcome } from '@haca/platform/blobs'
import type { Bus } from '@haca/platform/bus'
import type { Validity } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { describe, expect, it } from 'vitest'
import type { PaymentLane } from './payments/lane.js'
import type { Refunds } from './refunds.js'
import { settleUpfront } from './settle-upfront.js'
import { deal, trust } from './testing/deal.js'

const { payment, requestId, request, outcome } = deal({ flow: 'upfront' })

/** Payments that were returned for a request that was answered by a key of this validity. */
async function returned(validity: () => Promise<Validity>): Promise<Hex.Hex[]> {
  const blobs = new MemoryBlobs()
  await Outcome.decide(blobs, requestId, { case: 'completed', value: create(InferenceCompletedSchema, outcome) })
  const back: Hex.Hex[] = []
  await settleUpfront(create(PaymentRequestedSchema, { request: create(InferenceRequestedSchema, request) }), {
    trust: { ...trust, keys: { validity } },
    payments: { submit: async () => ({ outcome: 'collected', credit: { amount: 1000n, refunded: false } }) } as unknown as PaymentLane,
    refunds: { unanswered: async ({ paymentId }: Payment.Payment) => void back.push(paymentId) } as unknown as Refunds,
    ...{ bus: { publish: async () => undefined } as unknown as Bus, blobs, logger: createLogger('test', 'silent'), now: Date.now },
  })
  return back
}

describe('a payment collected before its work', () => {
  it('is kept for an answer whose receipt holds', async () => {
    expect(await returned(async () => 'valid')).toEqual([])
  })

  it('is returned when the key of its answer is condemned before the receipt is taken', async () => {
    expect(await returned(async () => 'compromised')).toEqual([payment.paymentId])
  })

  it('waits while the registry cannot be asked', async () => {
    await expect(returned(() => Promise.reject(new Error('no route to the chain')))).rejects.toMatchObject({ retryable: true })
  })
})
