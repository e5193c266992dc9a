import type { PaymentRequired, PaymentRequirements } from '@x402/core/types'
import { Hex, Money, Offer, PaymentHeader, Receipt } from '@haca/core'
import { HacaError } from './errors.js'
import type { Network } from './network.js'

/** What is about to be paid for. */
export interface Chosen {
  requirements: PaymentRequirements
  offer: Offer.Signed
  amount: Money.Atomic
}

/** What is asked for, as far as an offer says whether it is for that. */
export interface Asked {
  model: string
  verification?: 'auto' | 'tee' | 'zkml' | 'tee+zkml'
}

/** Least mode that a wish accepts; modes rise with their assurance. */
const leastMode = { auto: Receipt.modes.tee, tee: Receipt.modes.tee, zkml: Receipt.modes.zkml, 'tee+zkml': Receipt.modes['tee+zkml'] } as const

/**
 * Picks the entry to pay, or refuses to: wrong chain, token or recipient, an offer nobody we trust signed or that is not for what was asked, or a price above
 * the maximum. A model's name is the gateway's to resolve; a digest is held against the offer.
 */
export function chooseOffer(required: PaymentRequired, network: Network, maximum: Money.Atomic, asked: Asked): Chosen {
  const payable = required.accepts.filter((entry) => entry.scheme === 'exact' && entry.network === `eip155:${network.chainId}`)
  const [entry] = payable
  if (!entry) throw untrusted(`no entry pays "exact" on eip155:${network.chainId}`)
  if (!Hex.equals(entry.asset, network.token.address)) throw untrusted(`the price is in ${entry.asset}, not in the token that was pinned`)
  if (!Hex.equals(entry.payTo, network.revenueVault)) throw untrusted(`the payment would go to ${entry.payTo}, not to the vault that was pinned`)
  const read = Offer.fromJson(entry.extra?.offer)
  if (!read.ok) throw untrusted(`the offer cannot be read: ${read.detail}`)
  const signer = Offer.signer(read.value, Offer.separator({ chainId: network.chainId, log: network.settlementLog }))
  if (!signer || !network.offerSigners.some((known) => Hex.equals(known, signer))) throw untrusted('the offer is not signed by a gateway key that was pinned')
  const { mode, modelHash } = read.value.offer
  if (mode < leastMode[asked.verification ?? 'auto']) throw untrusted(`the offer is for mode ${mode}, which is less than the ${asked.verification ?? 'auto'} that was asked for`)
  if (Hex.is(asked.model, 32) && !Hex.equals(asked.model, modelHash)) throw untrusted(`the offer is for the model ${modelHash}, not for ${asked.model}`)
  const amount = Money.parse(entry.amount)
  if (amount !== read.value.offer.ceiling) throw untrusted('the amount differs from the signed offer')
  if (amount > maximum) throw new HacaError('price-above-maximum', `the price is ${amount} atomic units, the maximum is ${maximum}; nothing was signed`, { amount, maximum })
  return { requirements: entry, offer: read.value, amount }
}

/** `PAYMENT-REQUIRED` of a 402. */
export function readRequired(response: Response): PaymentRequired {
  const header = response.headers.get(PaymentHeader.names.required)
  const decoded = header === null ? undefined : PaymentHeader.decodeRequired(header)
  if (decoded?.ok) return decoded.value
  throw untrusted('the 402 carries no PAYMENT-REQUIRED that can be read')
}

const untrusted = (message: string): HacaError => new HacaError('offer-not-trusted', `${message}; nothing was signed`)
