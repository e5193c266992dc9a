import type { PaymentPayload } from '@x402/core/types'
import { Digest, Exact, Hex, Identifier, Money, Offer, Payment, type Secp256k1 } from '@haca/core'
import type { Read } from './ask.js'
import { requirements, type Terms } from './offer-terms.js'
import type { Claim, Claims, ExposureLimits, Payers } from './ports.js'
import { Refusal } from './refusal.js'

/** A payment that was verified against its offer and this request. */
export interface Verified {
  payment: Payment.Payment
  offer: Offer.Signed
  requestId: Hex.Hex
  /** keccak256 of the payment-identifier, zero when there is none. */
  identifier: Hex.Hex
  fingerprint: Hex.Hex
}

/** Why a payment was not taken: an x402 reason, and by which flows it could still be made. */
export interface NotTaken {
  reason: string
  flows: readonly Payment.Flow[]
  /** Set when nothing but time speaks against it, its own or the model's: an earlier use of the same payment may have an answer. */
  late?: Verified
}

export interface Verifier {
  terms: Omit<Terms, 'offerKey'>
  offerSigners: readonly Hex.Hex[]
  remainingSeconds: number
  primitives: Secp256k1.Primitives
  /** Unix milliseconds. */
  now(): number
}

/** What is held against a payment of a request that was read. */
export type Paid = Pick<Read, 'ask' | 'units'> & { model: Pick<Read['model'], 'modelHash'> }

const either: readonly Payment.Flow[] = ['authorization']

/**
 * Verifies a payment in process, without asking anybody: our own offer, that it covers this body, then the payer's signature.
 * Throws a Refusal for what is malformed.
 */
export function verifyPayment(payload: PaymentPayload, request: Paid, verifier: Verifier): { ok: true; verified: Verified } | ({ ok: false } & NotTaken) {
  const no = (reason: string): { ok: false } & NotTaken => ({ ok: false, reason, flows: either })
  const identifier = Identifier.read(payload)
  if (!identifier.ok) throw malformed(identifier)
  const offer = Offer.fromJson(payload.accepted.extra?.offer)
  if (!offer.ok) return no(noMatch)
  if (!isOurs(offer.value, verifier)) return no(noMatch)
  const flow: Payment.Flow = payload.accepted.extra?.paymentFlow === 'upfront' ? 'upfront' : 'authorization'
  const wanted = requirements(offer.value, flow, verifier.terms)
  if (!sameTerms(payload, wanted)) return no(noMatch)
  const now = Math.floor(verifier.now() / 1000)
  const verdict = Exact.verify(payload, { requirements: wanted, now, minRemainingSeconds: verifier.remainingSeconds }, verifier.primitives)
  const covered = covers(offer.value.offer, request)
  if (!covered && !verdict.ok && verdict.reason !== tooLate) return no(noMatch)
  if (!verdict.ok && verdict.reason === 'malformed') throw malformed(verdict)
  const authorization = verdict.ok ? verdict : Exact.parse(payload)
  if (!authorization.ok) throw malformed(authorization)
  const place = { token: verifier.terms.token.address, chainId: verifier.terms.token.chainId, flow }
  const verified = (): Verified => identify(Payment.from(authorization.value, place, verifier.primitives.keccak256), offer.value, Digest.identifierHash(identifier.value), request, verifier.primitives)
  // A model's name may mean another version by now; what was paid for the one before is answered, and not asked for again.
  if (!covered) return { ...no(noMatch), late: verified() }
  if (!verdict.ok) return verdict.reason === tooLate ? { ...no(tooLate), late: verified() } : no(verdict.reason)
  if (authorization.value.validBefore > now + wanted.maxTimeoutSeconds + clockSkewSeconds) return no(tooLate)
  if (offer.value.offer.validUntil < now) return { ...no('offer_expired'), late: verified() }
  return { ok: true, verified: verified() }
}

function isOurs(offer: Offer.Signed, { terms, offerSigners, primitives }: Verifier): boolean {
  if (terms.known.has(offer)) return true
  const by = Offer.signer(offer, terms.offerSeparator, primitives)
  if (!by || !offerSigners.some((signer) => Hex.equals(signer, by))) return false
  terms.known.add(offer)
  return true
}

/** Checked by the verifier after signature and recipient, so a payment with this reason is otherwise in order. */
const tooLate = 'invalid_exact_evm_payload_authorization_valid_before'

