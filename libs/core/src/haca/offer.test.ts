import { hashTypedData } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import * as Hex from '../hex.js'
import * as OfferReceipt from '../x402/offer-receipt.js'
import * as Offer from './offer.js'

const key = `0x${'33'.repeat(32)}` as Hex.Hex
const account = privateKeyToAccount(key)
const scope = { chainId: 84532, log: '0x00000000000000000000000000000000000a0001' as Hex.Hex }
const separator = Offer.separator(scope)
const offer: Offer.Offer = {
  modelHash: `0x${'a1'.repeat(32)}`,
  mode: 1,
  token: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  payTo: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
  unitPrice: 1000n,
  ceiling: 3000n,
  deadlineSeconds: 120,
  validUntil: 1_795_000_300,
  policyEpoch: 7,
  decisionHash: `0x${'d1'.repeat(32)}`,
}

describe('HACA offer', () => {
  it('hashes as an independent EIP-712 implementation does', () => {
    const fields = Offer.typeString.slice('InferenceOffer('.length, -1).split(',').map((f) => ({ type: f.split(' ')[0] as string, name: f.split(' ')[1] as string }))
    const theirs = hashTypedData({
      domain: { name: 'HACA Offer', version: '1', chainId: scope.chainId, verifyingContract: scope.log },
      types: { InferenceOffer: fields },
      primaryType: 'InferenceOffer',
      message: { ...offer, validUntil: BigInt(offer.validUntil), policyEpoch: BigInt(offer.policyEpoch) },
    })
    expect(Hex.fromBytes(Offer.hash(offer, separator))).toBe(theirs)
  })

  it('survives JSON and shows who signed it; a changed price shows somebody else', () => {
    const signed = Offer.sign(offer, separator, Hex.toBytes(key))
    const echoed = Offer.fromJson(JSON.parse(JSON.stringify(Offer.toJson(signed))))
    expect(echoed).toEqual({ ok: true, value: signed })
    expect(Hex.equals(Offer.signer(signed, separator) as string, account.address)).toBe(true)
    const cheaper = { ...signed, offer: { ...offer, ceiling: 1n } }
    expect(Hex.equals(Offer.signer(cheaper, separator) ?? '', account.address)).toBe(false)
  })

  it('names the malformed field of an echoed offer', () => {
    const json = Offer.toJson(Offer.sign(offer, separator, Hex.toBytes(key)))
    for (const [name, bad] of [['modelHash', '0x'], ['mode', 4], ['unitPrice', 5], ['ceiling', (1n << 128n).toString()], ['validUntil', -1], ['signature', '0x00']] as const) {
      expect(Offer.fromJson({ ...json, [name]: bad })).toMatchObject({ ok: false, field: `accepted.extra.offer.${name}` })
    }
    expect(Offer.fromJson(undefined)).toMatchObject({ ok: false })
  })

  it('charges by unit up to the ceiling', () => {
    expect(Offer.price(offer, 2)).toBe(2000n)
    expect(Offer.price(offer, 9)).toBe(3000n)
  })
})

describe('x402 offer', () => {
  it('hashes as the extension specifies: domain "x402 offer", version 1, chain 1, no contract', async () => {
    const payload: OfferReceipt.Offer = { version: 1, resourceUrl: 'https://a/v1/inference', scheme: 'exact', network: 'eip155:84532', asset: offer.token, payTo: offer.payTo, amount: '3000', validUntil: 1_795_000_300 }
    const typed = {
      domain: { name: 'x402 offer', version: '1', chainId: 1 },
      types: {
        Offer: [
          { name: 'version', type: 'uint256' },
          { name: 'resourceUrl', type: 'string' },
          { name: 'scheme', type: 'string' },
          { name: 'network', type: 'string' },
          { name: 'asset', type: 'string' },
          { name: 'payTo', type: 'string' },
          { name: 'amount', type: 'string' },
          { name: 'validUntil', type: 'uint256' },
        ],
      },
      primaryType: 'Offer' as const,
      message: { ...payload, version: 1n, validUntil: BigInt(payload.validUntil) },
    }
    expect(Hex.fromBytes(OfferReceipt.digest(payload))).toBe(hashTypedData(typed))
    // RFC 6979 makes signatures comparable across implementations.
    expect(OfferReceipt.issue(payload, 0, Hex.toBytes(key)).signature).toBe(await account.signTypedData(typed))
  })
})
