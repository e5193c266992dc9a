import type { PaymentRequired } from '@x402/core/types'
import { create, toBinary } from '@bufbuild/protobuf'
import { Hex, PaymentHeader, type Receipt } from '@haca/core'
import {
  BodyEncoding,
  GetReceiptResponseSchema,
  GetRequestResponseSchema,
  InferRequestSchema,
  InferResponseSchema,
  QuoteResponseSchema,
  WatchRequestResponseSchema,
  type InferenceService,
} from '@haca/proto'
import { GrpcFailure, Metadata, errorDetails, status, wireBytes, type Call, type Handlers, type Streams } from '@haca/platform/grpc'
import { Wire } from '@haca/platform/wire'
import { modeName, price, read, type Ask } from '../ask.js'
import { getReceipt, type ReceiptReader } from '../get-receipt.js'
import { getRequest, type RequestStatus } from '../get-request.js'
import { infer, receiptOf, type Answer, type Gateway } from '../infer.js'
import { paymentRequired } from '../offer-terms.js'
import { requireEpoch } from '../policy-epoch.js'
import { Refusal, type Kind } from '../refusal.js'
import { watchRequest, type Watching } from '../watch-request.js'

// x402 over gRPC: the payment is request metadata, what must be paid and what was settled are trailers. An unpaid call is
// FAILED_PRECONDITION, which nobody's retry policy repeats.

const keys = { signature: 'payment-signature-bin', signatureText: 'payment-signature', required: 'payment-required-bin', response: 'payment-response-bin', wait: 'prefer' } as const

const statuses: Record<Kind, status> = {
  invalid: status.INVALID_ARGUMENT,
  unknown: status.NOT_FOUND,
  conflict: status.ALREADY_EXISTS,
  gone: status.ABORTED,
  'too-large': status.INVALID_ARGUMENT,
  unavailable: status.UNAVAILABLE,
}

/** The operations; streams of answers are UNIMPLEMENTED until metered payments exist. */
export function inferenceService(gateway: Gateway, reader: ReceiptReader, authority: string): Handlers<typeof InferenceService> {
  const resourceUrl = `grpc://${authority}/haca.v1.InferenceService/Infer`
  const ask = (body: Uint8Array, salt: Uint8Array): Ask => ({ operation: 'infer', encoding: BodyEncoding.PROTOBUF, body, salt, resourceUrl })
  return {
    quote: (message) =>
      onGrpc(async () => {
        const request = message.request ?? create(InferRequestSchema)
        const priced = await price(await read(ask(toBinary(InferRequestSchema, request), request.salt), gateway.models), gateway.router)
        requireEpoch(priced.decision.policyEpoch, gateway.policy)
        return create(QuoteResponseSchema, {
          paymentRequired: json(withoutExtensions(paymentRequired(priced, ['authorization'], gateway.terms))),
          model: `${priced.model.name}@${priced.model.version}`,
          verification: modeName(priced.decision.mode),
          amount: priced.ceiling.toString(),
          predictedLatencyMs: priced.predictedLatencyMs,
        })
      }),
    infer: (message, call) =>
      onGrpc(async () => {
        const answer = await infer(ask(wireBytes(message), message.salt), paymentOf(call), waitMs(call), gateway)
        return answerOf(answer, call, gateway.scope)
      }),
    getRequest: (message) => onGrpc(async () => statusMessage(await getRequest(requestId(message.requestId), reader))),
    getReceipt: (message) => onGrpc(async () => create(GetReceiptResponseSchema, { bundle: json(await getReceipt(requestId(message.requestId), reader)) })),
  }
}

/** What becomes of a request, told as it happens. */
export const inferenceStreams = (watching: Watching): Streams<typeof InferenceService> => ({
  watchRequest: (message, call) =>
    eachOnGrpc(async function* () {
      for await (const status of watchRequest(requestId(message.requestId), watching, call.signal)) yield create(WatchRequestResponseSchema, { status: statusMessage(status) })
    }),
})

