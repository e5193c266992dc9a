import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { AppError, Hex, type Lifecycle, type Secp256k1 } from '@haca/core'
import { BatchSettledSchema, EvidenceProducedSchema, InferenceCompletedSchema, InferenceVoidedSchema, PaymentFailedSchema, PaymentFlow, PaymentSettledSchema, type BatchSettled, type EvidenceProduced, type InferenceCompleted, type InferenceRequested, type InferenceVoided, type PaymentFailed, type PaymentSettled } from '@haca/proto'
import type { Blobs } from '@haca/platform/blobs'
import type { Bus, Consumption } from '@haca/platform/bus'
import type { Logger } from '@haca/platform/log'
import { Fact, Wire } from '@haca/platform/wire'
import type { Waiters } from './await-outcome.js'
import { stateConflict } from './events.js'
import type { Outcomes } from './outcomes.js'
import type { Claim, ClaimId, Claims } from './ports.js'

export interface Projection {
  claims: Claims
  waiters: Waiters
  blobs: Blobs
  outcomes: Outcomes
  instance: string
  /** Told of every request for which a proof may be there. */
  proven(requestId: Hex.Hex): Promise<void>
  /** Settlers whose word of payments and batches counts. */
  factSigners: readonly Hex.Hex[]
  primitives: Secp256k1.Primitives
  logger: Logger
}

/** Where the chain has a batch; written by the watcher's event, so that a receipt can name its transaction. */
export interface Anchor {
  transaction: Hex.Hex
  blockNumber: number
  blockHash: Hex.Hex
}

export const anchorKey = (batchId: number): string => `anchors/${String(batchId).padStart(12, '0')}`

/** Keeps claims in step with what happened, for all replicas together, and wakes whoever waits. */
export function consumeEvents(bus: Bus, projection: Projection, inFlightMax: number): Promise<Consumption[]> {
  const group = 'gateway'
  return Promise.all([
    bus.consume({ group: `${group}-completed`, schema: InferenceCompletedSchema, inFlightMax, handler: (m) => completed(m, projection) }),
    bus.consume({ group: `${group}-voided`, schema: InferenceVoidedSchema, inFlightMax, handler: (m) => voided(m, projection) }),
    bus.consume({ group: `${group}-settled`, schema: PaymentSettledSchema, inFlightMax, gatherMs: 50, handler: (m) => paymentSettled(m, projection) }),
    bus.consume({ group: `${group}-failed`, schema: PaymentFailedSchema, inFlightMax, gatherMs: 50, handler: (m) => paymentFailed(m, projection) }),
    bus.consume({ group: `${group}-evidence`, schema: EvidenceProducedSchema, inFlightMax, gatherMs: 50, handler: (m) => evidenceProduced(m, projection) }),
    bus.consume({ group: `${group}-batches`, schema: BatchSettledSchema, inFlightMax, gatherMs: 50, handler: (m) => batchSettled(m, projection) }),
  ])
}

// Answers and voids are stored before they are told: one that is not in the object store is nobody's.

/** The claim is not told of an answer whose payment is still to come: the object store is asked for answers, and knows it already. */
export async function completed(message: InferenceCompleted, projection: Projection): Promise<void> {
  const requestId = Wire.hex(message.requestId, 32, 'request_id')
  const outcome = await projection.outcomes.read(requestId)
  if (outcome?.case !== 'completed') throw new AppError('completion.forged', { detail: 'no such answer was stored' })
  const { payment } = outcome.value
  if (payment?.flow === PaymentFlow.UPFRONT) await step(Wire.toPayment(payment), 'settled', {}, { event: 'completed', requestId, projection }) // it came first
  await wake(message.replyTo, requestId, projection)
}

export async function voided(message: InferenceVoided, projection: Projection): Promise<void> {
  const requestId = Wire.hex(message.requestId, 32, 'request_id')
  const outcome = await projection.outcomes.read(requestId)
  if (outcome?.case !== 'voided') throw new AppError('void.forged', { detail: 'no such void was decided' })
  // A void decided by the sweeper has no payment in it: nobody but the claim knows.
  const { payment, code, detail } = outcome.value
  const claim = payment ? Wire.toPayment(payment) : await projection.claims.byRequest(requestId)
  if (claim) await step(claim, 'void', { code, detail }, { event: 'voided', requestId, projection })
  await wake(message.replyTo, requestId, projection)
}

