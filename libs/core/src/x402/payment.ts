import * as Eip712 from '../eip712.js'
import * as Hexes from '../hex.js'
import type { Hex } from '../hex.js'
import type * as Money from '../money.js'
import type { Primitives } from '../secp256k1.js'
import { accept, refuse, type Verdict } from '../verdict.js'
import * as Exact from './exact.js'

/** When the money moves: after the work, or before it (x402 core specification, section 6.1). */
export type Flow = 'authorization' | 'upfront'

/** A payment as it travels from gateway to settler: the payer's authorisation and where it is valid. */
export interface Payment {
  /** `Digest.paymentId`. */
  paymentId: Hex
  scheme: 'exact'
  chainId: number
  token: Hex
  payer: Hex
  payTo: Hex
  amount: Money.Atomic
  /** Unix seconds. */
  validAfter: number
  validBefore: number
  nonce: Hex
  signature: Hex
  flow: Flow
}

/** A verified authorisation as a payment. */
export function from(
  signed: Exact.SignedAuthorization,
  place: { token: Hex; chainId: number; flow: Flow },
  keccak256?: Primitives['keccak256'],
): Payment {
  return {
    paymentId: Exact.paymentId(signed, place.token, place.chainId, keccak256),
    scheme: 'exact',
    chainId: place.chainId,
    token: Hexes.checksum(place.token),
    payer: Hexes.checksum(signed.from),
    payTo: Hexes.checksum(signed.to),
    amount: signed.value,
    validAfter: signed.validAfter,
    validBefore: signed.validBefore,
    nonce: signed.nonce,
    signature: signed.signature,
    flow: place.flow,
  }
}

/** The token whose authorisations are accepted, with its EIP-712 domain. */
export interface Token {
  address: Hex
  name: string
  version: string
  chainId: number
}

/** Where payments must go and on what terms; what a service was configured with, never what a message says. */
export interface Rules {
  token: Token
  payTo: Hex
}

export const tokenSeparator = (token: Token): Uint8Array =>
  Eip712.separator({ name: token.name, version: token.version, chainId: token.chainId, verifyingContract: token.address })

export type Reason = 'payment.wrong-chain' | 'payment.wrong-token' | 'payment.wrong-recipient' | 'payment.wrong-id' | 'payment.wrong-signature'

/** Verifies a payment again from its own bytes, as everybody does who acts on a message about one. */
export function verify(payment: Payment, rules: Rules, separator: Uint8Array, primitives: Primitives): Verdict<Payment, Reason> {
  if (payment.chainId !== rules.token.chainId) return refuse('payment.wrong-chain')
  if (!Hexes.equals(payment.token, rules.token.address)) return refuse('payment.wrong-token')
  if (!Hexes.equals(payment.payTo, rules.payTo)) return refuse('payment.wrong-recipient')
  const authorization = authorizationOf(payment)
  if (payment.paymentId !== Exact.paymentId(authorization, payment.token, payment.chainId, primitives.keccak256)) return refuse('payment.wrong-id')
  const by = Exact.signer(authorization, separator, primitives)
  if (by === undefined || !Hexes.equals(by, payment.payer)) return refuse('payment.wrong-signature')
  return accept(payment)
}

/** The EIP-3009 authorisation inside a payment. */
export const authorizationOf = (payment: Payment): Exact.SignedAuthorization => ({
  from: payment.payer,
  to: payment.payTo,
  value: payment.amount,
  validAfter: payment.validAfter,
  validBefore: payment.validBefore,
  nonce: payment.nonce,
  signature: payment.signature,
})
