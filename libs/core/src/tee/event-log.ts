import { concat, equal, fromHex, toHex, utf8, type HexDigits } from './bytes.js'
import type { CryptoProvider } from './crypto.js'
import { AttestationError, ensure } from './error.js'
import { Fields } from './fields.js'
import * as Json from './json.js'

/**
 * dstack's TDX event log: what was extended into the four RTMRs since the TD was built, in order. Source:
 * github.com/Dstack-TEE/dstack, cc-eventlog (JSON form) and the guest agent's runtime events.
 */
export interface TdxEvent {
  /** RTMR index, 0 to 3. */
  readonly imr: number
  readonly type: number
  readonly name: string
  /** SHA-384, or `undefined` for a runtime event whose digest was left out and must be derived. */
  readonly digest: Uint8Array | undefined
  readonly payload: Uint8Array
}

export const EVENT_LOG_BYTES_MAX = 1024 * 1024
const EVENTS_MAX = 4096

/** The event type under which dstack's guest agent extends RTMR3. */
const RUNTIME_EVENT = 0x08000001
const RUNTIME_IMR = 3

/** Runtime events that identify the application. Each may occur once: a second would let a guest rename itself. */
const IDENTIFYING: Readonly<Record<string, string>> = {
  'app-id': 'appId',
  'compose-hash': 'composeHash',
  'instance-id': 'instanceId',
  'key-provider': 'keyProvider',
  'os-image-hash': 'osImageHash',
  'gpu-policy-hash': 'gpuPolicyHash',
  'gpu-attestation': 'gpuAttestation',
}

/** Parses the JSON list; refuses with `event-log-malformed` or `json-malformed`. */
export function parseEventLog(bytes: Uint8Array): TdxEvent[] {
  ensure(bytes.length <= EVENT_LOG_BYTES_MAX, 'endorsement-too-large', `event log of ${bytes.length} bytes`)
  const list = Json.parseStrict(bytes)
  if (!Array.isArray(list)) return malformed('not a list')
  if (list.length > EVENTS_MAX) malformed(`${list.length} events`)
  return list.map((item, i) => parseEvent(new Fields(item, `event ${i}`, malformed)))
}

/**
 * Replays the log from zeroed registers: RTMR ← SHA-384(RTMR ‖ digest). Runtime digests are derived from type, name
 * and payload, and must agree where the log states them.
 */
export async function replay(events: readonly TdxEvent[], crypto: CryptoProvider): Promise<Uint8Array[]> {
  const rtmrs: Uint8Array[] = Array.from({ length: 4 }, () => new Uint8Array(48))
  for (const event of events) {
    const digest = await digestOf(event, crypto)
    rtmrs[event.imr] = await crypto.digest('SHA-384', concat(rtmrs[event.imr]!, digest))
  }
  return rtmrs
}

/** Refuses unless the log replays to the quote's registers; answers the payloads of the identifying events. */
export async function eventMeasurements(
  log: Uint8Array,
  rtmrs: readonly Uint8Array[],
  crypto: CryptoProvider,
): Promise<Record<string, HexDigits>> {
  const events = parseEventLog(log)
  const replayed = await replay(events, crypto)
  for (const [i, rtmr] of rtmrs.entries()) {
    ensure(equal(replayed[i]!, rtmr), 'event-log-rtmr-mismatch', `the log does not replay to RTMR${i}`)
  }
  const measurements: Record<string, HexDigits> = {}
  for (const { imr, name, payload } of events) {
    const key = Object.hasOwn(IDENTIFYING, name) ? IDENTIFYING[name] : undefined
    if (imr !== RUNTIME_IMR || key === undefined) continue
    if (measurements[key] !== undefined) malformed(`a second ${name} event`)
    measurements[key] = toHex(payload)
  }
  return measurements
}

/** SHA-384(LE32(type) ‖ ":" ‖ name ‖ ":" ‖ payload). */
async function runtimeDigest({ type, name, payload }: TdxEvent, crypto: CryptoProvider): Promise<Uint8Array> {
  const le32 = Uint8Array.of(type, type >>> 8, type >>> 16, type >>> 24)
  return crypto.digest('SHA-384', concat(le32, utf8(`:${name}:`), payload))
}

async function digestOf(event: TdxEvent, crypto: CryptoProvider): Promise<Uint8Array> {
  if (event.type !== RUNTIME_EVENT) return event.digest ?? malformed(`no digest for event type ${event.type}`)
  const derived = await runtimeDigest(event, crypto)
  const agrees = event.digest === undefined || equal(event.digest, derived)
  ensure(agrees, 'event-log-digest-mismatch', `the digest of ${event.name} is not that of its payload`)
  return derived
}

function parseEvent(fields: Fields): TdxEvent {
  const imr = fields.integer('imr')
  if (imr > 3) malformed(`register ${imr}`)
  const type = fields.integer('event_type')
  if (type > 0xffffffff) malformed(`event type ${type}`)
  const digest = fields.text('digest')
  const name = fields.text('event')
  const payload = fromHex(fields.text('event_payload')) ?? malformed('payload is not hexadecimal')
  // RTMR3 takes runtime events only, each with its preimage: an opaque digest there could hide the event that names the
  // application, after which the application itself could extend a false one.
  if ((imr === RUNTIME_IMR) !== (type === RUNTIME_EVENT)) malformed(`event type ${type} in register ${imr}`)
  // A colon in the name would let one digest stand for two different events.
  if (imr === RUNTIME_IMR && name.includes(':')) malformed(`name ${name}`)
  fields.end()
  return { imr, type, name, digest: digest === '' ? undefined : sha384(digest), payload }
}

function sha384(text: string): Uint8Array {
  const digest = fromHex(text)
  return digest?.length === 48 ? digest : malformed('digest is not 48 bytes of hexadecimal')
}

function malformed(why: string): never {
  throw new AttestationError('event-log-malformed', why)
}
