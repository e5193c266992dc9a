import type { PaymentPayload } from '@x402/core/types'
import { Hex, PaymentHeader } from '@haca/core'
import { BodyEncoding } from '@haca/proto'
import type { FastifyRequest } from 'fastify'
import type { Ask } from '../ask.js'
import { Refusal } from '../refusal.js'

/** A caller's JSON body and salt as a request of ours; natively, or in another dialect of JSON. */
export function askOf(request: FastifyRequest, resourceUrl: string, { operation, encoding }: Pick<Ask, 'operation' | 'encoding'> = native): Ask {
  if (!Buffer.isBuffer(request.body) || request.body.length === 0) throw new Refusal('invalid', 'body.malformed', 'a JSON body is required', 'body')
  return { operation, encoding, body: request.body, salt: saltOf(request), resourceUrl, ...webhookOf(request) }
}

const native = { operation: 'infer', encoding: BodyEncoding.JSON } as const

/** The payment in `PAYMENT-SIGNATURE`, or nothing when there is none. */
export function paymentOf(request: FastifyRequest): PaymentPayload | undefined {
  const header = request.headers['payment-signature']
  if (header === undefined) return undefined
  if (Array.isArray(header)) throw new Refusal('invalid', 'payment.malformed', 'the header is given twice', PaymentHeader.names.signature)
  const decoded = PaymentHeader.decodePayment(header, textOf)
  if (decoded.ok) return decoded.value
  throw new Refusal('invalid', 'payment.malformed', decoded.detail ?? 'the header is malformed', decoded.field)
}

/** Node reads the alphabet of URLs too and skips what is in neither; where it skipped something, bytes are missing. */
function textOf(base64: string): string | undefined {
  if (base64.length % 4 !== 0 || base64.includes('-') || base64.includes('_')) return undefined
  const bytes = Buffer.from(base64, 'base64')
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
  return bytes.length === (base64.length / 4) * 3 - padding ? bytes.toString() : undefined
}

/** Milliseconds of `Prefer: wait=n` (RFC 7240), or nothing when it is not asked for. */
export function preferredWaitMs(request: FastifyRequest): number | undefined {
  const header = request.headers.prefer
  const match = /(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])/.exec(Array.isArray(header) ? header.join(',') : (header ?? ''))
  return match ? Number(match[1]) * 1000 : undefined
}

/** A request id in a path. */
export function requestIdOf(text: string): Hex.Hex {
  if (!Hex.is(text, 32)) throw new Refusal('invalid', 'request.malformed-id', 'a request id is 32 bytes of 0x-hexadecimal', 'id')
  return text.toLowerCase() as Hex.Hex
}

function webhookOf({ headers }: FastifyRequest): { webhook?: string } {
  const header = headers['haca-webhook']
  if (Array.isArray(header)) throw new Refusal('invalid', 'webhook.refused', 'the header is given twice', 'HACA-Webhook')
  return header === undefined ? {} : { webhook: header }
}

function saltOf(request: FastifyRequest): Uint8Array {
  const header = request.headers['haca-salt']
  if (header === undefined) return new Uint8Array(0)
  if (!Hex.is(header, 32)) throw new Refusal('invalid', 'salt.malformed', 'a salt is 32 bytes of 0x-hexadecimal', 'HACA-Salt')
  return Hex.toBytes(header)
}
