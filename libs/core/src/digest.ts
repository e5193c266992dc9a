import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from './abi.js'
import * as Hex from './hex.js'
import { portable, type Primitives } from './secp256k1.js'

type Keccak = Primitives['keccak256']
type Sha256 = Primitives['sha256']

/** What identifies a payment: the token contract itself refuses a second use of the nonce. */
export interface PaymentKey {
  chainId: number
  /** x402 scheme, e.g. `exact`. */
  scheme: string
  token: Hex.Hex
  payer: Hex.Hex
  /** 32 bytes. */
  nonce: Hex.Hex
}

/** keccak256(abi.encode("haca/payment/1", chainId, scheme, token, payer, nonce)). */
export function paymentId({ chainId, scheme, token, payer, nonce }: PaymentKey, keccak256: Keccak = portable.keccak256): Hex.Hex {
  const preimage = paymentForm(chainId, scheme, token).slice()
  Hex.put(payer, 20, preimage, 4 * 32 + 12)
  Hex.put(nonce, 32, preimage, 5 * 32)
  return Hex.fromBytes(keccak256(preimage))
}

/** What all payments of a token have in common, encoded: few of them, and most of the work of an id. */
const paymentForms = new Map<string, Uint8Array>()

function paymentForm(chainId: number, scheme: string, token: Hex.Hex): Uint8Array {
  const key = `${chainId} ${scheme} ${token}`
  let form = paymentForms.get(key)
  if (!form) {
    if (paymentForms.size >= 1_000) paymentForms.clear()
    form = Abi.encode([
      { type: 'string', value: 'haca/payment/1' },
      { type: 'uint', value: chainId },
      { type: 'string', value: scheme },
      { type: 'address', value: token },
      { type: 'address', value: Hex.zeroAddress },
      { type: 'bytes32', value: Hex.zero32 },
    ])
    paymentForms.set(key, form)
  }
  return form
}

/** The x402 payment-identifier as 32 bytes: keccak256 of its text, or zero when there is none. */
export const identifierHash = (identifier: string | undefined): Hex.Hex =>
  identifier === undefined ? Hex.zero32 : Hex.fromBytes(portable.keccak256(utf8ToBytes(identifier)))

/** keccak256(abi.encode("haca/request/1", paymentId, payment-identifier or 0)). */
export function requestId(payment: Hex.Hex, identifier: Hex.Hex = Hex.zero32, keccak256: Keccak = portable.keccak256): Hex.Hex {
  const preimage = requestForm.slice()
  Hex.put(payment, 32, preimage, 32)
  Hex.put(identifier, 32, preimage, 2 * 32)
  return Hex.fromBytes(keccak256(preimage))
}

const requestForm = Abi.encode([
  { type: 'string', value: 'haca/request/1' },
  { type: 'bytes32', value: Hex.zero32 },
  { type: 'bytes32', value: Hex.zero32 },
])

/** SHA-256("req/1" ‖ salt ‖ SHA-256(raw body)). The salt is 32 bytes, because prompts can be guessed and receipts are public. */
export const requestHash = (salt: Uint8Array, body: Uint8Array, sha256: Sha256 = portable.sha256): Hex.Hex => salted('req/1', salt, sha256(body))

/** SHA-256("out/1" ‖ salt ‖ SHA-256(raw answer)). */
export const outputHash = (salt: Uint8Array, answer: Uint8Array, sha256: Sha256 = portable.sha256): Hex.Hex => salted('out/1', salt, sha256(answer))

/** As `outputHash` for a stream, whose last chain value stands for SHA-256(raw answer). */
export const streamOutputHash = (salt: Uint8Array, last: Uint8Array): Hex.Hex => salted('out/1', salt, last)

/** First value of a stream's hash chain: SHA-256("sse/1"). */
export const streamStart = (): Uint8Array => portable.sha256(utf8ToBytes('sse/1'))

/** Next value of a stream's hash chain: SHA-256(h ‖ length:4 ‖ chunk). */
export const streamNext = (previous: Uint8Array, chunk: Uint8Array): Uint8Array =>
  portable.sha256(Abi.concat([previous, Abi.uint(chunk.length, 4), chunk]))

/**
 * EIP-3009 nonce that binds a payment to one request body: keccak256(abi.encode("haca/nonce/1", requestHash)).
 * The token accepts any 32 bytes; who shows this nonce and the salted body proves what was paid for.
 */
export const boundNonce = (requestHash: Hex.Hex): Hex.Hex =>
  Hex.fromBytes(
    portable.keccak256(
      Abi.encode([
        { type: 'string', value: 'haca/nonce/1' },
        { type: 'bytes32', value: requestHash },
      ]),
    ),
  )

/**
 * What makes two requests the same request: SHA-256("haca/fingerprint/1 " ‖ operation ‖ 0 ‖ identifier:32 ‖ salt length:1 ‖ salt ‖ body). An
 * operation has no zero byte, so no two requests share a preimage.
 */
export function fingerprint({ operation, body, salt, identifier }: { operation: string; body: Uint8Array; salt: Uint8Array; identifier: Hex.Hex }, sha256: Sha256 = portable.sha256): Hex.Hex {
  const tag = `haca/fingerprint/1 ${operation}\0`
  const preimage = new Uint8Array(tag.length + 32 + 1 + salt.length + body.length)
  for (let i = 0; i < tag.length; i++) preimage[i] = tag.charCodeAt(i) // an operation is one of our own ASCII words
  Hex.put(identifier, 32, preimage, tag.length)
  preimage[tag.length + 32] = salt.length
  preimage.set(salt, tag.length + 33)
  preimage.set(body, tag.length + 33 + salt.length)
  return Hex.fromBytes(sha256(preimage))
}

/** Content address of stored bytes. */
export const content = (bytes: Uint8Array): Hex.Hex => Hex.fromBytes(portable.sha256(bytes))

function salted(tag: string, salt: Uint8Array, bodyHash: Uint8Array): Hex.Hex {
  return Hex.fromBytes(portable.sha256(Abi.concat([utf8ToBytes(tag), salt, bodyHash])))
}
