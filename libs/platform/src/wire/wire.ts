import { create } from '@bufbuild/protobuf'
import { AppError, Hex, Money, type EvidenceVerdict, type Offer, type Payment, type Receipt } from '@haca/core'
import {
  OfferSchema,
  PaymentFlow,
  PaymentSchema,
  ReceiptSchema,
  SignedReceiptSchema,
  Verdict,
  type EvidenceProduced,
  type Offer as OfferMessage,
  type Payment as PaymentMessage,
  type SignedReceipt as SignedReceiptMessage,
} from '@haca/proto'

// Domain objects to messages and back. A message that is not one of ours throws `message.malformed` naming the field.

export const payment = (p: Payment.Payment): PaymentMessage =>
  create(PaymentSchema, {
    paymentId: Hex.toBytes(p.paymentId, 32),
    scheme: p.scheme,
    chainId: BigInt(p.chainId),
    token: Hex.toBytes(p.token, 20),
    payer: Hex.toBytes(p.payer, 20),
    payTo: Hex.toBytes(p.payTo, 20),
    amount: p.amount.toString(),
    validAfter: BigInt(p.validAfter),
    validBefore: BigInt(p.validBefore),
    nonce: Hex.toBytes(p.nonce, 32),
    signature: Hex.toBytes(p.signature),
    flow: p.flow === 'upfront' ? PaymentFlow.UPFRONT : PaymentFlow.AUTHORIZATION,
  })

export function toPayment(message: PaymentMessage | undefined): Payment.Payment {
  if (!message) throw malformed('payment')
  if (message.scheme !== 'exact') throw malformed('payment.scheme')
  if (message.flow !== PaymentFlow.AUTHORIZATION && message.flow !== PaymentFlow.UPFRONT) throw malformed('payment.flow')
  return {
    paymentId: hex(message.paymentId, 32, 'payment.payment_id'),
    scheme: 'exact',
    chainId: count(message.chainId, 'payment.chain_id'),
    token: address(message.token, 'payment.token'),
    payer: address(message.payer, 'payment.payer'),
    payTo: address(message.payTo, 'payment.pay_to'),
    amount: amount(message.amount, 'payment.amount'),
    validAfter: count(message.validAfter, 'payment.valid_after'),
    validBefore: count(message.validBefore, 'payment.valid_before'),
    nonce: hex(message.nonce, 32, 'payment.nonce'),
    signature: hex(message.signature, 65, 'payment.signature'),
    flow: message.flow === PaymentFlow.UPFRONT ? 'upfront' : 'authorization',
  }
}

export const offer = ({ offer: o, signature }: Offer.Signed): OfferMessage =>
  create(OfferSchema, {
    modelHash: Hex.toBytes(o.modelHash, 32),
    mode: o.mode,
    token: Hex.toBytes(o.token, 20),
    payTo: Hex.toBytes(o.payTo, 20),
    unitPrice: o.unitPrice.toString(),
    ceiling: o.ceiling.toString(),
    deadlineSeconds: o.deadlineSeconds,
    validUntil: BigInt(o.validUntil),
    policyEpoch: BigInt(o.policyEpoch),
    decisionHash: Hex.toBytes(o.decisionHash, 32),
    signature: Hex.toBytes(signature, 65),
  })

export function toOffer(message: OfferMessage | undefined): Offer.Signed {
  if (!message) throw malformed('offer')
  return {
    offer: {
      modelHash: hex(message.modelHash, 32, 'offer.model_hash'),
      mode: message.mode,
      token: address(message.token, 'offer.token'),
      payTo: address(message.payTo, 'offer.pay_to'),
      unitPrice: amount(message.unitPrice, 'offer.unit_price'),
      ceiling: amount(message.ceiling, 'offer.ceiling'),
      deadlineSeconds: message.deadlineSeconds,
      validUntil: count(message.validUntil, 'offer.valid_until'),
      policyEpoch: count(message.policyEpoch, 'offer.policy_epoch'),
      decisionHash: hex(message.decisionHash, 32, 'offer.decision_hash'),
    },
    signature: hex(message.signature, 65, 'offer.signature'),
  }
}

