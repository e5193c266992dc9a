import { Digest, Exact, Hex, Offer, Payment, Receipt, Secp256k1 } from '@haca/core'
import { Wire } from '@haca/platform/wire'
import { randomBytes } from 'node:crypto'
import type { Trust } from '../verify-completion.js'

export const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))

const payTo = Hex.checksum(random(20))
const token: Payment.Token = { address: Hex.checksum(random(20)), name: 'USDC', version: '2', chainId: 84532 }
const scope: Receipt.Scope = { chainId: 84532, log: Hex.checksum(random(20)) }
const [gatewayKey, payerKey, nodeKey] = [randomBytes(32), randomBytes(32), randomBytes(32)]

/** A settler that knows the gateway of these deals, and takes every node key for valid. */
export const trust: Trust = {
  ...{ rules: { token, payTo }, scope, tokenSeparator: Payment.tokenSeparator(token), offerSeparator: Offer.separator(scope), primitives: Secp256k1.portable },
  ...{ offerSigners: [Secp256k1.addressOfKey(gatewayKey)], evidenceSigners: [], keys: { validity: async () => 'valid' } },
}

const issuedAt = 1_800_000_000

/** A payment, the offer it took and the receipt of its answer, honest but for what is changed before each is signed; and as messages tell of them. */
export function deal({ flow = 'authorization', receipt: change = {}, offer: offered = {} }: { flow?: Payment.Flow; receipt?: Partial<Receipt.Receipt>; offer?: Partial<Offer.Offer> } = {}) {
  const authorization: Exact.Authorization = { from: Secp256k1.addressOfKey(payerKey), to: payTo, value: 1_000n, validAfter: 0, validBefore: issuedAt + 300, nonce: random(32) }
  const signature = Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, trust.tokenSeparator), payerKey))
  const payment = Payment.from({ ...authorization, signature }, { token: token.address, chainId: 84532, flow })
  const offer: Offer.Offer = {
    ...{ modelHash: random(32), mode: Receipt.modes.tee, token: token.address, payTo, unitPrice: 1_000n, ceiling: 1_000n },
    ...{ deadlineSeconds: 60, validUntil: issuedAt + 300, policyEpoch: 43, decisionHash: random(32), ...offered },
  }
  const requestId = Digest.requestId(payment.paymentId, Hex.zero32)
  const receipt: Receipt.Receipt = {
    ...{ requestId, offerHash: Hex.fromBytes(Offer.hash(offer, trust.offerSeparator)), modelHash: offer.modelHash, requestHash: random(32), outputHash: random(32), evidenceId: random(32) },
    ...{ statementHash: Hex.zero32, paymentId: payment.paymentId, node: Secp256k1.addressOfKey(nodeKey), payer: payment.payer, token: token.address, price: 1_000n, policyEpoch: 43 },
    ...{ issuedAt, settleBy: issuedAt + 600, seq: 1, mode: Receipt.modes.tee, keyKind: Receipt.keyKinds.tdx, ...change },
  }
  const request = { requestId: Hex.toBytes(receipt.requestId), payment: Wire.payment(payment), offer: Wire.offer(Offer.sign(offer, trust.offerSeparator, gatewayKey)) }
  return { payment, requestId, request, outcome: { ...request, receipt: Wire.signedReceipt(Receipt.sign(receipt, scope, nodeKey)) } }
}
