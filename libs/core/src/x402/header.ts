import { PaymentPayloadV2Schema, PaymentRequiredV2Schema } from '@x402/core/schemas'
import type { PaymentPayload, PaymentRequired, SettleResponse } from '@x402/core/types'
import { accept, refuse, type Verdict } from '../verdict.js'

/** Header names of x402 v2, as the specification spells them. Values are base64 (standard alphabet, padded) of UTF-8 JSON. */
export const names = { required: 'PAYMENT-REQUIRED', signature: 'PAYMENT-SIGNATURE', response: 'PAYMENT-RESPONSE' } as const

/** Longest `PAYMENT-SIGNATURE` we read, in characters; common proxies stop at 8 KiB of headers. */
export const paymentCharactersMax = 8192

export const encode = (value: PaymentRequired | PaymentPayload | SettleResponse): string => toBase64(JSON.stringify(value))

/** Reads `PAYMENT-SIGNATURE`. A server may bring its own faster way from base64 to text, which gives nothing where it is not padded base64 of the standard alphabet. */
export function decodePayment(header: string, toText: (base64: string) => string | undefined = strictly): Verdict<PaymentPayload, 'malformed'> {
  if (header.length > paymentCharactersMax) return refuse('malformed', `longer than ${paymentCharactersMax} characters`, names.signature)
  const text = toText(header)
  return text === undefined ? refuse('malformed', 'not base64 of the standard alphabet with padding', names.signature) : parsePayment(text)
}

/** Reads a payment's JSON text, as gRPC metadata carries it without base64. */
export function parsePayment(json: string): Verdict<PaymentPayload, 'malformed'> {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return refuse('malformed', 'not JSON', names.signature)
  }
  const plain = plainPayment(value)
  if (plain) return accept(plain)
  const parsed = PaymentPayloadV2Schema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return refuse('malformed', issue?.message ?? 'not a PaymentPayload of x402 version 2', `${names.signature}: ${issue?.path.join('.') ?? ''}`)
  }
  return accept(parsed.data as PaymentPayload)
}

/**
 * A payment of the usual form, as the official schema would give it back, or nothing when the schema has to look: it takes
 * twenty times as long, and nearly every payment is plain.
 */
function plainPayment(value: unknown): PaymentPayload | undefined {
  if (!isRecord(value) || value.x402Version !== 2 || !isRecord(value.payload)) return undefined
  const { accepted, payload, resource, extensions } = value
  if (!isRecord(accepted)) return undefined
  const { scheme, network, amount, asset, payTo, maxTimeoutSeconds, extra } = accepted
  if (!isText(scheme) || !isText(network) || network.length < 3 || !network.includes(':')) return undefined
  if (!isText(amount) || !isText(asset) || !isText(payTo) || typeof maxTimeoutSeconds !== 'number' || !(maxTimeoutSeconds > 0)) return undefined
  if (extra !== undefined && !isRecord(extra)) return undefined
  if (extensions !== undefined && !isRecord(extensions)) return undefined
  const described = resource === undefined ? undefined : plainResource(resource)
  if (resource !== undefined && !described) return undefined
  return {
    x402Version: 2,
    ...(described ? { resource: described } : {}),
    accepted: { scheme, network, amount, asset, payTo, maxTimeoutSeconds, ...(extra === undefined ? {} : { extra }) },
    payload,
    ...(extensions === undefined ? {} : { extensions }),
  } as PaymentPayload
}

function plainResource(resource: unknown): PaymentPayload['resource'] {
  if (!isRecord(resource)) return undefined
  const { url, description, mimeType, serviceName, tags, iconUrl } = resource
  if (!isText(url) || tags !== undefined || iconUrl !== undefined) return undefined
  for (const text of [description, mimeType]) if (text !== undefined && typeof text !== 'string') return undefined
  if (serviceName !== undefined && (!isText(serviceName) || serviceName.length > 32 || !/^[\x20-\x7e]+$/.test(serviceName))) return undefined
  return { url, ...(description === undefined ? {} : { description }), ...(mimeType === undefined ? {} : { mimeType }), ...(serviceName === undefined ? {} : { serviceName }) } as PaymentPayload['resource']
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string' && value.length > 0

/** Reads `PAYMENT-REQUIRED`. */
export function decodeRequired(header: string): Verdict<PaymentRequired, 'malformed'> {
  try {
    const parsed = PaymentRequiredV2Schema.safeParse(JSON.parse(fromBase64(header)))
    if (parsed.success) return accept(parsed.data as PaymentRequired)
    return refuse('malformed', parsed.error.issues[0]?.message, names.required)
  } catch {
    return refuse('malformed', 'not base64 of JSON', names.required)
  }
}

/** Reads `PAYMENT-RESPONSE`. */
export function decodeResponse(header: string): Verdict<SettleResponse, 'malformed'> {
  try {
    return accept(JSON.parse(fromBase64(header)) as SettleResponse)
  } catch {
    return refuse('malformed', 'not base64 of JSON', names.response)
  }
}

function toBase64(text: string): string {
  const bytes = new TextEncoder().encode(text)
  let binary = ''
  for (let i = 0; i < bytes.length; i += 4096) binary += String.fromCharCode(...bytes.subarray(i, i + 4096))
  return btoa(binary)
}

const strictly = (base64: string): string | undefined => (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64) ? fromBase64(base64) : undefined)

function fromBase64(base64: string): string {
  const binary = atob(base64)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return new TextDecoder().decode(bytes)
}
