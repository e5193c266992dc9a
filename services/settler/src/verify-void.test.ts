import { create } from '@bufbuild/protobuf'
import { Digest, Exact, Hex, Offer, Payment, Receipt, Secp256k1 } from '@haca/core'
import { InferenceCompletedSchema, InferenceVoidedSchema } from '@haca/proto'
import { loadPrimitives } from '@haca/platform/crypto'
import { Wire } from '@haca/platform/wire'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { verifyCompletion, verifyVoid, type Trust } from './verify-completion.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const [log, payTo] = [Hex.checksum(random(20)), Hex.checksum(random(20))]
const scope = { chainId: 84532, log }
const token: Payment.Token = { address: Hex.checksum(random(20)), name: 'USDC', version: '2', chainId: 84532 }
const [gatewayKey, payerKey, nodeKey] = [randomBytes(32), randomBytes(32), randomBytes(32)]
const primitives = await loadPrimitives()
const trust: Trust = {
  ...{ rules: { token, payTo }, scope, tokenSeparator: Payment.tokenSeparator(token), offerSeparator: Offer.separator(scope), primitives },
  ...{ offerSigners: [Secp256k1.addressOfKey(gatewayKey)], evidenceSigners: [], keys: { validity: async () => 'valid' } },
}

function paid(): Payment.Payment {
  const authorization: Exact.Authorization = { from: Secp256k1.addressOfKey(payerKey), to: payTo, value: 1_000n, validAfter: 0, validBefore: 1_800_000_300, nonce: random(32) }
  const signature = Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, trust.tokenSeparator), payerKey))
  return Payment.from({ ...authorization, signature }, { token: token.address, chainId: 84532, flow: 'authorization' })
}

/** An honest completion, with the receipt's terms or the offer changed before they are signed. */
function completion(change: Partial<Receipt.Receipt> = {}, offered: Partial<Offer.Offer> = {}) {
  const payment = paid()
  const offer: Offer.Offer = {
    ...{ modelHash: random(32), mode: 1, token: token.address, payTo, unitPrice: 1_000n, ceiling: 1_000n, deadlineSeconds: 120, validUntil: 1_800_000_300, policyEpoch: 1, decisionHash: random(32) },
    ...offered,
  }
  const receipt: Receipt.Receipt = {
    requestId: Digest.requestId(payment.paymentId, Hex.zero32),
    offerHash: Hex.fromBytes(Offer.hash(offer, trust.offerSeparator)),
    modelHash: offer.modelHash,
    ...{ requestHash: random(32), outputHash: random(32), evidenceId: random(32), statementHash: Hex.zero32, paymentId: payment.paymentId },
    ...{ node: Secp256k1.addressOfKey(nodeKey), payer: payment.payer, token: token.address, price: 1_000n, policyEpoch: 1 },
    ...{ issuedAt: 1_800_000_000, settleBy: 1_800_000_600, seq: 1, mode: 1, keyKind: 2 },
    ...change,
  }
  const signed = Receipt.sign(receipt, scope, nodeKey, primitives)
  const parts = { requestId: Hex.toBytes(receipt.requestId), payment: Wire.payment(payment), offer: Wire.offer(Offer.sign(offer, trust.offerSeparator, gatewayKey)), receipt: Wire.signedReceipt(signed) }
  return { completed: create(InferenceCompletedSchema, parts), voided: create(InferenceVoidedSchema, parts) }
}

const forged = { code: 'completion.forged' }

describe('a completion', () => {
  it('is forged when it costs more than the offer allows', async () => {
    await expect(verifyCompletion(completion({}, { ceiling: 999n }).completed, trust)).rejects.toMatchObject(forged)
  })
})

describe('a void', () => {
  const nothing = { mode: Receipt.modes.none, price: 0n }

  it('counts for the request of its own payment', async () => {
    const { voided } = completion(nothing)
    expect(await verifyVoid(voided, trust)).toMatchObject({ requestId: Hex.fromBytes(voided.requestId) })
  })

  it('is forged when it names another request, whose receipt it would stand before', async () => {
    await expect(verifyVoid(completion({ ...nothing, requestId: random(32) }).voided, trust)).rejects.toMatchObject(forged)
  })

  it('is forged when it names another token, or promises another time', async () => {
    await expect(verifyVoid(completion({ ...nothing, token: Hex.checksum(random(20)) }).voided, trust)).rejects.toMatchObject(forged)
    await expect(verifyVoid(completion({ ...nothing, settleBy: 1_800_009_999 }).voided, trust)).rejects.toMatchObject(forged)
  })
})
