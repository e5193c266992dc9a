import type { PaymentPayload } from '@x402/core/types'
import { accept, refuse, type Verdict } from '../verdict.js'

/** Key of the x402 extension `payment-identifier`. */
export const key = 'payment-identifier'

/** What a 402 declares: we honour an identifier, and do not demand one. */
export const declaration = {
  info: { required: false },
  schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: { required: { type: 'boolean' }, id: { type: 'string', minLength: 16, maxLength: 128, pattern: '^[a-zA-Z0-9_-]+$' } },
    required: ['required'],
  },
} as const

/** The identifier a payment carries, if any. */
export function read(payload: PaymentPayload): Verdict<string | undefined, 'malformed'> {
  const extension = payload.extensions?.[key] as { info?: { id?: unknown } } | null | undefined
  const id = extension?.info?.id
  if (id === undefined || id === null) return accept(undefined)
  if (typeof id !== 'string' || !/^[A-Za-z0-9_-]{16,128}$/.test(id)) {
    return refuse('malformed', '16 to 128 characters of A-Z a-z 0-9 _ -', `extensions.${key}.info.id`)
  }
  return accept(id)
}
