import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import * as Abi from '../abi.js'
import * as Digest from '../digest.js'
import * as Eip712 from '../eip712.js'
import { assert } from '../errors.js'
import * as Hex from '../hex.js'
import * as Money from '../money.js'
import { portable, type Primitives } from '../secp256k1.js'
import { accept, refuse, type Verdict } from '../verdict.js'

/** EIP-3009 `TransferWithAuthorization` as the payer signed it (x402 scheme `exact`, asset transfer method `eip3009`). */
export interface Authorization {
  from: Hex.Hex
  to: Hex.Hex
  value: Money.Atomic
  /** Unix seconds; the token demands `validAfter < now < validBefore`. */
  validAfter: number
  validBefore: number
  /** 32 bytes; unique per payer. */
  nonce: Hex.Hex
}

export interface SignedAuthorization extends Authorization {
  /** r ‖ s ‖ v, 65 bytes. */
  signature: Hex.Hex
}

/** Reasons of the x402 EVM error vocabulary (version 2.27), character for character. */
export type Reason =
  | 'unsupported_payload_type'
  | 'invalid_exact_evm_scheme'
  | 'invalid_exact_evm_missing_eip712_domain'
  | 'invalid_exact_evm_network_mismatch'
  | 'invalid_exact_evm_signature'
  | 'invalid_exact_evm_recipient_mismatch'
  | 'invalid_exact_evm_payload_authorization_valid_before'
  | 'invalid_exact_evm_payload_authorization_valid_after'
  | 'invalid_exact_evm_payload_authorization_value_mismatch'

const typeHash = Eip712.hashText(
  'TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)',
)

/** EIP-712 digest of an authorisation under the token's domain: 32 bytes. */
export function digest(authorization: Authorization, domainSeparator: Uint8Array, keccak256: Primitives['keccak256'] = portable.keccak256): Uint8Array {
  const words = new Uint8Array(7 * 32)
  words.set(typeHash, 0)
  Hex.put(authorization.from, 20, words, 32 + 12)
  Hex.put(authorization.to, 20, words, 64 + 12)
  words.set(Abi.uint(authorization.value, 16), 96 + 16)
  words.set(Abi.uint(authorization.validAfter, 8), 128 + 24)
  words.set(Abi.uint(authorization.validBefore, 8), 160 + 24)
  Hex.put(authorization.nonce, 32, words, 192)
  return Eip712.digest(domainSeparator, keccak256(words), keccak256)
}

/** Address that signed an authorisation, or `undefined`. */
export function signer(signed: SignedAuthorization, domainSeparator: Uint8Array, primitives: Primitives = portable): Hex.Hex | undefined {
  const address = primitives.recover(digest(signed, domainSeparator, primitives.keccak256), Hex.toBytes(signed.signature))
  return address && Hex.fromBytes(address)
}

/** Separator of the token a requirement names. */
export function tokenSeparator(requirements: PaymentRequirements): Uint8Array {
  const { name, version } = requirements.extra as { name: string; version: string }
  return Eip712.separator({ name, version, chainId: chainId(requirements.network), verifyingContract: requirements.asset as Hex.Hex })
}

/** Chain id of a CAIP-2 network of the namespace `eip155`. */
export function chainId(network: string): number {
  const match = /^eip155:([1-9][0-9]{0,15})$/.exec(network)
  assert(match, 'a network we configured')
  return Number(match[1])
}

/** Reads `payload.payload`. Everything the type or the token could not hold is refused with its field's name. */
export function parse(payload: PaymentPayload): Verdict<SignedAuthorization, 'malformed' | 'unsupported_payload_type'> {
  const body = payload.payload as Record<string, unknown>
  if ('permit2Authorization' in body) return refuse('unsupported_payload_type', 'only EIP-3009 authorisations are accepted here', 'payload')
  const source = body.authorization as Record<string, unknown> | undefined
  if (typeof source !== 'object' || source === null) return malformed('payload.authorization')
  if (!Hex.is(body.signature) || body.signature.length > 2 + 2 * 4096) return malformed('payload.signature')
  for (const name of ['from', 'to'] as const) if (!Hex.is(source[name], 20)) return malformed(`payload.authorization.${name}`)
  if (!Hex.is(source.nonce, 32)) return malformed('payload.authorization.nonce')
  const value = decimal(source.value, Money.max)
  const validAfter = decimal(source.validAfter, maxTime)
  const validBefore = decimal(source.validBefore, maxTime)
  if (value === undefined) return malformed('payload.authorization.value')
  if (validAfter === undefined) return malformed('payload.authorization.validAfter')
  if (validBefore === undefined) return malformed('payload.authorization.validBefore')
  return accept({
    from: source.from as Hex.Hex,
    to: source.to as Hex.Hex,
    value,
    validAfter: Number(validAfter),
    validBefore: Number(validBefore),
    nonce: source.nonce,
    signature: body.signature,
  })
}

/** What a payment is held against. */
export interface Terms {
  requirements: PaymentRequirements
  /** Unix seconds. */
  now: number
  /** Seconds an authorisation must still live; the specification's least is 6. */
  minRemainingSeconds: number
}

/**
 * Verifies a payment natively: no network, no clock. Checks in the order of the official facilitator, so that a payment
 * with one fault gets the same reason from both. What only the chain knows (balance, nonce use, code at the payer's
 * address) is the exposure ledger's business.
 */
export function verify(payload: PaymentPayload, terms: Terms, primitives: Primitives = portable): Verdict<SignedAuthorization, Reason | 'malformed'> {
  const { requirements, now } = terms
  const parsed = parse(payload)
  if (!parsed.ok) return parsed
  const authorization = parsed.value
  if (payload.accepted.scheme !== 'exact' || requirements.scheme !== 'exact') return refuse('invalid_exact_evm_scheme')
  if (!requirements.extra?.name || !requirements.extra.version) return refuse('invalid_exact_evm_missing_eip712_domain')
  if (payload.accepted.network !== requirements.network) return refuse('invalid_exact_evm_network_mismatch')
  const by = signer(authorization, tokenSeparator(requirements), primitives)
  if (by === undefined || !Hex.equals(by, authorization.from)) return refuse('invalid_exact_evm_signature')
  if (!Hex.equals(authorization.to, requirements.payTo)) return refuse('invalid_exact_evm_recipient_mismatch')
  if (authorization.validBefore < now + terms.minRemainingSeconds) return refuse('invalid_exact_evm_payload_authorization_valid_before')
  if (authorization.validAfter > now) return refuse('invalid_exact_evm_payload_authorization_valid_after')
  if (authorization.value !== Money.parse(requirements.amount)) return refuse('invalid_exact_evm_payload_authorization_value_mismatch')
  return parsed
}

/** Identity of an authorisation on a chain and token (design, section 6). */
export const paymentId = (authorization: Authorization, token: Hex.Hex, chain: number, keccak256?: Primitives['keccak256']): Hex.Hex =>
  Digest.paymentId({ chainId: chain, scheme: 'exact', token, payer: authorization.from, nonce: authorization.nonce }, keccak256)

/** Times past year 10,000 are nobody's intention and would not fit the receipt's arithmetic. */
const maxTime = 253_402_300_800n

function decimal(value: unknown, most: bigint): bigint | undefined {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,77})$/.test(value)) return undefined
  const number = BigInt(value)
  return number <= most ? number : undefined
}

const malformed = (field: string) => refuse('malformed' as const, `${field} is missing or malformed`, field)
