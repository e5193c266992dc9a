import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Body, OpenGradient, refuse, type Verdict, type Tensor } from '@haca/core'
import { BodyEncoding, InferAnswerSchema, InferRequestSchema, TensorSchema, type Tensor as TensorMessage } from '@haca/proto'

/** Reads a request body of either encoding; gateway and node read the same bytes with this same function. */
export function readBody(encoding: BodyEncoding, bytes: Uint8Array): Verdict<Body.Body, 'body.malformed'> {
  const dialect = dialectOf(encoding)
  if (dialect) return OpenGradient.readBody(dialect, bytes)
  return encoding === BodyEncoding.PROTOBUF ? readProtobuf(bytes) : Body.parse(bytes)
}

/** Which of OpenGradient's endpoints an encoding is of, if it is of one. */
export const dialectOf = (encoding: BodyEncoding): OpenGradient.Dialect | undefined =>
  encoding === BodyEncoding.OPENGRADIENT_CHAT ? 'chat' : encoding === BodyEncoding.OPENGRADIENT_COMPLETION ? 'completion' : undefined

/** Renders an answer in the encoding its request came in; answers in OpenGradient's dialect are signed, and rendered where the key is. */
export function renderAnswer(encoding: BodyEncoding, model: string, outputs: readonly Tensor.Tensor[]): Uint8Array {
  if (encoding !== BodyEncoding.PROTOBUF) return Body.renderAnswer(model, outputs)
  return toBinary(InferAnswerSchema, create(InferAnswerSchema, { model, outputs: outputs.map(tensorMessage) }))
}

function readProtobuf(bytes: Uint8Array): Verdict<Body.Body, 'body.malformed'> {
  let request
  try {
    request = fromBinary(InferRequestSchema, bytes)
  } catch {
    return refuse('body.malformed', 'the body is not haca.v1.InferRequest', 'body')
  }
  if (request.model === '' || request.model.length > 200) return refuse('body.malformed', 'a model name, name@version or 0x-digest', 'model')
  if (request.inputs.length < 1 || request.inputs.length > 64) return refuse('body.malformed', 'a list of 1 to 64 tensors', 'inputs')
  const { wish } = request
  const read = Body.parseWish({
    ...(wish?.verification ? { verification: wish.verification } : {}),
    ...(wish?.valueAtRisk ? { valueAtRisk: wish.valueAtRisk } : {}),
    ...(wish?.budget ? { budget: wish.budget } : {}),
    ...(wish?.proofSettlement ? { proofSettlement: wish.proofSettlement } : {}),
    deadlineMs: wish?.deadlineMs ?? 0,
  })
  return read.ok ? { ok: true, value: { model: request.model, inputs: request.inputs.map(loose), wish: read.value } } : read
}

/** A tensor message as it came in, before a model says what it must be. */
export const loose = (message: TensorMessage): Tensor.Loose => ({
  name: message.name,
  datatype: message.datatype === '' ? undefined : message.datatype,
  shape: message.shape.map(Number),
  data: contents(message),
})

/** The one contents field that is set; a message that sets several gives more values than its shape holds, and is refused for that. */
const contents = (message: TensorMessage): readonly unknown[] =>
  [message.intContents, message.int64Contents, message.fp32Contents, message.fp64Contents, message.textContents].flatMap((values) => values as readonly unknown[])

/** A typed tensor as a message. */
export const tensorMessage = (tensor: Tensor.Tensor): TensorMessage =>
  create(TensorSchema, {
    name: tensor.name,
    datatype: tensor.datatype,
    shape: tensor.shape.map(BigInt),
    ...(tensor.datatype === 'FP32'
      ? { fp32Contents: Array.from(tensor.data as Float32Array) }
      : tensor.datatype === 'FP64'
        ? { fp64Contents: Array.from(tensor.data as Float64Array) }
        : tensor.datatype === 'INT64'
          ? { int64Contents: Array.from(tensor.data as BigInt64Array) }
          : tensor.datatype === 'BYTES'
            ? { textContents: tensor.data as string[] }
            : { intContents: Array.from(tensor.data as Int32Array) }),
  })
