import type { PaymentPayload, PaymentRequired, SettleResponse } from '@x402/core/types'
import { Hex, Lifecycle, Receipt, type Eip712, type Payment } from '@haca/core'
import type { InferenceCompleted, InferenceVoided, RequestOutcome } from '@haca/proto'
import type { Logger } from '@haca/platform/log'
import { readProof } from '@haca/platform/circuits'
import { Wire } from '@haca/platform/wire'
import { acceptRequest, type Acceptance } from './accept-request.js'
import { claimsRebuilding, reserve, verifyPayment, type NotTaken, type Verified, type Verifier } from './admit-payment.js'
import { price, read, type Ask, type Priced, type Read } from './ask.js'
import type { Waiters } from './await-outcome.js'
import { paymentChecked, requestAnswered } from './events.js'
import type { Models } from './models.js'
import type { Outcomes } from './outcomes.js'
import { paymentRequired, type Terms } from './offer-terms.js'
import { requireEpoch, type PolicyInForce } from './policy-epoch.js'
import type { Claim, Claims, ExposureLimits, Payers, Router } from './ports.js'
import { promisesProof } from './read-proof.js'
import type { Webhooks } from './webhooks/webhooks.js'
import { Refusal } from './refusal.js'

/** Everything the use cases of this service stand on. */
export interface Gateway extends Acceptance {
  models: Pick<Models, 'find'>
  router: Router
  terms: Terms
  verifier: Verifier
  claims: Claims
  payers: Payers
  policy: PolicyInForce
  limits: ExposureLimits
  outcomes: Outcomes
  webhooks: Webhooks
  waiters: Waiters
  scope: Receipt.Scope
  logger: Logger
  answerWaitMs: number
  settleWaitMaxMs: number
  rebuild(): void
}

/** What the caller gets. */
export type Answer =
  | { kind: 'payment-required'; required: PaymentRequired; priced: Priced }
  | { kind: 'answered'; completed: InferenceCompleted; settlement: SettleResponse | undefined; preferenceApplied: boolean }
  | { kind: 'accepted'; requestId: Hex.Hex }

/**
 * One call of `infer`, paid or not: read, verify, reserve, accept, answer. Everything before `accept` can refuse without charge;
 * everything after it ends in exactly one of an answer that is settled, or a void that is not charged.
 */
export async function infer(ask: Ask, payload: PaymentPayload | undefined, waitSettledMs: number | undefined, gateway: Gateway): Promise<Answer> {
  const request = await read(ask, gateway.models).catch((unread: unknown) => answerRetired(unread, ask, payload, gateway, waitSettledMs))
  if ('kind' in request) return request
  const webhook = ask.webhook === undefined ? undefined : gateway.webhooks.check(ask.webhook)
  if (!payload) return demandPayment(request, { reason: undefined, flows: ['authorization'] }, gateway)
  const check = verifyPayment(payload, request, gateway.verifier)
  paymentChecked(gateway.logger, check.ok ? 'ok' : check.reason)
  if (!check.ok) return (await answerLate(check, gateway, waitSettledMs)) ?? demandPayment(request, check, gateway)
  const { verified } = check
  const outdated = offerOutdated(verified, gateway)
  if (outdated) return (await answerLate(outdated, gateway, waitSettledMs)) ?? demandPayment(request, outdated, gateway)
  const earlier = await earlierUse(verified, gateway)
  if (earlier) return answer({ requestId: earlier.requestId, payment: earlier }, gateway, { waitSettledMs, accepted: false })
  const admission = await reserve(verified, gateway)
  if (admission.outcome === 'not-taken') return demandPayment(request, admission, gateway)
  const fresh = admission.outcome === 'reserved'
  const beside = fresh ? await usedBeside(verified, gateway) : undefined
  if (beside) return answer({ requestId: beside.requestId, payment: beside }, gateway, { waitSettledMs, accepted: false })
  const ours = fresh || (await isAbandoned(admission.claim, gateway))
  if (ours && webhook) await gateway.webhooks.keep(verified.requestId, webhook)
  if (ours) await acceptRequest(verified, ask, gateway, { fresh })
  return answer(verified, gateway, { waitSettledMs, accepted: ours })
}

