import { create } from '@bufbuild/protobuf'
import { Hex } from '@haca/core'
import { InferenceRequestedSchema, PaymentRequestedSchema, type InferenceRequested } from '@haca/proto'
import type { Bus } from '@haca/platform/bus'
import { Wire } from '@haca/platform/wire'
import type { Verified } from './admit-payment.js'
import type { Ask } from './ask.js'
import type { Claims, Router } from './ports.js'
import { Refusal } from './refusal.js'

export interface Acceptance {
  router: Pick<Router, 'assign'>
  bus: Pick<Bus, 'publish'>
  claims: Claims
  instance: string
  now(): number
}

/**
 * Gives a reserved request to a live pool, durably. From the moment the record is acknowledged the request is accepted. Without a
 * pool a `fresh` reservation is undone and nothing was charged; one that was taken up from somebody who died stays, because the record may be
 * there: undone, its payment could be sent with another body, and fetch the first one's answer. When the bus does not answer nobody knows whether the record is
 * there: the reservation stays, and the same payment sent again takes it up. The claim says `accepted` only when the answer
 * takes a while (see `infer`): most are delivered before anybody could look.
 */
export async function acceptRequest({ payment, offer, requestId, identifier, fingerprint }: Verified, ask: Ask, world: Acceptance, { fresh }: { fresh: boolean }): Promise<void> {
  const pool = await assign({ ...offer.offer, requestId }, world, () => (fresh ? world.claims.release(payment.paymentId) : undefined))
  const record = create(InferenceRequestedSchema, {
    requestId: Hex.toBytes(requestId),
    pool,
    payment: Wire.payment(payment),
    offer: Wire.offer(offer),
    body: ask.body,
    encoding: ask.encoding,
    salt: ask.salt,
    fingerprint: Hex.toBytes(fingerprint),
    paymentIdentifier: identifier === Hex.zero32 ? new Uint8Array(0) : Hex.toBytes(identifier),
    acceptedAtMs: BigInt(world.now()),
    replyTo: world.instance,
  })
  if (payment.flow === 'upfront') await payFirst(record, world)
  else await world.bus.publish(InferenceRequestedSchema, record)
  if (payment.flow === 'upfront') await world.claims.transition(payment, 'paying')
}

async function assign({ modelHash, mode, requestId }: { modelHash: Hex.Hex; mode: number; requestId: Hex.Hex }, { router }: Acceptance, undo: () => Promise<void> | undefined): Promise<string> {
  const refuse = async (refusal: unknown): Promise<never> => {
    await undo()
    throw refusal
  }
  const answer = await router.assign({ modelHash, mode, requestId }).catch(refuse)
  if (answer.outcome.case === 'pool') return answer.outcome.value
  return refuse(new Refusal('unavailable', 'route.no-live-pool', 'no live pool can serve this now; nothing was charged, send the same payment again', undefined, 2))
}

/** The settler collects first and then releases the work to its pool. */
const payFirst = (record: InferenceRequested, { bus }: Acceptance): Promise<void> =>
  bus.publish(PaymentRequestedSchema, create(PaymentRequestedSchema, { requestId: record.requestId, request: record }))
