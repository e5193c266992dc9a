import { create } from '@bufbuild/protobuf'
import { Hex } from '@haca/core'
import { InferenceCompletedSchema, InferenceVoidedSchema } from '@haca/proto'
import { Outcome, type Blobs } from '@haca/platform/blobs'
import type { Bus } from '@haca/platform/bus'
import type { Logger } from '@haca/platform/log'
import type { Claim, Claims } from './ports.js'

export interface Sweep {
  claims: Claims
  blobs: Blobs
  bus: Bus
  logger: Logger
  now(): number
}

/** How long after a payment expired its request is looked at, and looked at again. */
const graceMs = 60_000
const againMs = 60_000

/**
 * Ends what is stuck. A claim whose payment expired can no longer be charged: without an outcome it is void; with one, its event is told
 * again, in case it was lost between the store and the log.
 */
export async function sweep(world: Sweep): Promise<number> {
  const overdue = await world.claims.overdue(world.now(), graceMs, 100)
  for (const claim of overdue) {
    try {
      await end(claim, world)
    } finally {
      // Also where its event could not be told: the oldest must not keep the others from being looked at.
      await world.claims.postpone(claim.paymentId, world.now() + againMs)
    }
  }
  return overdue.length
}

async function end(claim: Claim, world: Sweep): Promise<void> {
  const outcome = await Outcome.read(world.blobs, claim.requestId)
  if (outcome?.case === 'completed') await world.bus.publish(InferenceCompletedSchema, outcome.value)
  else if (outcome?.case === 'voided') await world.bus.publish(InferenceVoidedSchema, outcome.value)
  else if (claim.flow === 'authorization') await expire(claim, world)
}

/** The void is decided in the store, where a node that answers now would find it. */
async function expire(claim: Claim, { blobs, claims, logger, now }: Sweep): Promise<void> {
  const voided = create(InferenceVoidedSchema, {
    requestId: Hex.toBytes(claim.requestId),
    code: 'payment.expired',
    detail: 'nobody answered before the payment expired; nothing was charged',
    voidedAtMs: BigInt(now()),
  })
  const { outcome } = await Outcome.decide(blobs, claim.requestId, { case: 'voided', value: voided })
  if (outcome.case !== 'voided') return
  logger.warn({ requestId: claim.requestId, state: claim.state }, 'request expired unanswered; voided')
  await claims.transition(claim, 'void', { code: 'payment.expired', detail: voided.detail })
}
