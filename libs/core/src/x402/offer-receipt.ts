import * as Abi from '../abi.js'
import * as Eip712 from '../eip712.js'
import * as Hex from '../hex.js'
import { portable, sign } from '../secp256k1.js'
import type { Signing } from '../receipt/receipt.js'

/** Payload of an x402 offer (extension `offer-receipt` v1.0, section 4.2). */
export interface Offer {
  version: 1
  resourceUrl: string
  scheme: string
  /** CAIP-2. */
  network: string
  asset: string
  payTo: string
  /** Atomic units. */
  amount: string
  /** Unix seconds. */
  validUntil: number
}

/** A signed offer in the extension's EIP-712 format. */
export interface SignedOffer {
  format: 'eip712'
  acceptIndex: number
  payload: Offer
  signature: Hex.Hex
}

export const key = 'offer-receipt'

const typeHash = Eip712.hashText(
  'Offer(uint256 version,string resourceUrl,string scheme,string network,string asset,string payTo,string amount,uint256 validUntil)',
)
/** The extension's domain has chain id 1 whatever chain is paid on, and no contract (section 3.2). */
const separator = Eip712.separator({ name: 'x402 offer', version: '1', chainId: 1 })

/** EIP-712 digest of an offer: 32 bytes. */
export function digest(offer: Offer): Uint8Array {
  const words = Abi.concat([
    typeHash,
    Abi.word(offer.version),
    ...[offer.resourceUrl, offer.scheme, offer.network, offer.asset, offer.payTo, offer.amount].map((text) => Eip712.hashText(text)),
    Abi.word(offer.validUntil),
  ])
  return Eip712.digest(separator, portable.keccak256(words))
}

/** Signs the offer for one entry of `accepts`. */
export const issue = (offer: Offer, acceptIndex: number, privateKey: Uint8Array, signing: Pick<Signing, 'sign'> = { sign }): SignedOffer => ({
  format: 'eip712',
  acceptIndex,
  payload: offer,
  signature: Hex.fromBytes(signing.sign(digest(offer), privateKey)),
})

/** JSON Schema the extension publishes beside its data (section 6.1). */
export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: { offers: { type: 'array', items: { type: 'object', required: ['format', 'signature'] } } },
  required: ['offers'],
} as const