/** The answer of a model that was retired between a payment and now: what was paid for before is answered. Any other reason why a request was not read is thrown on. */
async function answerRetired(unread: unknown, ask: Ask, payload: PaymentPayload | undefined, gateway: Gateway, waitSettledMs: number | undefined): Promise<Answer> {
  if (!payload || !(unread instanceof Refusal) || unread.code !== 'model.unknown') throw unread
  const check = verifyPayment(payload, { ask, units: 0, model: { modelHash: Hex.zero32 } }, gateway.verifier)
  const earlier = check.ok ? undefined : await answerLate(check, gateway, waitSettledMs)
  if (!earlier) throw unread
  return earlier
}

/** A 402: what must be paid, and why what was sent did not do. */
async function demandPayment(request: Read, { reason, flows }: { reason: string | undefined; flows: NotTaken['flows'] }, gateway: Gateway): Promise<Answer> {
  const priced = await price(request, gateway.router)
  requireEpoch(priced.decision.policyEpoch, gateway.policy)
  return { kind: 'payment-required', priced, required: paymentRequired(priced, flows, gateway.terms, reason) }
}

/** An offer made under an older policy buys nothing new: what it promised may have been withdrawn since. */
function offerOutdated(verified: Verified, { policy }: Gateway): NotTaken | undefined {
  const current = policy.current()
  if (current.ok && verified.offer.offer.policyEpoch >= current.value.policy.epoch) return undefined
  return { reason: 'offer_expired', flows: ['authorization'], late: verified }
}

/**
 * The answer to a payment that would be too late now, if it was in time when it first came. Where claims may be lost, nobody knows whether it
 * was: a 402 would have it signed, and paid, a second time.
 */
async function answerLate({ late }: NotTaken, gateway: Gateway, waitSettledMs: number | undefined): Promise<Answer | undefined> {
  if (!late) return undefined
  const claim = await gateway.claims.byPayment(late.payment.paymentId)
  if (!claim && !(await gateway.claims.ready())) throw claimsRebuilding(gateway)
  if (!claim || claim.fingerprint !== late.fingerprint || claim.requestId !== late.requestId) return undefined
  return answer(late, gateway, { waitSettledMs, accepted: false })
}

/**
 * The claim of another payment of this payer with the same identifier for the same request: that one is answered and charged, this one is
 * not looked at any more. An identifier that was used for another request is a conflict; one whose payment bought nothing is free again.
 */
async function earlierUse({ payment, identifier, fingerprint }: Verified, { claims, now }: Gateway): Promise<Claim | undefined> {
  if (identifier === Hex.zero32) return undefined
  const use = { payer: payment.payer, identifier, paymentId: payment.paymentId, validBefore: payment.validBefore }
  const holder = await claims.identify(use, now())
  if (holder === payment.paymentId) return undefined
  const claim = await claims.byPayment(holder)
  if (claim && claim.state !== 'void' && claim.state !== 'unpaid') {
    if (claim.fingerprint === fingerprint) return claim
    throw new Refusal('conflict', 'payment.identifier-used', 'this payment-identifier was already used for another request; this payment was not taken, use another identifier')
  }
  await claims.identify(use, now(), holder)
  return undefined
}

/**
 * Another payment with the same identifier may have been admitted since `earlierUse` looked, which was before the chain was asked for a balance.
 * It has its claim by now: the one the identifier does not stand for gives its own back.
 */
async function usedBeside(verified: Verified, gateway: Gateway): Promise<Claim | undefined> {
  const release = (): Promise<void> => gateway.claims.release(verified.payment.paymentId)
  const beside = await earlierUse(verified, gateway).catch(async (error: unknown) => {
    await release()
    throw error
  })
  if (beside) await release()
  return beside
}

/** Whether a reservation was left behind by somebody who died before publishing it, and is ours to take up. One that has an outcome was published. */
async function isAbandoned({ paymentId, requestId, state }: Claim, { claims, outcomes, now }: Gateway): Promise<boolean> {
  return state === 'reserved' && (await outcomes.read(requestId)) === undefined && claims.takeOver(paymentId, now())
}

type Paid = Pick<Payment.Payment, 'paymentId' | 'payer' | 'flow'>

