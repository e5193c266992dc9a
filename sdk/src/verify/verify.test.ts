import { Decision, Hex, Offer, Receipt, Secp256k1 } from '@haca/core'
import { describe, expect, it } from 'vitest'
import type { Network } from '../network.js'
import type { Bundle } from './bundle.js'
import { verify } from './verify.js'

const word = (n: number): Hex.Hex => `0x${n.toString(16).padStart(2, '0').repeat(32)}`
const address = (n: number): Hex.Hex => `0x${n.toString(16).padStart(2, '0').repeat(20)}`
const [gateway, node] = [new Uint8Array(32).fill(2), new Uint8Array(32).fill(3)]
const scope = { chainId: 84532, log: address(0x11) }
const network: Network = { chainId: 84532, settlementLog: scope.log, revenueVault: address(0x33), token: { address: address(0x22), name: 'USDC', version: '2' }, offerSigners: [Secp256k1.addressOfKey(gateway)] }
const decision: Decision.Decision = { modelHash: word(5), mode: Receipt.modes.tee, units: 1, valueAtRisk: 0n, deadlineMs: 0, budget: 0n, policyEpoch: 43, at: 1_795_000_000_000, candidates: [] }
const offer = Offer.sign(
  { modelHash: word(5), mode: Receipt.modes.tee, token: address(0x22), payTo: address(0x33), unitPrice: 1000n, ceiling: 1000n, deadlineSeconds: 60, validUntil: 2_000_000_000, policyEpoch: 43, decisionHash: Decision.hash(decision) },
  Offer.separator(scope),
  gateway,
)
const receipt: Receipt.Receipt = {
  ...{ requestId: word(1), offerHash: Hex.fromBytes(Offer.hash(offer.offer, Offer.separator(scope))), modelHash: word(5), requestHash: word(7), outputHash: word(8), evidenceId: word(9), statementHash: Hex.zero32, paymentId: word(10) },
  ...{ node: Secp256k1.addressOfKey(node), payer: address(0x44), token: address(0x22), price: 1000n, policyEpoch: 43, issuedAt: 1_795_000_000, settleBy: 1_795_000_600, seq: 1, mode: Receipt.modes.tee, keyKind: Receipt.keyKinds.tdx },
}

/** What is said of a receipt, with the offer and the decision it was bought by. */
async function claimsOf(change: Partial<Receipt.Receipt> = {}) {
  const signed = Receipt.sign({ ...receipt, ...change }, scope, node)
  const bundle = { v: 1, requestId: word(1), receipt: Receipt.toJson(signed.receipt), signature: signed.signature, payment: null, evidence: null, proof: null, inclusion: null, attestation: null } as unknown as Bundle
  return (await verify({ bundle, offer: Offer.toJson(offer), decision: Decision.toJson(decision) }, { network, pinned: true })).claims
}

describe('the route of a receipt', () => {
  it('is the decision that the gateway signed before it was paid', async () => {
    expect((await claimsOf()).route.status).toBe('asserted')
  })

  it('is refuted when another model or an older policy was delivered than was bought', async () => {
    expect((await claimsOf({ modelHash: word(0xaa) })).route).toMatchObject({ status: 'refuted', reason: expect.stringContaining('model') as string })
    expect((await claimsOf({ policyEpoch: 42 })).route).toMatchObject({ status: 'refuted', reason: expect.stringContaining('policy epoch 42') as string })
  })
})

describe('a plain node key', () => {
  it('vouches for no hardware, and a receipt of it that claims some is refuted', async () => {
    const plain = { keyKind: Receipt.keyKinds.node, evidenceId: Hex.zero32 }
    expect((await claimsOf({ ...plain, mode: Receipt.modes.none })).tee_attested.status).toBe('unknown')
    expect((await claimsOf({ ...plain, mode: Receipt.modes.tee })).tee_attested.status).toBe('refuted')
    expect((await claimsOf({ ...plain, mode: Receipt.modes['tee+zkml'] })).tee_attested.status).toBe('refuted')
  })
})