export async function paymentSettled(message: PaymentSettled, projection: Projection): Promise<void> {
  told(PaymentSettledSchema, message, projection)
  const paymentId = Wire.hex(message.paymentId, 32, 'payment_id')
  const claim = await projection.claims.byPayment(paymentId)
  if (!claim) return // paid to the vault by somebody who asked another gateway, or nobody
  const patch = { transaction: Wire.hex(message.transactionHash, 32, 'transaction_hash'), blockNumber: Number(message.blockNumber) }
  if (claim.flow === 'upfront') await projection.claims.paid(claim, patch)
  else await step(claim, 'settled', patch, { event: 'payment-settled', requestId: claim.requestId, projection })
  await wake(undefined, claim.requestId, projection)
}

export async function paymentFailed(message: PaymentFailed, projection: Projection): Promise<void> {
  told(PaymentFailedSchema, message, projection)
  const paymentId = Wire.hex(message.paymentId, 32, 'payment_id')
  const requestId = Wire.hex(message.requestId, 32, 'request_id')
  await step({ paymentId, payer: Wire.address(message.payer, 'payer') }, 'unpaid', { code: 'payment.failed', detail: message.reason }, { event: 'payment-failed', requestId, projection })
  await wake(undefined, requestId, projection)
}

/** Somebody may wait for a proof. Nothing of the message is believed: whoever wakes looks into the object store. */
export async function evidenceProduced(message: EvidenceProduced, projection: Projection): Promise<void> {
  if (message.kind !== 'groth16-bn254') return
  const requestId = Wire.hex(message.requestId, 32, 'request_id')
  const outcome = await projection.outcomes.read(requestId)
  await wake(outcome?.case === 'completed' ? outcome.value.replyTo : undefined, requestId, projection)
  await projection.proven(requestId)
}

export async function batchSettled(message: BatchSettled, projection: Projection): Promise<void> {
  told(BatchSettledSchema, message, projection)
  const anchor: Anchor = {
    transaction: Wire.hex(message.transactionHash, 32, 'transaction_hash'),
    blockNumber: Number(message.blockNumber),
    blockHash: Wire.hex(message.blockHash, 32, 'block_hash'),
  }
  await projection.blobs.put(anchorKey(Number(message.batchId)), new TextEncoder().encode(JSON.stringify(anchor)))
}

/** Throws `fact.forged` for what no settler we know signed. */
export function told<D extends DescMessage>(schema: D, message: MessageShape<D> & { signature: Uint8Array }, { factSigners, primitives }: Projection): void {
  const by = Fact.signer(schema, message, primitives)
  if (!by || !factSigners.some((known) => Hex.equals(known, by))) throw new AppError('fact.forged', { detail: `${schema.name} is not signed by a settler we know` })
}

/** A claim as a record of the log tells of it, for rebuilding. */
export function claimOf(message: Pick<InferenceRequested, 'requestId' | 'payment' | 'fingerprint' | 'acceptedAtMs'>, state: Lifecycle.State): Claim {
  const payment = Wire.toPayment(message.payment)
  return {
    paymentId: payment.paymentId,
    requestId: Wire.hex(message.requestId, 32, 'request_id'),
    fingerprint: Wire.hex(message.fingerprint, 32, 'fingerprint'),
    payer: payment.payer,
    amount: payment.amount,
    flow: payment.flow,
    state,
    validBefore: payment.validBefore,
    acceptedAtMs: Number(message.acceptedAtMs),
  }
}

/** A claim on a payment that failed, where nothing else is known of it any more: work was delivered, and this much is owed. */
export function claimOfLoss(message: PaymentFailed, nowMs: number): Claim {
  return {
    paymentId: Wire.hex(message.paymentId, 32, 'payment_id'),
    requestId: Wire.hex(message.requestId, 32, 'request_id'),
    fingerprint: Hex.zero32,
    payer: Wire.address(message.payer, 'payer'),
    amount: Wire.amount(message.amount, 'amount'),
    flow: 'authorization',
    state: 'delivered',
    validBefore: Math.floor(nowMs / 1000),
    acceptedAtMs: nowMs,
  }
}

async function step(
  claim: ClaimId,
  to: Lifecycle.State,
  patch: Partial<Claim>,
  { event, requestId, projection }: { event: string; requestId: Hex.Hex; projection: Projection },
): Promise<void> {
  // A missing claim is one that Redis lost or that ran out: rebuilding restores it from the log, and events from before that come again.
  const answer = await projection.claims.transition(claim, to, patch)
  if (answer === 'conflict') stateConflict(projection.logger, { event, requestId, state: to })
}

/** Wakes the request's waiter here, and the instance it was accepted by. */
async function wake(replyTo: string | undefined, requestId: Hex.Hex, { claims, waiters, instance }: Projection): Promise<void> {
  waiters.wake(requestId)
  if (replyTo && replyTo !== instance) await claims.notify(replyTo, requestId)
}
