import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from '../abi.js'
import { portable, type Primitives } from '../secp256k1.js'
import { accept, refuse, type Verdict } from '../verdict.js'
import { dumps, parse, PythonFloat, type PythonJson } from './python-json.js'

type Keccak = Primitives['keccak256']
type Fields = { readonly [key: string]: PythonJson }

/** Why a request is none that OpenGradient's gateway would take. */
export type Reason = 'json.malformed' | 'chat.malformed'

/** Which of their two endpoints a body is for. */
export type Dialect = 'chat' | 'completion'

/** The request whose hash their SDKs recompute: `tee_gateway`'s canonical form, with the fields it leaves out left out. */
export function canonicalRequest(dialect: Dialect, body: string): Verdict<PythonJson, Reason> {
  const parsed = parse(body)
  if (!parsed.ok) return parsed
  const { value } = parsed
  if (!isFields(value)) return refuse('chat.malformed', 'the body is no object')
  if (typeof value.model !== 'string') return refuse('chat.malformed', 'model is a string', 'model')
  const temperature = floatOf(value.temperature)
  if (!temperature) return refuse('chat.malformed', 'temperature is a number', 'temperature')
  const common = { model: value.model, temperature, ...(given(value.max_tokens) ? { max_tokens: value.max_tokens } : {}), ...kept(value, ['stop']) }
  if (dialect === 'completion') {
    return typeof value.prompt === 'string' ? accept({ ...common, prompt: value.prompt }) : refuse('chat.malformed', 'prompt is a string', 'prompt')
  }
  if (!Array.isArray(value.messages)) return refuse('chat.malformed', 'messages is a list', 'messages')
  const messages: PythonJson[] = []
  for (const [i, message] of (value.messages as readonly PythonJson[]).entries()) {
    const canonical = isFields(message) ? canonicalMessage(message) : undefined
    if (!canonical) return refuse('chat.malformed', 'a message has a role of system, user, assistant, tool or function, and its content', `messages[${i}]`)
    messages.push(canonical)
  }
  return accept({ ...common, messages, ...kept(value, ['tools', 'response_format']), ...(truthy(value.web_search) ? { web_search: true } : {}) })
}

function canonicalMessage(message: Fields): Fields | undefined {
  const { role, content } = message
  switch (role) {
    case 'system':
    case 'developer':
      return typeof content === 'string' ? { role: 'system', content } : undefined
    case 'user':
      return typeof content === 'string' ? { role, content } : Array.isArray(content) ? { role, content: (content as readonly PythonJson[]).map(part) } : undefined
    case 'assistant': {
      const calls = Array.isArray(message.tool_calls) && message.tool_calls.length > 0 ? { tool_calls: (message.tool_calls as readonly PythonJson[]).map(toolCall) } : {}
      return { role, content: typeof content === 'string' ? content : '', ...calls }
    }
    case 'tool':
      return typeof content === 'string' && typeof message.tool_call_id === 'string' ? { role, content, tool_call_id: message.tool_call_id } : undefined
    case 'function':
      return typeof content === 'string' && typeof message.name === 'string' ? { role, content, name: message.name } : undefined
    default:
      return undefined
  }
}

/** Text parts keep their text; of anything else only what it is, and the name of a file. */
function part(value: PythonJson): PythonJson {
  if (!isFields(value)) return value
  const { type = null, text = '', filename } = value
  if (type === 'text') return { type, text }
  return { type, ...(filename === undefined ? {} : { filename }) }
}

function toolCall(value: PythonJson): PythonJson {
  if (!isFields(value)) return value
  const called: Fields = isFields(value.function) ? value.function : {}
  return { id: value.id ?? null, type: value.type ?? 'function', function: { name: called.name ?? null, arguments: called.arguments ?? null } }
}

const isFields = (value: PythonJson | undefined): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof PythonFloat)
const given = (value: PythonJson | undefined): value is PythonJson => value !== undefined && value !== null

/** As Python sees it: empty lists, objects and texts, zero and false are not. */
function truthy(value: PythonJson | undefined): boolean {
  if (!given(value)) return false
  if (value instanceof PythonFloat) return value.value !== 0
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0
  return Boolean(value)
}

const kept = (value: Fields, names: readonly string[]): Fields => Object.fromEntries(Object.entries(value).filter(([name, item]) => names.includes(name) && truthy(item)))

/** `float(x)`, 0.0 where there is none. */
function floatOf(value: PythonJson | undefined): PythonFloat | undefined {
  if (!given(value)) return new PythonFloat(0)
  if (value instanceof PythonFloat) return value
  return typeof value === 'bigint' ? new PythonFloat(Number(value)) : undefined
}

/** keccak256 of the canonical request as Python dumps it; 32 bytes. */
export const requestHash = (canonical: PythonJson, keccak256: Keccak = portable.keccak256): Uint8Array => keccak256(utf8ToBytes(dumps(canonical)))

/** keccak256 of the assistant's text; for a turn of tool calls, of those as Python dumps them. */
export const outputHash = (output: string, keccak256: Keccak = portable.keccak256): Uint8Array => keccak256(utf8ToBytes(output))

/** What the enclave's RSA key signs (PSS, SHA-256, MGF1 with SHA-256, salt of 32 bytes): keccak256(requestHash ‖ outputHash ‖ timestamp:32). */
export const message = (hashes: { request: Uint8Array; output: Uint8Array }, timestamp: number, keccak256: Keccak = portable.keccak256): Uint8Array =>
  keccak256(Abi.concat([hashes.request, hashes.output, Abi.word(timestamp)]))

/** Identity of an enclave there: keccak256 of its RSA key's SubjectPublicKeyInfo, DER. */
export const teeId = (spki: Uint8Array, keccak256: Keccak = portable.keccak256): Uint8Array => keccak256(spki)

/** What a receipt key signs to vouch for an RSA key: keccak256("haca/opengradient-key/1" ‖ SPKI). The hardware vouches for the receipt key. */
export const keyStatement = (spki: Uint8Array, keccak256: Keccak = portable.keccak256): Uint8Array => keccak256(Abi.concat([utf8ToBytes('haca/opengradient-key/1'), spki]))
