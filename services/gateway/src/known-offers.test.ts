import { Hex, Offer } from '@haca/core'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { KnownOffers } from './known-offers.js'

const address = Hex.checksum(Hex.fromBytes(randomBytes(20)))
const offer: Offer.Offer = {
  ...{ modelHash: Hex.fromBytes(randomBytes(32)), mode: 1, token: address, payTo: address, unitPrice: 1_000n, ceiling: 2_000n },
  ...{ deadlineSeconds: 120, validUntil: 1_800_000_000, policyEpoch: 1, decisionHash: Hex.fromBytes(randomBytes(32)) },
}
const signed = Offer.sign(offer, Offer.separator({ chainId: 84532, log: address }), randomBytes(32))

describe('known offers', () => {
  it('know an offer as it was added, and after it went to a client and back', () => {
    const known = new KnownOffers()
    expect(known.has(signed)).toBe(false)
    known.add(signed)
    expect(known.has(signed)).toBe(true)
    const back = Offer.fromJson(JSON.parse(JSON.stringify(Offer.toJson(signed))))
    expect(back.ok && known.has(back.value)).toBe(true)
  })

  it('do not know it with any field changed', () => {
    const known = new KnownOffers()
    known.add(signed)
    for (const [field, value] of Object.entries(offer)) {
      const other = typeof value === 'bigint' ? value + 1n : typeof value === 'number' ? value + 1 : `0x${'12'.repeat((value.length - 2) / 2)}`
      expect(known.has({ ...signed, offer: { ...offer, [field]: other } }), field).toBe(false)
    }
    expect(known.has({ ...signed, signature: `0x${'12'.repeat(65)}` })).toBe(false)
  })

  it('forget the oldest beyond fifty thousand', () => {
    const known = new KnownOffers()
    known.add(signed)
    for (let i = 0; i < 50_000; i++) known.add({ offer, signature: `0x${i.toString(16).padStart(130, '0')}` })
    expect(known.has(signed)).toBe(false)
    expect(known.has({ offer, signature: `0x${(49_999).toString(16).padStart(130, '0')}` })).toBe(true)
  })
})
