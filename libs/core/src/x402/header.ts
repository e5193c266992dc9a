import { PaymentPayloadV2Schema, PaymentRequiredV2Schema } from '@x402/core/schemas'
import type { PaymentPayload, PaymentRequired, SettleResponse } from '@x402/core/types'
import { accept, refuse, type Verdict } from '../verdict.js'

/** Header names of x402 v2, as the specification spells them. Values are base64 (standard alphabet, padded) of UTF-8 JSON. */
export const names = { required: 'PAYMENT-REQUIRED', signature: 'PAYMENT-SIGNATURE', response: 'PAYMENT-RESPONSE' } as const

/** Longest `PAYMENT-SIGNATURE` we read, in characters; common proxies stop at 8 KiB of headers. */
export const paymentCharactersMax = 8192

export const encode = (value: PaymentRequired | PaymentPayload | SettleResponse): string => toBase64(JSON.stringify(value))

/** Reads `PAYMENT-SIGNATURE`. */
export function decodePayment(header: string): Verdict<PaymentPayload, 'malformed'> {
  if (header.length > paymentCharactersMax) return refuse('malformed', `longer than ${paymentCharactersMax} characters`, names.signature)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(header) || header.length % 4 !== 0) {
    return refuse('malformed', 'not base64 of the standard alphabet with padding', names.signature)
  }
  return parsePayment(fromBase64(header))
}

/** Reads a payment's JSON text, as gRPC metadata carries it without base64. */
export function parsePayment(json: string): Verdict<PaymentPayload, 'malformed'> {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return refuse('malformed', 'not JSON', names.signature)
  }
  const parsed = PaymentPayloadV2Schema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return refuse('malformed', issue?.message ?? 'not a PaymentPayload of x402 version 2', `${names.signature}: ${issue?.path.join('.') ?? ''}`)
  }
  return accept(parsed.data as PaymentPayload)
}

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

function fromBase64(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)))
}
