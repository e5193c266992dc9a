import { create } from '@bufbuild/protobuf'
import { AppError, Errors, type Hex, type Payment } from '@haca/core'
import { InferenceRequestedSchema, InferenceVoidedSchema, type InferenceRequested, type PaymentRequested, type RequestOutcome } from '@haca/proto'
import { Outcome, type Blobs } from '@haca/platform/blobs'
import type { Bus } from '@haca/platform/bus'
import type { Logger } from '@haca/platform/log'
import { setTimeout as pause } from 'node:timers/promises'
import type { PaymentLane } from './payments/lane.js'
import type { Refunds } from './refunds.js'
import { verifyCompletion, verifyRequest, type Trust } from './verify-completion.js'

export interface UpfrontSettlement {
  trust: Trust
  payments: PaymentLane
  refunds: Refunds
  bus: Bus
  blobs: Blobs
  logger: Logger
  now(): number
}

/**
 * Collects a payment before its work, then releases the work to its pool. Done when the request has an outcome; one that nobody
 * answered within its deadline is voided and paid back.
 */
export async function settleUpfront(message: PaymentRequested, settlement: UpfrontSettlement): Promise<void> {
  const { request } = message
  if (!request) throw new AppError('message.malformed', { detail: 'message field request is missing' })
  const { requestId, payment, offer } = verifyRequest(request, settlement.trust)
  const end = await settlement.payments.submit(payment)
  if (end.outcome === 'failed') return announceVoid(request, { code: 'payment.failed', detail: `the payment could not be collected: ${end.reason}` }, requestId, settlement)
  await settlement.bus.publish(InferenceRequestedSchema, request)
  const deadlineMs = settlement.now() + offer.deadlineSeconds * 1_000
  while (settlement.now() < deadlineMs) {
    const outcome = await Outcome.read(settlement.blobs, requestId)
    if (outcome?.value) return ended(outcome, payment, settlement)
    await pause(500)
  }
  // Whoever writes the outcome first decides: a node that answers after this finds the void, and gives it back instead.
  await announceVoid(request, { code: 'deadline.missed', detail: `no node answered within ${offer.deadlineSeconds} seconds; the payment was returned` }, requestId, settlement)
  const outcome = await Outcome.read(settlement.blobs, requestId)
  if (outcome?.value) await ended(outcome, payment, settlement)
}

/** Pays back what was collected for a void, and for an answer whose receipt nobody will take: no leaf will ever say that it is void. */
async function ended(outcome: RequestOutcome['outcome'], payment: Payment.Payment, { trust, refunds, logger }: UpfrontSettlement): Promise<void> {
  if (outcome.case === 'completed') {
    try {
      return void (await verifyCompletion(outcome.value, trust))
    } catch (error) {
      const known = Errors.find(error)
      if (!known || known.retryable) throw error
      logger.error({ alarm: 'answer-refused', err: error, paymentId: payment.paymentId }, 'a paid request was answered with a receipt that does not hold; the payment is returned')
    }
  }
  await refunds.unanswered(payment)
}

async function announceVoid(request: InferenceRequested, why: { code: string; detail: string }, requestId: Hex.Hex, { blobs, bus, now }: UpfrontSettlement): Promise<void> {
  const voided = create(InferenceVoidedSchema, {
    requestId: request.requestId,
    ...(request.payment ? { payment: request.payment } : {}),
    ...(request.offer ? { offer: request.offer } : {}),
    ...why,
    replyTo: request.replyTo,
    paymentIdentifier: request.paymentIdentifier,
    voidedAtMs: BigInt(now()),
  })
  const { outcome } = await Outcome.decide(blobs, requestId, { case: 'voided', value: voided })
  if (outcome.case === 'voided') await bus.publish(InferenceVoidedSchema, outcome.value)
}
