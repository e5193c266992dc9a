import { AppError, Digest, Hex, Offer, Payment, Receipt, type Secp256k1 } from '@haca/core'
import type { InferenceCompleted, InferenceRequested, InferenceVoided } from '@haca/proto'
import { registryLagSeconds, type KeyRegistry } from '@haca/platform/chain'
import { Wire } from '@haca/platform/wire'

/** What the settler was configured with; the only things it believes unproven. */
export interface Trust {
  rules: Payment.Rules
  scope: Receipt.Scope
  tokenSeparator: Uint8Array
  offerSeparator: Uint8Array
  offerSigners: readonly Hex.Hex[]
  evidenceSigners: readonly Hex.Hex[]
  keys: Pick<KeyRegistry, 'validity'>
  primitives: Secp256k1.Primitives
}

/** A completed request whose every claim about money was proven from its own bytes. */
export interface Completion {
  requestId: Hex.Hex
  payment: Payment.Payment
  signed: Receipt.Signed
  receiptHash: Hex.Hex
}

/**
 * Verifies again everything a completion says: the payer's authorisation, the gateway's offer, the node's signature and
 * registration, and that they speak of the same request at a price within what was authorised. Throws `completion.forged`,
 * not retryable, for what nobody honest can have published; a retryable error when the chain cannot be asked.
 */
export async function verifyCompletion(message: InferenceCompleted, trust: Trust): Promise<Completion> {
  const payment = Wire.toPayment(message.payment)
  const signed = Wire.toSignedReceipt(message.receipt)
  const { receipt } = signed
  const requestId = Wire.hex(message.requestId, 32, 'request_id')
  paymentHolds(payment, trust)
  const offer = Wire.toOffer(message.offer)
  const offerHash = offerHolds(offer, trust)
  const expected = Digest.requestId(payment.paymentId, Wire.hexOrZero(message.paymentIdentifier, 'payment_identifier'), trust.primitives.keccak256)
  const same: [boolean, string][] = [
    [requestId === expected && receipt.requestId === requestId, 'request id'],
    [receipt.paymentId === payment.paymentId, 'payment id'],
    [receipt.offerHash === offerHash, 'offer'],
    [receipt.modelHash === offer.offer.modelHash, 'model'],
    // Which appraisal counts goes by the receipt's epoch: an older one than was sold would undo a removal in it.
    [receipt.policyEpoch === offer.offer.policyEpoch, 'policy epoch'],
    [Hex.equals(receipt.payer, payment.payer), 'payer'],
    [Hex.equals(receipt.token, payment.token), 'token'],
    [receipt.price <= payment.amount && receipt.price <= offer.offer.ceiling, 'price within the authorisation and the offer'],
    // Modes ascend with their assurance: less than was bought is not paid for, and a proof that was bought is not forgotten.
    [receipt.mode !== Receipt.modes.none && receipt.mode >= offer.offer.mode, 'delivered mode'],
    [receipt.settleBy === receipt.issuedAt + Receipt.settleWithinSeconds, 'settle-by'],
  ]
  for (const [holds, what] of same) if (!holds) throw forged(`${what} does not agree`)
  await receiptHolds(signed, trust)
  return { requestId, payment, signed, receiptHash: Receipt.hash(receipt, trust.scope, trust.primitives.keccak256) }
}

/** The same for a request whose payment is to be collected before the work. */
export function verifyRequest(message: InferenceRequested, trust: Trust): { requestId: Hex.Hex; payment: Payment.Payment; offer: Offer.Offer } {
  const payment = Wire.toPayment(message.payment)
  const offer = Wire.toOffer(message.offer)
  const requestId = Wire.hex(message.requestId, 32, 'request_id')
  paymentHolds(payment, trust)
  offerHolds(offer, trust)
  if (requestId !== Digest.requestId(payment.paymentId, Wire.hexOrZero(message.paymentIdentifier, 'payment_identifier'), trust.primitives.keccak256)) throw forged('request id does not agree')
  if (payment.amount > offer.offer.ceiling) throw forged('the payment exceeds the offer')
  if (payment.flow !== 'upfront') throw forged('the payment is not for the upfront flow')
  return { requestId, payment, offer: offer.offer }
}

/** A receipt of a void: signed by a valid key for the request its payment was for, nothing delivered, nothing charged. */
export async function verifyVoid(message: InferenceVoided, trust: Trust): Promise<Completion> {
  const payment = Wire.toPayment(message.payment)
  const signed = Wire.toSignedReceipt(message.receipt)
  const { receipt } = signed
  paymentHolds(payment, trust)
  if (receipt.mode !== Receipt.modes.none || receipt.price !== 0n) throw forged('a void delivers nothing and costs nothing')
  if (receipt.paymentId !== payment.paymentId || !Hex.equals(receipt.payer, payment.payer) || !Hex.equals(receipt.token, payment.token)) throw forged('payment does not agree')
  // A receipt stands for its request for ever: a void of another one's would keep the genuine receipt out.
  const requestId = Digest.requestId(payment.paymentId, Wire.hexOrZero(message.paymentIdentifier, 'payment_identifier'), trust.primitives.keccak256)
  if (receipt.requestId !== requestId || Wire.hex(message.requestId, 32, 'request_id') !== requestId) throw forged('request id does not agree')
  if (receipt.settleBy !== receipt.issuedAt + Receipt.settleWithinSeconds) throw forged('settle-by does not agree')
  await receiptHolds(signed, trust)
  return { requestId, payment, signed, receiptHash: Receipt.hash(receipt, trust.scope, trust.primitives.keccak256) }
}

function paymentHolds(payment: Payment.Payment, trust: Trust): void {
  const verdict = Payment.verify(payment, trust.rules, trust.tokenSeparator, trust.primitives)
  if (!verdict.ok) throw forged(verdict.reason)
}

function offerHolds(offer: Offer.Signed, trust: Trust): Hex.Hex {
  const by = Offer.signer(offer, trust.offerSeparator, trust.primitives)
  if (!by || !trust.offerSigners.some((known) => Hex.equals(known, by))) throw forged('the offer is not ours')
  return Hex.fromBytes(Offer.hash(offer.offer, trust.offerSeparator, trust.primitives.keccak256))
}

async function receiptHolds(signed: Receipt.Signed, trust: Trust): Promise<void> {
  if (!Receipt.isSigned(signed, trust.scope, trust.primitives)) throw forged('the receipt is not signed by its node')
  const { node, keyKind, issuedAt } = signed.receipt
  const validity = await trust.keys.validity(node, keyKind, issuedAt).catch((cause: unknown) => {
    throw new AppError('registry.unreachable', { retryable: true, cause })
  })
  // A node signs as soon as it sees its registration; a reader that does not see it yet is behind, and must not judge for a moment.
  if (validity === 'unknown' && Date.now() / 1000 - issuedAt < registryLagSeconds) throw new AppError('registry.behind', { retryable: true })
  if (validity !== 'valid') throw forged(`the node's key was ${validity} when it signed`)
}

const forged = (detail: string): AppError => new AppError('completion.forged', { detail })
