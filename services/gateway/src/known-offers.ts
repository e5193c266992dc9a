import type { Hex, Offer } from '@haca/core'

const most = 50_000

/**
 * Offers this replica has signed or checked. A payment comes seconds after its offer, and looking is twenty times cheaper than
 * recovering a signature; an offer that is not here is checked by its signature.
 */
export class KnownOffers {
  readonly #bySignature = new Map<Hex.Hex, Offer.Offer>()

  add({ offer, signature }: Offer.Signed): void {
    if (this.#bySignature.size >= most) this.#bySignature.delete(this.#bySignature.keys().next().value as Hex.Hex)
    this.#bySignature.set(signature, offer)
  }

  /** Whether this very offer is known under this signature. */
  has({ offer, signature }: Offer.Signed): boolean {
    const known = this.#bySignature.get(signature)
    return known !== undefined && fields.every((field) => known[field] === offer[field])
  }
}

const fields: readonly (keyof Offer.Offer)[] = ['modelHash', 'mode', 'token', 'payTo', 'unitPrice', 'ceiling', 'deadlineSeconds', 'validUntil', 'policyEpoch', 'decisionHash']