export const signedReceipt = ({ receipt: r, signature }: Receipt.Signed): SignedReceiptMessage =>
  create(SignedReceiptSchema, {
    receipt: create(ReceiptSchema, {
      requestId: Hex.toBytes(r.requestId, 32),
      offerHash: Hex.toBytes(r.offerHash, 32),
      modelHash: Hex.toBytes(r.modelHash, 32),
      requestHash: Hex.toBytes(r.requestHash, 32),
      outputHash: Hex.toBytes(r.outputHash, 32),
      evidenceId: Hex.toBytes(r.evidenceId, 32),
      statementHash: Hex.toBytes(r.statementHash, 32),
      paymentId: Hex.toBytes(r.paymentId, 32),
      node: Hex.toBytes(r.node, 20),
      payer: Hex.toBytes(r.payer, 20),
      token: Hex.toBytes(r.token, 20),
      price: r.price.toString(),
      policyEpoch: BigInt(r.policyEpoch),
      issuedAt: BigInt(r.issuedAt),
      settleBy: BigInt(r.settleBy),
      seq: BigInt(r.seq),
      mode: r.mode,
      keyKind: r.keyKind,
    }),
    signature: Hex.toBytes(signature, 65),
  })

export function toSignedReceipt(message: SignedReceiptMessage | undefined): Receipt.Signed {
  const r = message?.receipt
  if (!message || !r) throw malformed('receipt')
  if (r.mode > 255) throw malformed('receipt.mode')
  if (r.keyKind > 255) throw malformed('receipt.key_kind')
  return {
    receipt: {
      requestId: hex(r.requestId, 32, 'receipt.request_id'),
      offerHash: hex(r.offerHash, 32, 'receipt.offer_hash'),
      modelHash: hex(r.modelHash, 32, 'receipt.model_hash'),
      requestHash: hex(r.requestHash, 32, 'receipt.request_hash'),
      outputHash: hex(r.outputHash, 32, 'receipt.output_hash'),
      evidenceId: hex(r.evidenceId, 32, 'receipt.evidence_id'),
      statementHash: hex(r.statementHash, 32, 'receipt.statement_hash'),
      paymentId: hex(r.paymentId, 32, 'receipt.payment_id'),
      node: address(r.node, 'receipt.node'),
      payer: address(r.payer, 'receipt.payer'),
      token: address(r.token, 'receipt.token'),
      price: amount(r.price, 'receipt.price'),
      policyEpoch: count(r.policyEpoch, 'receipt.policy_epoch'),
      issuedAt: count(r.issuedAt, 'receipt.issued_at'),
      settleBy: count(r.settleBy, 'receipt.settle_by'),
      seq: count(r.seq, 'receipt.seq'),
      mode: r.mode,
      keyKind: r.keyKind,
    },
    signature: hex(message.signature, 65, 'receipt.signature'),
  }
}

/** The verdict an evidence message speaks; its signature is the caller's to check. */
export function toVerdict(message: EvidenceProduced): EvidenceVerdict.EvidenceVerdict {
  if (message.verdict !== Verdict.AFFIRMING && message.verdict !== Verdict.CONTRAINDICATED) throw malformed('verdict')
  return {
    requestId: hex(message.requestId, 32, 'request_id'),
    receiptHash: hex(message.receiptHash, 32, 'receipt_hash'),
    affirming: message.verdict === Verdict.AFFIRMING,
    evidenceId: hex(message.evidenceId, 32, 'evidence_id'),
    kind: message.kind,
    rules: message.rules.map(({ rule, ok, detail }) => ({ rule, ok, detail })),
  }
}

/** Hexadecimal of a bytes field of exactly `width` bytes. */
export function hex(bytes: Uint8Array, width: number, field: string): Hex.Hex {
  if (bytes.length !== width) throw malformed(field)
  return Hex.fromBytes(bytes)
}

/** Checksummed address of a bytes field. */
export function address(bytes: Uint8Array, field: string): Hex.Hex {
  if (bytes.length !== 20) throw malformed(field)
  return Hex.checksum(Hex.fromBytes(bytes))
}

/** Bytes of an optional 32-byte field, zero when absent. */
export const hexOrZero = (bytes: Uint8Array, field: string): Hex.Hex => (bytes.length === 0 ? Hex.zero32 : hex(bytes, 32, field))

export function count(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(field)
  return Number(value)
}

export function amount(text: string, field: string): bigint {
  try {
    return Money.parse(text)
  } catch (cause) {
    throw malformed(field, cause)
  }
}

export const malformed = (field: string, cause?: unknown): AppError => new AppError('message.malformed', { detail: `message field ${field} is missing or malformed`, cause })
