import * as Body from '../tensor/body.js'
import type { Tensor } from '../tensor/tensor.js'
import { refuse, type Verdict } from '../verdict.js'
import { parse, type PythonJson } from './python-json.js'
import { canonicalRequest, message, outputHash, requestHash, teeId, type Dialect } from './triple.js'
import * as Hex from '../hex.js'
import { portable, type Primitives } from '../secp256k1.js'

/**
 * A request in OpenGradient's dialect as one of ours. Our models take tensors, not talk: the last user message, or the prompt, is the JSON of a
 * native request without its model, e.g. `{"inputs": [{"name": "pixels", "shape": [1, 64], "data": […]}]}`.
 */
export function readBody(dialect: Dialect, bytes: Uint8Array): Verdict<Body.Body, 'body.malformed'> {
  const text = utf8(bytes)
  if (text === undefined) return refuse('body.malformed', 'the body is not UTF-8', 'body')
  const canonical = canonicalRequest(dialect, text)
  if (!canonical.ok) return refuse('body.malformed', canonical.detail, canonical.field ?? 'body')
  const parsed = parse(text)
  const source = (parsed.ok ? parsed.value : {}) as { readonly [key: string]: PythonJson }
  if (source.stream === true) return refuse('body.malformed', 'streams are not served yet', 'stream')
  const content = dialect === 'completion' ? source.prompt : lastUserText(source.messages)
  const field = dialect === 'completion' ? 'prompt' : 'messages'
  if (typeof content !== 'string') return refuse('body.malformed', 'the last user message is text', field)
  let request: unknown
  try {
    request = JSON.parse(content)
  } catch {
    return refuse('body.malformed', 'the text is the JSON of a request: {"inputs": [{"name", "shape", "data"}]}', field)
  }
  if (typeof request !== 'object' || request === null || 'model' in request) return refuse('body.malformed', 'the text is the JSON of a request without its model', field)
  return Body.read({ ...request, model: source.model })
}

function lastUserText(messages: PythonJson | undefined): PythonJson | undefined {
  const list = (messages ?? []) as readonly { readonly role?: PythonJson; readonly content?: PythonJson }[]
  return list.findLast(({ role }) => role === 'user')?.content
}

/** What signs in an enclave for their SDKs. */
export interface Signing {
  /** RSA-2048, DER. */
  spki: Uint8Array
  /** PSS with SHA-256 and a salt of 32 bytes. */
  sign(message: Uint8Array): Uint8Array
}

export interface Answered {
  dialect: Dialect
  /** The caller's bytes. */
  body: Uint8Array
  requestId: Hex.Hex
  outputs: readonly Tensor[]
  /** Unix seconds. */
  at: number
}

/** The answer as their gateway would give it, with the triple their SDKs verify: request hash, output hash and the signature over both and the time. */
export function renderAnswer({ dialect, body, requestId, outputs, at }: Answered, signing: Signing, { keccak256 }: Pick<Primitives, 'keccak256'> = portable): Uint8Array {
  const text = utf8(body) ?? ''
  const canonical = canonicalRequest(dialect, text)
  if (!canonical.ok) throw new Error(`assertion failed: a request that was served is ${canonical.reason}`)
  const { model } = canonical.value as { model: string }
  const output = new TextDecoder().decode(Body.renderAnswer(model, outputs))
  const hashes = { request: requestHash(canonical.value, keccak256), output: outputHash(output, keccak256) }
  const digits = (bytes: Uint8Array): string => Hex.fromBytes(bytes).slice(2)
  const spoken = dialect === 'chat' ? { choices: [{ index: 0, message: { role: 'assistant', content: output }, finish_reason: 'stop' }] } : { choices: [{ index: 0, text: output, finish_reason: 'stop' }], completion: output }
  const answer = {
    id: `${dialect === 'chat' ? 'chatcmpl' : 'cmpl'}-${requestId.slice(2, 34)}`,
    object: dialect === 'chat' ? 'chat.completion' : 'text_completion',
    created: at,
    model,
    ...spoken,
    tee_signature: base64(signing.sign(message(hashes, at, keccak256))),
    tee_request_hash: digits(hashes.request),
    tee_output_hash: digits(hashes.output),
    tee_timestamp: at,
    tee_id: Hex.fromBytes(teeId(signing.spki, keccak256)),
  }
  return new TextEncoder().encode(JSON.stringify(answer))
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))
