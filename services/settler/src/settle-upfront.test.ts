import { create } from '@bufbuild/protobuf'
import { Digest, Exact, Hex, Offer, Payment, Receipt, Secp256k1 } from '@haca/core'
import { InferenceCompletedSchema, InferenceRequestedSchema, PaymentRequestedSchema } from '@haca/proto'
import { MemoryBlobs, Outcome } from '@haca/platform/blobs'
import type { Bus } from '@haca/platform/bus'
import type { Validity } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { Wire } from '@haca/platform/wire'
import { describe, expect, it } from 'vitest'
import type { PaymentLane } from './payments/lane.js'
import type { Refunds } from './refunds.js'
import { settleUpfront } from './settle-upfront.js'

const word = (n: number): Hex.Hex => `0x${n.toString(16).padStart(2, '0').repeat(32)}`
const address = (n: number): Hex.Hex => `0x${n.toString(16).padStart(2, '0').repeat(20)}`
const key = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const [payer, gateway, node] = [key(1), key(2), key(3)]
const scope = { chainId: 84532, log: address(0x11) }
const token = { address: address(0x22), name: 'USDC', version: '2', chainId: 84532 }
const [tokenSeparator, offerSeparator] = [Payment.tokenSeparator(token), Offer.separator(scope)]

const authorization = { from: Secp256k1.addressOfKey(payer), to: address(0x33), value: 1000n, validAfter: 0, validBefore: 2_000_000_000, nonce: word(4) }
const payment = Payment.from({ ...authorization, signature: Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, tokenSeparator), payer)) }, { token: token.address, chainId: 84532, flow: 'upfront' })
const offer = Offer.sign(
  { modelHash: word(5), mode: Receipt.modes.tee, token: token.address, payTo: address(0x33), unitPrice: 1000n, ceiling: 1000n, deadlineSeconds: 60, validUntil: 2_000_000_000, policyEpoch: 43, decisionHash: word(6) },
  offerSeparator,
  gateway,
)
const requestId = Digest.requestId(payment.paymentId, Hex.zero32)
const receipt: Receipt.Receipt = {
  ...{ requestId, offerHash: Hex.fromBytes(Offer.hash(offer.offer, offerSeparator)), modelHash: word(5), requestHash: word(7), outputHash: word(8), evidenceId: word(9), statementHash: Hex.zero32, paymentId: payment.paymentId },
  ...{ node: Secp256k1.addressOfKey(node), payer: payment.payer, token: token.address, price: 1000n, policyEpoch: 43, issuedAt: 1_795_000_000, settleBy: 1_795_000_600, seq: 1, mode: Receipt.modes.tee, keyKind: Receipt.keyKinds.tdx },
}
const claims = { requestId: Hex.toBytes(requestId), payment: Wire.payment(payment), offer: Wire.offer(offer) }

/** Payments that were returned for a request that was answered by a key of this validity. */
async function returned(validity: () => Promise<Validity>): Promise<Hex.Hex[]> {
  const blobs = new MemoryBlobs()
  await Outcome.decide(blobs, requestId, { case: 'completed', value: create(InferenceCompletedSchema, { ...claims, receipt: Wire.signedReceipt(Receipt.sign(receipt, scope, node)) }) })
  const back: Hex.Hex[] = []
  await settleUpfront(create(PaymentRequestedSchema, { request: create(InferenceRequestedSchema, claims) }), {
    trust: { scope, tokenSeparator, offerSeparator, rules: { token, payTo: address(0x33) }, offerSigners: [Secp256k1.addressOfKey(gateway)], evidenceSigners: [], keys: { validity }, primitives: Secp256k1.portable },
    payments: { submit: async () => ({ outcome: 'collected', credit: { amount: 1000n, refunded: false } }) } as unknown as PaymentLane,
    refunds: { unanswered: async ({ paymentId }: Payment.Payment) => void back.push(paymentId) } as unknown as Refunds,
    ...{ bus: { publish: async () => undefined } as unknown as Bus, blobs, logger: createLogger('test', 'silent'), now: Date.now },
  })
  return back
}

describe('a payment collected before its work', () => {
  it('is kept for an answer whose receipt holds', async () => {
    expect(await returned(async () => 'valid')).toEqual([])
  })

  it('is returned when the key of its answer is condemned before the receipt is taken', async () => {
    expect(await returned(async () => 'compromised')).toEqual([payment.paymentId])
  })

  it('waits while the registry cannot be asked', async () => {
    await expect(returned(() => Promise.reject(new Error('no route to the chain')))).rejects.toMatchObject({ retryable: true })
  })
})