function answerOf(answer: Answer, call: Call, scope: Receipt.Scope) {
  if (answer.kind === 'payment-required') throw unpaid(answer.required)
  if (answer.kind === 'accepted') return create(InferResponseSchema, { requestId: Hex.toBytes(answer.requestId), completed: false })
  const { signed, domain, simulated } = receiptOf(answer.completed, scope)
  if (answer.settlement) call.trailers.set(keys.response, Buffer.from(json(answer.settlement)))
  if (simulated) call.trailers.set('x-tee', 'SIMULATED')
  return create(InferResponseSchema, {
    requestId: answer.completed.requestId,
    answer: answer.completed.answer,
    receipt: Wire.signedReceipt(signed),
    salt: answer.completed.salt,
    receiptDomain: domain.name,
    completed: true,
  })
}

function unpaid(required: PaymentRequired): GrpcFailure {
  const trailers = new Metadata()
  trailers.set(keys.required, Buffer.from(json(withoutExtensions(required))))
  const reason = 'X402_PAYMENT_REQUIRED'
  const message = required.error ? `payment not taken: ${required.error}` : 'payment required'
  trailers.set('grpc-status-details-bin', errorDetails({ code: status.FAILED_PRECONDITION, message, reason, domain: 'x402.org' }))
  return new GrpcFailure(status.FAILED_PRECONDITION, message, trailers)
}

/** Trailers must stay small (8 KiB of metadata is all some peers take); the standard offer repeats what `accepts` says. */
const withoutExtensions = ({ extensions: _extensions, ...required }: PaymentRequired): PaymentRequired => required

function paymentOf(call: Call) {
  const [binary] = call.metadata.get(keys.signature)
  const [text] = call.metadata.get(keys.signatureText)
  if (binary === undefined && text === undefined) return undefined
  const decoded = binary === undefined ? PaymentHeader.decodePayment(String(text)) : PaymentHeader.parsePayment(binary.toString())
  if (decoded.ok) return decoded.value
  throw new Refusal('invalid', 'payment.malformed', decoded.detail ?? 'the payment is malformed', keys.signature)
}

/** `prefer: wait=n` in metadata, as over HTTP. */
function waitMs(call: Call): number | undefined {
  const match = /^wait=(\d{1,6})$/.exec(String(call.metadata.get(keys.wait)[0] ?? ''))
  return match ? Number(match[1]) * 1000 : undefined
}

function requestId(bytes: Uint8Array): Hex.Hex {
  if (bytes.length !== 32) throw new Refusal('invalid', 'request.malformed-id', 'a request id is 32 bytes', 'request_id')
  return Hex.fromBytes(bytes)
}

const statusMessage = (found: RequestStatus) =>
  create(GetRequestResponseSchema, {
    requestId: Hex.toBytes(found.requestId),
    state: found.state,
    code: found.code ?? '',
    detail: found.detail ?? '',
    paymentTransaction: found.payment ? Hex.toBytes(found.payment.transaction) : new Uint8Array(0),
    batchId: BigInt(found.batchId ?? 0),
    proof: found.proof ?? '',
  })

async function onGrpc<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw failureOf(error)
  }
}

async function* eachOnGrpc<T>(work: () => AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* work()
  } catch (error) {
    throw failureOf(error)
  }
}

/** A refusal as a status with its code and field; anything else as it is. */
function failureOf(error: unknown): unknown {
  if (!(error instanceof Refusal)) return error
  const trailers = new Metadata()
  trailers.set('haca-code', error.code)
  if (error.field) trailers.set('haca-field', error.field)
  trailers.set('grpc-status-details-bin', errorDetails({ code: statuses[error.kind], message: error.detail, reason: error.code, domain: 'haca' }))
  return new GrpcFailure(statuses[error.kind], error.field ? `${error.field}: ${error.detail}` : error.detail, trailers)
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
