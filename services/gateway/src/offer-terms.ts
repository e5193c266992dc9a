import type { PaymentRequired, PaymentRequirements } from '@x402/core/types'
import { Decision, Hex, Identifier, Offer, OfferReceipt, type Payment } from '@haca/core'
import type { Native } from '@haca/platform/crypto'
import { modeName, type Priced } from './ask.js'
import type { KnownOffers } from './known-offers.js'

/** How this gateway sells. */
export interface Terms {
  token: Payment.Token
  payTo: Hex.Hex
  /** CAIP-2. */
  network: string
  paymentTimeoutSeconds: number
  offerSeconds: number
  offerKey: Uint8Array
  offerSeparator: Uint8Array
  primitives: Native
  known: KnownOffers
  /** Unix milliseconds. */
  now(): number
}

/** What must be paid, and how: the object a 402 carries in its header. */
export function paymentRequired(priced: Priced, flows: readonly Payment.Flow[], terms: Terms, error?: string): PaymentRequired {
  const signed = makeOffer(priced, terms)
  const accepts = flows.map((flow) => requirements(signed, flow, terms))
  const { resourceUrl } = priced.ask
  return {
    x402Version: 2,
    ...(error === undefined ? {} : { error }),
    resource: { url: resourceUrl, description: `${priced.model.name}@${priced.model.version}, ${modeName(priced.decision.mode)}`, mimeType: 'application/json', serviceName: 'HACA' },
    accepts,
    extensions: {
      [OfferReceipt.key]: { info: { offers: accepts.map((entry, i) => standardOffer(entry, i, resourceUrl, signed, terms)) }, schema: OfferReceipt.schema },
      [Identifier.key]: Identifier.declaration,
    },
  }
}

/** Signs the offer: method and price, never a pool. */
function makeOffer(priced: Priced, terms: Terms): Offer.Signed {
  const offer: Offer.Offer = {
    modelHash: priced.model.modelHash,
    mode: priced.decision.mode,
    token: terms.token.address,
    payTo: terms.payTo,
    unitPrice: priced.unitPrice,
    ceiling: priced.ceiling,
    deadlineSeconds: priced.deadlineSeconds,
    validUntil: Math.floor(terms.now() / 1000) + terms.offerSeconds,
    policyEpoch: priced.decision.policyEpoch,
    decisionHash: priced.decisionHash,
  }
  const signed = { offer, signature: Hex.fromBytes(terms.primitives.sign(Offer.hash(offer, terms.offerSeparator, terms.primitives.keccak256), terms.offerKey)) }
  terms.known.add(signed)
  return signed
}

/** One entry of `accepts`. The signed offer rides in `extra`, which every client sends back as it came. */
export function requirements(signed: Offer.Signed, flow: Payment.Flow, terms: Omit<Terms, 'offerKey'>): PaymentRequirements {
  return {
    scheme: 'exact',
    network: terms.network as `${string}:${string}`,
    amount: signed.offer.ceiling.toString(),
    asset: terms.token.address,
    payTo: terms.payTo,
    maxTimeoutSeconds: terms.paymentTimeoutSeconds,
    extra: {
      name: terms.token.name,
      version: terms.token.version,
      ...(flow === 'upfront' ? { paymentFlow: 'upfront' } : {}),
      offer: Offer.toJson(signed),
    },
  }
}

function standardOffer(entry: PaymentRequirements, index: number, resourceUrl: string, { offer }: Offer.Signed, terms: Terms): OfferReceipt.SignedOffer {
  const { scheme, network, asset, payTo, amount } = entry
  return OfferReceipt.issue({ version: 1, resourceUrl, scheme, network, asset, payTo, amount, validUntil: offer.validUntil }, index, terms.offerKey, terms.primitives)
}

/** The decision as a 402's body shows it. */
export const decisionJson = (priced: Priced): Decision.Json => Decision.toJson(priced.decision)