/** Waits for the outcome, and when asked for its settlement too. Late answers are fetched by sending the same payment again. */
async function answer({ requestId, payment }: Pick<Verified, 'requestId'> & { payment: Paid }, gateway: Gateway, { waitSettledMs, accepted }: { waitSettledMs: number | undefined; accepted: boolean }): Promise<Answer> {
  const outcome = (await outcomeWithin(quickMs, requestId, gateway)) ?? (await slowOutcome(requestId, accepted ? payment : undefined, gateway))
  if (!outcome?.case) return { kind: 'accepted', requestId }
  if (outcome.case === 'voided') throw voidedAs(outcome.value)
  requestAnswered(gateway.logger, { requestId, ms: gateway.now() - Number(outcome.value.acceptedAtMs) })
  const waitMs = Math.min(waitSettledMs ?? 0, gateway.settleWaitMaxMs)
  const until = gateway.now() + waitMs
  const claim = await settled(requestId, payment.paymentId, waitMs, gateway)
  if (waitMs > 0) await proven(outcome.value, until - gateway.now(), gateway)
  return { kind: 'answered', completed: outcome.value, settlement: claim && settlementOf(claim, gateway), preferenceApplied: waitSettledMs !== undefined }
}

/** An answer that comes this soon leaves no trace of having been waited for. Well below the lease of a reservation. */
const quickMs = 250

const outcomeWithin = (timeoutMs: number, requestId: Hex.Hex, { waiters, outcomes }: Gateway): Promise<RequestOutcome['outcome'] | undefined> =>
  waiters.until(requestId, () => outcomes.read(requestId), { timeoutMs, everyMs: 1_000 })

/** The request is durable, as whoever published it knows, and its answer takes a while: from now on nobody takes its claim for abandoned. */
async function slowOutcome(requestId: Hex.Hex, payment: Paid | undefined, gateway: Gateway): Promise<RequestOutcome['outcome'] | undefined> {
  if (payment?.flow === 'authorization') await gateway.claims.transition(payment, 'accepted')
  return outcomeWithin(gateway.answerWaitMs - quickMs, requestId, gateway)
}

/** The claim once its payment is settled, or nothing when that takes longer than the caller will wait. */
async function settled(requestId: Hex.Hex, paymentId: Hex.Hex, waitMs: number, { claims, waiters }: Gateway): Promise<Claim | undefined> {
  const look = async (): Promise<Claim | undefined> => {
    const claim = await claims.byPayment(paymentId)
    return claim && (claim.transaction !== undefined || Lifecycle.isFinal(claim.state)) ? claim : undefined
  }
  return waitMs > 0 ? waiters.until(requestId, look, { timeoutMs: waitMs, everyMs: 500 }) : undefined
}

/** Holds an answer until the proof it promises is there, or the caller has waited long enough. */
async function proven(completed: InferenceCompleted, waitMs: number, { outcomes, scope, waiters }: Gateway): Promise<void> {
  const { receipt } = Wire.toSignedReceipt(completed.receipt)
  if (!promisesProof(receipt) || waitMs <= 0) return
  const receiptHash = Receipt.hash(receipt, scope)
  await waiters.until(receipt.requestId, () => readProof(outcomes.blobs, receiptHash), { timeoutMs: waitMs, everyMs: 500 })
}

/** `PAYMENT-RESPONSE` of a claim whose payment was collected; nothing for one that was not. */
export function settlementOf(claim: Claim, { terms }: Pick<Gateway, 'terms'>): SettleResponse | undefined {
  if (!claim.transaction) return undefined
  return { success: true, payer: claim.payer, transaction: claim.transaction, network: terms.network as SettleResponse['network'], amount: claim.amount.toString() }
}

/** A request the node could not serve, as its caller sees it. */
function voidedAs(voided: InferenceVoided): Refusal {
  const invalid = voided.code.startsWith('tensor.') || voided.code.startsWith('body.') || voided.code === 'price.mismatch' || voided.code === 'model.failed'
  return new Refusal(invalid ? 'invalid' : 'gone', voided.code, `${voided.detail}; this payment is spent for this request, sign a new one to try again`)
}

/** The receipt of a completed request, and under which domain it was signed. */
export function receiptOf(completed: InferenceCompleted, scope: Receipt.Scope): { signed: Receipt.Signed; domain: Eip712.Domain; simulated: boolean } {
  const signed = Wire.toSignedReceipt(completed.receipt)
  return { signed, domain: Receipt.domain(scope, signed.receipt.keyKind), simulated: signed.receipt.keyKind === Receipt.keyKinds.simulated }
}
