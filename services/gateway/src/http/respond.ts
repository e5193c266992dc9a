import { Hex, PaymentHeader, Receipt } from '@haca/core'
import type { InferenceCompleted } from '@haca/proto'
import type { FastifyReply } from 'fastify'
import { modeName } from '../ask.js'
import { receiptOf, type Answer } from '../infer.js'
import { decisionJson } from '../offer-terms.js'

/** Writes what `infer` gave as an HTTP answer. */
export function respond(reply: FastifyReply, answer: Answer, scope: Receipt.Scope): FastifyReply {
  if (answer.kind === 'payment-required') return demand(reply, answer)
  if (answer.kind === 'accepted') return pending(reply, answer.requestId)
  return deliver(reply, answer, scope)
}

/** 402: the object clients read is in the header; the body tells a person the same, with the decision behind the price. */
function demand(reply: FastifyReply, { required, priced }: Extract<Answer, { kind: 'payment-required' }>): FastifyReply {
  const [first] = required.accepts
  const problem = {
    type: 'urn:haca:problem:payment.required',
    title: 'Payment required',
    status: 402,
    code: 'payment.required',
    detail: required.error ? `the payment was not taken: ${required.error}` : `pay ${first?.amount} atomic units of ${first?.asset} on ${first?.network} with an x402 v2 client`,
    ...(required.error ? { reason: required.error } : {}),
    model: `${priced.model.name}@${priced.model.version}`,
    verification: modeName(priced.decision.mode),
    decision: decisionJson(priced),
  }
  return reply.status(402).headers({ [PaymentHeader.names.required]: PaymentHeader.encode(required), 'cache-control': 'no-store', 'content-type': 'application/problem+json' }).send(JSON.stringify(problem))
}

/** 202: durable, and not answered in time. */
function pending(reply: FastifyReply, requestId: Hex.Hex): FastifyReply {
  const status = `/v1/requests/${requestId}`
  return reply
    .status(202)
    .headers({ 'cache-control': 'no-store', location: status, 'haca-request-id': requestId, 'retry-after': '1' })
    .send({ requestId, status, detail: 'accepted and not answered yet; send the same request with the same payment again to get the answer' })
}

/** 200: the node's bytes, verbatim, with the receipt beside them. */
function deliver(reply: FastifyReply, { completed, settlement, preferenceApplied }: Extract<Answer, { kind: 'answered' }>, scope: Receipt.Scope): FastifyReply {
  const { signed, domain, simulated } = receiptOf(completed, scope)
  const requestId = signed.receipt.requestId
  const receipt = { domain: domain.name, receipt: Receipt.toJson(signed.receipt), signature: signed.signature }
  return reply
    .status(200)
    .headers({
      'content-type': 'application/json',
      'cache-control': 'private, no-store',
      'haca-request-id': requestId,
      'haca-receipt': Buffer.from(JSON.stringify(receipt)).toString('base64url'),
      'haca-salt': Hex.fromBytes(completed.salt),
      'server-timing': hops(completed),
      link: `</v1/requests/${requestId}>; rel="status", </v1/receipts/${requestId}>; rel="receipt"`,
      ...(simulated ? { 'x-tee': 'SIMULATED' } : {}),
      ...(settlement ? { [PaymentHeader.names.response]: PaymentHeader.encode(settlement) } : {}),
      ...(preferenceApplied ? { 'preference-applied': 'wait' } : {}),
    })
    .send(Buffer.from(completed.answer))
}

/** Milliseconds of each hop: in Kafka before a node took it, at the node until durable. */
function hops({ acceptedAtMs, startedAtMs, completedAtMs }: InferenceCompleted): string {
  const between = (from: bigint, to: bigint): string => Math.max(0, Number(to - from)).toString()
  return `queue;dur=${between(acceptedAtMs, startedAtMs)}, node;dur=${between(startedAtMs, completedAtMs)}`
}
