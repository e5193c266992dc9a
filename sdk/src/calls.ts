import type { Decision, Hex, Offer } from '@haca/core'

/** One logical call: everything that was fixed before the first paid byte left, and must never be made anew. */
export interface Call {
  id: string
  /** The request's bytes as they are sent, hashed and paid for. */
  body: string
  /** 32 bytes that salt the receipt's hashes. */
  salt: Hex.Hex
  /** `PAYMENT-SIGNATURE`, once signed. */
  payment: string
  /** EIP-3009 nonce of the payment. */
  nonce: Hex.Hex
  /** What was offered and why, as the 402 said it; kept for checking the route later. */
  offer: Offer.Json
  decision: Decision.Json | undefined
}

/**
 * Where calls are kept. In memory a crash of the process can lose the knowledge that a call was paid; give a store that survives
 * when that matters.
 */
export interface CallStore {
  get(id: string): Promise<Call | undefined>
  /** Keeps the call unless one with this id is there; answers the one that is kept. */
  putOnce(call: Call): Promise<Call>
}

/** Calls of this process, the latest `limit` of them. */
export function memoryCalls(limit = 10_000): CallStore {
  const calls = new Map<string, Call>()
  return {
    get: async (id) => calls.get(id),
    putOnce: async (call) => {
      const known = calls.get(call.id)
      if (known) return known
      if (calls.size >= limit) calls.delete(calls.keys().next().value as string)
      calls.set(call.id, call)
      return call
    },
  }
}