/**
 * How far a payer's clock may be ahead. A payment may not outlive what its offer asked for by more: its claim is rebuilt from a log that
 * is read back only so far, and one that never expires is never given up, so that it would hold its exposure and its receipt for ever.
 */
const clockSkewSeconds = 600

/** Ids of a verified payment and of the request it is for. */
function identify(payment: Payment.Payment, offer: Offer.Signed, identifier: Hex.Hex, { ask }: Paid, primitives: Secp256k1.Primitives): Verified {
  return {
    payment,
    offer,
    identifier,
    requestId: Digest.requestId(payment.paymentId, identifier, primitives.keccak256),
    fingerprint: Digest.fingerprint({ operation: ask.operation, body: ask.body, salt: ask.salt, identifier }, primitives.sha256),
  }
}

/** What a payment carries that no offer of ours has, in the words of the official server. */
const noMatch = 'No matching payment requirements'

/** The offer is for this model, and its price is this body's price: not less, or we are underpaid; not more, or the payer is overcharged. */
const covers = (offer: Offer.Offer, { model, units }: Paid): boolean =>
  offer.modelHash === model.modelHash && offer.unitPrice * BigInt(units) === offer.ceiling && offer.ceiling <= Money.max

/** Every term the payer accepted is the term we offered; what else its `extra` holds is its own business. */
function sameTerms({ accepted }: PaymentPayload, wanted: ReturnType<typeof requirements>): boolean {
  return (
    accepted.amount === wanted.amount &&
    Hex.equals(accepted.asset, wanted.asset) &&
    Hex.equals(accepted.payTo, wanted.payTo) &&
    accepted.maxTimeoutSeconds === wanted.maxTimeoutSeconds
  )
}

const malformed = ({ detail, field }: { detail?: string; field?: string }): Refusal => new Refusal('invalid', 'payment.malformed', detail ?? 'the payment is malformed', field)

/** What became of an attempt to reserve. */
export type Admission =
  | { outcome: 'reserved' }
  /** The same request was here before: its answer is there, or on its way. */
  | { outcome: 'existing'; claim: Claim }
  | ({ outcome: 'not-taken' } & NotTaken)

const chargeable: Readonly<Record<string, NotTaken>> = {
  'insufficient-balance': { reason: 'invalid_exact_evm_insufficient_balance', flows: ['authorization'] },
  // A wallet with code is asked on chain whether it signed (ERC-1271), which no hot path can do; its signature is not one here.
  'contract-payer': { reason: 'invalid_exact_evm_signature', flows: ['authorization'] },
  debtor: { reason: 'upfront_payment_required', flows: ['upfront'] },
  'payer-cap': { reason: 'upfront_payment_required', flows: ['upfront'] },
  'total-cap': { reason: 'upfront_payment_required', flows: ['upfront'] },
}

/** Claims the payment for this request, atomically and before any work. Throws a Refusal when it belongs to another request, or claims are away. */
export async function reserve(
  { payment, requestId, fingerprint }: Verified,
  world: { claims: Claims; payers: Payers; limits: ExposureLimits; now(): number; rebuild(): void },
): Promise<Admission> {
  const claim: Omit<Claim, 'state'> = {
    paymentId: payment.paymentId,
    requestId,
    fingerprint,
    payer: payment.payer,
    amount: payment.amount,
    flow: payment.flow,
    validBefore: payment.validBefore,
    acceptedAtMs: world.now(),
  }
  for (let attempt = 0; attempt < 3; attempt++) {
    const answer = await world.claims.reserve(claim, world.limits, world.now())
    switch (answer.outcome) {
      case 'reserved':
      case 'existing':
        return answer
      case 'conflict':
        throw new Refusal('conflict', 'payment.replayed', 'this payment was already used for another request; sign a new one')
      case 'exposed':
        return { outcome: 'not-taken', ...(chargeable[answer.reason] as NotTaken) }
      case 'stale-payer':
        await world.claims.setPayer(payment.payer, () => world.payers.read(payment.payer), world.now())
        break
      case 'not-ready':
        throw claimsRebuilding(world)
    }
  }
  throw new Refusal('unavailable', 'payer.unreadable', 'the balance of this payer cannot be read now; nothing was charged, send the same payment again', undefined, 1)
}

/** Has lost claims rebuilt, and says so. */
export function claimsRebuilding({ rebuild }: { rebuild(): void }): Refusal {
  rebuild()
  return new Refusal('unavailable', 'claims.rebuilding', 'payment claims are being rebuilt; send the same payment again, it is not charged twice', undefined, 1)
}
