import { create } from '@bufbuild/protobuf'
import { AppError, Digest, Errors, Hex, Offer, OpenGradient, Payment, Receipt, Tensor, type Body, type Secp256k1 } from '@haca/core'
import { BodyEncoding, InferenceCompletedSchema, InferenceVoidedSchema, type InferenceCompleted, type InferenceRequested, type InferenceVoided } from '@haca/proto'
import { Outcome, type Blobs } from '@haca/platform/blobs'
import { Wire, dialectOf, readBody, renderAnswer } from '@haca/platform/wire'
import { randomBytes } from 'node:crypto'
import type { LocalModel } from './models.js'
import type { ReceiptSigner, Runner } from './ports.js'
import { stateAnswer, type Stated, type Stating } from './state-answer.js'

/** What a node needs to serve requests. */
export interface Node {
  blobs: Blobs
  runner: Runner
  stating: Stating
  signer: ReceiptSigner
  /** Signs answers in OpenGradient's dialect beside the receipt. */
  openGradient: OpenGradient.Signing
  models: ReadonlyMap<Hex.Hex, LocalModel>
  rules: Payment.Rules
  tokenSeparator: Uint8Array
  offerSeparator: Uint8Array
  offerSigners: readonly Hex.Hex[]
  primitives: Secp256k1.Primitives
  settleMarginSeconds: number
  /** Unix milliseconds. */
  now(): number
}

type Result = { case: 'completed'; value: InferenceCompleted } | { case: 'voided'; value: InferenceVoided }

/**
 * Serves one accepted request: once, for ever. The stored outcome is the truth; a redelivery gives it back and neither
 * runs nor signs again. Throws a non-retryable AppError for a request nobody can have made, which buries it with an alarm.
 */
export async function serveRequest(message: InferenceRequested, node: Node): Promise<Result> {
  const startedAtMs = node.now()
  const request = authenticate(message, node)
  const stored = await Outcome.read(node.blobs, request.requestId)
  if (stored?.case) return stored
  const late = lateness(request, startedAtMs, node.settleMarginSeconds)
  if (!node.signer.usable()) throw new AppError('key.unusable', { retryable: true, detail: 'the receipt key may not sign now; a successor is on its way' })
  if (late) return settle(voided(request, late, node), request, node)
  const work = prepare(request, node)
  if ('code' in work) return settle(voided(request, work, node), request, node)
  const outputs = promisesProof(request.offer) ? await stateAnswer({ ...work, encoding: message.encoding, requestId: request.requestId }, node.stating) : await runOrVoid(work, node)
  if ('code' in outputs) return settle(voided(request, outputs, node), request, node)
  // It may have waited for the engine: an answer that nobody can be charged for any more, or that was owed before, is none.
  const overdue = lateness(request, node.now(), node.settleMarginSeconds)
  if (overdue) return settle(voided(request, overdue, node), request, node)
  return settle(completed(request, work, outputs, { node, startedAtMs }), request, node)
}

interface Request {
  message: InferenceRequested
  requestId: Hex.Hex
  payment: Payment.Payment
  offer: Offer.Signed
  offerHash: Hex.Hex
}

/** Why a request is not answered: a stable code and a sentence for the caller, to which is added what becomes of the payment. */
interface Reason {
  code: string
  detail: string
}

/** Believes of a message what its own bytes prove: the payer's signature, the gateway's offer, the id that follows from them. */
function authenticate(message: InferenceRequested, node: Node): Request {
  const payment = Wire.toPayment(message.payment)
  const offer = Wire.toOffer(message.offer)
  const requestId = Wire.hex(message.requestId, 32, 'request_id')
  const verdict = Payment.verify(payment, node.rules, node.tokenSeparator, node.primitives)
  if (!verdict.ok) throw forged(verdict.reason)
  if (Digest.requestId(payment.paymentId, Wire.hexOrZero(message.paymentIdentifier, 'payment_identifier'), node.primitives.keccak256) !== requestId) throw forged('request.wrong-id')
  const by = Offer.signer(offer, node.offerSeparator, node.primitives)
  if (!by || !node.offerSigners.some((known) => Hex.equals(known, by))) throw forged('offer.wrong-signature')
  return { message, requestId, payment, offer, offerHash: Hex.fromBytes(Offer.hash(offer.offer, node.offerSeparator, node.primitives.keccak256)) }
}

function lateness({ message, payment, offer }: Request, nowMs: number, marginSeconds: number): Reason | undefined {
  if (payment.flow === 'authorization' && nowMs / 1000 > payment.validBefore - marginSeconds) {
    return { code: 'payment.expired', detail: 'the payment would have expired before it could be settled' }
  }
  if (payment.flow === 'authorization' && nowMs > Number(message.acceptedAtMs) + offer.offer.deadlineSeconds * 1000) {
    return { code: 'deadline.missed', detail: `no node was free within ${offer.offer.deadlineSeconds} seconds` }
  }
  return undefined
}

interface Work {
  model: LocalModel
  body: Body.Body
  inputs: Tensor.Tensor[]
  units: number
}

/** Reads the caller's bytes and holds them against model and price. */
function prepare({ message, offer, payment }: Request, node: Node): Work | Reason {
  const model = node.models.get(offer.offer.modelHash)
  if (!model) return { code: 'model.not-served', detail: 'this pool does not serve the model that was offered' }
  const body = readBody(message.encoding, message.body)
  if (!body.ok) return { code: body.reason, detail: `${body.field}: ${body.detail}` }
  const conformed = Tensor.conform(body.value.inputs, model.manifest.inputs, model.manifest.maxUnits)
  if (!conformed.ok) return { code: conformed.reason, detail: `${conformed.field}: ${conformed.detail}` }
  const { tensors, units } = conformed.value
  if (Offer.price(offer.offer, units) !== payment.amount) {
    return { code: 'price.mismatch', detail: `${units} rows cost ${Offer.price(offer.offer, units)} atomic units, not the ${payment.amount} that were paid` }
  }
  return { model, body: body.value, inputs: tensors, units }
}

