import { create } from '@bufbuild/protobuf'
import { Hex } from '@haca/core'
import { PaymentFailedSchema, type InferenceCompleted } from '@haca/proto'
import type { Logger } from '@haca/platform/log'
import { paymentFailed } from './events.js'
import type { Facts } from './facts.js'
import type { PaymentLane } from './payments/lane.js'
import type { ReceiptLane } from './receipts/lane.js'
import { verifyCompletion, type Completion, type Trust } from './verify-completion.js'

export interface Settlement {
  trust: Trust
  payments: PaymentLane
  receipts: ReceiptLane
  facts: Facts
  logger: Logger
}

/** Settles one completed request: proves it, collects its payment, seals its receipt. Done when the receipt is in a sealed batch. */
export async function settleCompletion(message: InferenceCompleted, settlement: Settlement): Promise<void> {
  const completion = await verifyCompletion(message, settlement.trust)
  await Promise.all([collect(completion, settlement), settlement.receipts.add(completion)])
}

async function collect({ payment, requestId }: Completion, { payments, receipts, facts, logger }: Settlement): Promise<void> {
  const end = await payments.submit(payment)
  if (end.outcome === 'collected') return receipts.credited(requestId, end.credit)
  paymentFailed(logger, { paymentId: payment.paymentId, requestId, reason: end.reason })
  await facts.tell(
    PaymentFailedSchema,
    create(PaymentFailedSchema, {
      paymentId: Hex.toBytes(payment.paymentId),
      requestId: Hex.toBytes(requestId),
      payer: Hex.toBytes(payment.payer),
      amount: payment.amount.toString(),
      reason: end.reason,
      delivered: true,
    }),
  )
}
