import type { PaymentPayload } from '@x402/core/types'
import { Exact, Hex, Offer, Payment, Secp256k1 } from '@haca/core'
import { BodyEncoding } from '@haca/proto'
import { loadPrimitives } from '@haca/platform/crypto'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { verifyPayment, type Verifier } from './admit-payment.js'
import type { Read } from './ask.js'
import { KnownOffers } from './known-offers.js'
import { requirements } from './offer-terms.js'

const address = (): Hex.Hex => Hex.checksum(Hex.fromBytes(randomBytes(20)))
const now = 1_800_000_000
const [log, payTo, offerKey, payerKey] = [address(), address(), randomBytes(32), randomBytes(32)]
const token: Payment.Token = { address: address(), name: 'USDC', version: '2', chainId: 84532 }
const primitives = await loadPrimitives()
const terms = {
  ...{ token, payTo, network: 'eip155:84532', paymentTimeoutSeconds: 300, offerSeconds: 300, offerKey, primitives },
  offerSeparator: Offer.separator({ chainId: 84532, log }),
  known: new KnownOffers(),
  now: () => now * 1000,
}
const verifier: Verifier = { terms, offerSigners: [Secp256k1.addressOfKey(offerKey)], remainingSeconds: 60, primitives, now: terms.now }

const modelHash = Hex.fromBytes(randomBytes(32))
const offer = Offer.sign(
  {
    ...{ modelHash, mode: 1, token: token.address, payTo, unitPrice: 1_000n, ceiling: 1_000n },
    ...{ deadlineSeconds: 120, validUntil: now + 300, policyEpoch: 1, decisionHash: Hex.fromBytes(randomBytes(32)) },
  },
  terms.offerSeparator,
  offerKey,
)
const request = (change: { modelHash?: Hex.Hex; units?: number } = {}) =>
  ({
    ask: { operation: 'infer', encoding: BodyEncoding.JSON, body: new TextEncoder().encode('{}'), salt: new Uint8Array(0), resourceUrl: 'http://gateway/v1/inference' },
    model: { modelHash: change.modelHash ?? modelHash },
    units: change.units ?? 1,
  }) as Read

function pay(change: Partial<Exact.Authorization> = {}): PaymentPayload {
  const authorization: Exact.Authorization = { from: Secp256k1.addressOfKey(payerKey), to: payTo, value: 1_000n, validAfter: now - 600, validBefore: now + 300, nonce: Hex.fromBytes(randomBytes(32)), ...change }
  const signature = Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, Payment.tokenSeparator(token)), payerKey))
  const texts = { value: authorization.value.toString(), validAfter: String(authorization.validAfter), validBefore: String(authorization.validBefore) }
  return { x402Version: 2, accepted: requirements(offer, 'authorization', terms), payload: { signature, authorization: { ...authorization, ...texts } } } as PaymentPayload
}

describe('a payment in process', () => {
  it('is taken within the life its offer asks for', () => {
    expect(verifyPayment(pay(), request(), verifier).ok).toBe(true)
    expect(verifyPayment(pay({ validBefore: now + 60 }), request(), verifier).ok).toBe(true)
    // A payer's clock may be ahead of ours.
    expect(verifyPayment(pay({ validBefore: now + 300 + 600 }), request(), verifier).ok).toBe(true)
  })

  it('is refused when it lives longer than anybody keeps its claim', () => {
    for (const validBefore of [now + 300 + 601, now + 10 * 365 * 86_400]) {
      const verdict = verifyPayment(pay({ validBefore }), request(), verifier)
      expect(verdict).toMatchObject({ ok: false, reason: 'invalid_exact_evm_payload_authorization_valid_before' })
      expect(verdict).not.toHaveProperty('late')
    }
  })

  it('for a model that has a newer version by now may have an answer from before', () => {
    const verdict = verifyPayment(pay(), request({ modelHash: Hex.fromBytes(randomBytes(32)) }), verifier)
    expect(verdict).toMatchObject({ ok: false, reason: 'No matching payment requirements', late: { payment: { payTo } } })
  })

  it('of other terms, or of nobody, has none', () => {
    const other = { ...pay(), accepted: { ...pay().accepted, maxTimeoutSeconds: 301 } }
    const unsigned = pay()
    ;(unsigned.payload.authorization as { nonce: Hex.Hex }).nonce = Hex.fromBytes(randomBytes(32))
    expect(verifyPayment(other, request(), verifier)).toMatchObject({ ok: false, reason: 'No matching payment requirements' })
    const forged = verifyPayment(unsigned, request({ modelHash: Hex.fromBytes(randomBytes(32)) }), verifier)
    expect(forged).toMatchObject({ ok: false, reason: 'No matching payment requirements' })
    expect(forged).not.toHaveProperty('late')
  })
})
