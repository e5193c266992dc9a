import { create } from '@bufbuild/protobuf'
import { Digest, Exact, Hex, Offer, Payment, Receipt, Secp256k1 } from '@haca/core'
import { InferenceCompletedSchema } from '@haca/proto'
import { Wire } from '@haca/platform/wire'
import { describe, expect, it } from 'vitest'
import { verifyCompletion, type Trust } from './verify-completion.js'

const word = (n: number): Hex.Hex => `0x${n.toString(16).padStart(2, '0').repeat(32)}`
const address = (n: number): Hex.Hex => `0x${n.toString(16).padStart(2, '0').repeat(20)}`
const key = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const [payer, gateway, node] = [key(1), key(2), key(3)]
const scope = { chainId: 84532, log: address(0x11) }
const token = { address: address(0x22), name: 'USDC', version: '2', chainId: 84532 }
const [tokenSeparator, offerSeparator] = [Payment.tokenSeparator(token), Offer.separator(scope)]
const trust: Trust = {
  ...{ scope, tokenSeparator, offerSeparator, rules: { token, payTo: address(0x33) }, offerSigners: [Secp256k1.addressOfKey(gateway)], evidenceSigners: [] },
  ...{ keys: { validity: async () => 'valid' }, primitives: Secp256k1.portable },
}

const authorization = { from: Secp256k1.addressOfKey(payer), to: address(0x33), value: 1000n, validAfter: 0, validBefore: 2_000_000_000, nonce: word(4) }
const payment = Payment.from({ ...authorization, signature: Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, tokenSeparator), payer)) }, { token: token.address, chainId: 84532, flow: 'authorization' })
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
const verified = (change: Partial<Receipt.Receipt> = {}) =>
  verifyCompletion(
    create(InferenceCompletedSchema, { requestId: Hex.toBytes(requestId), payment: Wire.payment(payment), offer: Wire.offer(offer), receipt: Wire.signedReceipt(Receipt.sign({ ...receipt, ...change }, scope, node)) }),
    trust,
  )

describe('a completion', () => {
  it('is believed when payment, offer and receipt speak of the same', async () => {
    expect((await verified()).requestId).toBe(requestId)
  })

  it.each([
    ['another model than was bought', { modelHash: word(0xaa) }],
    ['an older policy than it was sold under', { policyEpoch: 42 }],
    ['less verification than was bought', { mode: Receipt.modes.none }],
    ['a higher price than was authorised', { price: 1001n }],
    ['a later settle-by', { settleBy: receipt.settleBy + 1 }],
  ] as const)('is forged when its receipt names %s', async (_what, change) => {
    await expect(verified(change)).rejects.toMatchObject({ code: 'completion.forged' })
  })
})