/** The model's outputs, or why there are none. A crash that may be somebody else's fault is thrown, and the request is tried again. */
async function runOrVoid({ model, inputs, units }: Work, node: Node): Promise<{ tensors: Tensor.Tensor[] } | Reason> {
  try {
    return { tensors: await node.runner.submit(model, inputs, units) }
  } catch (error) {
    const known = Errors.find(error)
    if (!known || known.retryable) throw error
    return known.code === 'engine.crashed'
      ? { code: 'model.crashed', detail: 'the model crashed on this input' }
      : { code: 'model.failed', detail: 'the model refused this input' }
  }
}

/** With a body that its proof needs, what a record of the bus holds. An answer nobody can be told of would be delivered and never settled. */
const answerBytesMax = 2 << 20

function completed(request: Request, work: Work, outputs: { tensors: Tensor.Tensor[] } | Stated, { node, startedAtMs }: { node: Node; startedAtMs: number }): Result {
  const { message, payment } = request
  const answer = rendered(request, work, outputs.tensors, node)
  if (answer.length > answerBytesMax) return voided(request, { code: 'answer.too-large', detail: `the answer has ${answer.length} bytes, the limit is ${answerBytesMax}` }, node)
  const salt = message.salt.length === 32 ? message.salt : randomBytes(32)
  const receipt = node.signer.sign({
    ...identity(request),
    requestHash: Digest.requestHash(salt, message.body, node.primitives.sha256),
    outputHash: Digest.outputHash(salt, answer, node.primitives.sha256),
    price: payment.amount,
    mode: 'vkId' in outputs ? request.offer.offer.mode : Receipt.modes.tee,
    ...('vkId' in outputs ? { statementHash: outputs.statementHash } : {}),
    ...('vkId' in outputs && request.offer.offer.mode === Receipt.modes.zkml ? { evidenceId: outputs.vkId } : {}),
  })
  const value = create(InferenceCompletedSchema, {
    requestId: message.requestId,
    payment: message.payment as NonNullable<typeof message.payment>,
    offer: message.offer as NonNullable<typeof message.offer>,
    receipt: Wire.signedReceipt(receipt),
    answer,
    encoding: message.encoding === BodyEncoding.UNSPECIFIED ? BodyEncoding.JSON : message.encoding,
    salt,
    pool: message.pool,
    replyTo: message.replyTo,
    paymentIdentifier: message.paymentIdentifier,
    acceptedAtMs: message.acceptedAtMs,
    startedAtMs: BigInt(startedAtMs),
    completedAtMs: BigInt(node.now()),
    ...('vkId' in outputs ? { body: message.body } : {}),
  })
  return { case: 'completed', value }
}

/** The answer's bytes: exactly these are hashed, relayed and kept. */
function rendered({ message, requestId }: Request, { model }: Work, outputs: Tensor.Tensor[], node: Node): Uint8Array {
  const dialect = dialectOf(message.encoding)
  if (!dialect) return renderAnswer(message.encoding, `${model.manifest.name}@${model.manifest.version}`, outputs)
  return OpenGradient.renderAnswer({ dialect, body: message.body, requestId, outputs, at: Math.floor(node.now() / 1000) }, node.openGradient, node.primitives)
}

/** A void; where the money was taken before the work, with a signed receipt of nothing delivered, which is the proof a refund needs. */
function voided(request: Request, { code, detail }: Reason, node: Node): Result {
  const { message, payment } = request
  const receipt =
    payment.flow === 'upfront'
      ? Wire.signedReceipt(node.signer.sign({ ...identity(request), requestHash: Hex.zero32, outputHash: Hex.zero32, price: 0n, mode: Receipt.modes.none }))
      : undefined
  const consequence = payment.flow === 'upfront' ? 'what was paid is paid back' : 'nothing was charged'
  const value = create(InferenceVoidedSchema, {
    requestId: message.requestId,
    payment: message.payment as NonNullable<typeof message.payment>,
    offer: message.offer as NonNullable<typeof message.offer>,
    code,
    detail: `${detail}; ${consequence}`,
    replyTo: message.replyTo,
    paymentIdentifier: message.paymentIdentifier,
    voidedAtMs: BigInt(node.now()),
    ...(receipt ? { receipt } : {}),
  })
  return { case: 'voided', value }
}

const promisesProof = ({ offer }: Offer.Signed): boolean => offer.mode === Receipt.modes.zkml || offer.mode === Receipt.modes['tee+zkml']

const identity = ({ requestId, payment, offer, offerHash }: Request) => ({
  requestId,
  offerHash,
  modelHash: offer.offer.modelHash,
  statementHash: Hex.zero32,
  paymentId: payment.paymentId,
  payer: payment.payer,
  token: payment.token,
  policyEpoch: offer.offer.policyEpoch,
})

/** Stores the outcome unless another is there; a receipt that lost the race is taken back as if it had never been signed. */
async function settle(result: Result, request: Request, node: Node): Promise<Result> {
  const decided = await Outcome.decide(node.blobs, request.requestId, result)
  if (!decided.first && result.value.receipt) node.signer.discard(Wire.toSignedReceipt(result.value.receipt))
  if (!decided.outcome.case) throw new AppError('outcome.empty', { detail: 'the stored outcome names neither an answer nor a void' })
  return decided.outcome
}

const forged = (reason: string): AppError => new AppError('request.forged', { detail: `the request does not prove what it says: ${reason}` })
