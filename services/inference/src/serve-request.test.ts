import { create } from '@bufbuild/protobuf'
import { Digest, Exact, Hex, Offer, Payment, Receipt, Secp256k1, type Tensor } from '@haca/core'
import { BodyEncoding, InferenceRequestedSchema } from '@haca/proto'
import { MemoryBlobs } from '@haca/platform/blobs'
import { loadPrimitives } from '@haca/platform/crypto'
import { Wire } from '@haca/platform/wire'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createSigner } from './enclave/signer.js'
import type { LocalModel } from './models.js'
import { serveRequest, type Node } from './serve-request.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const start = 1_800_000_000
const [log, payTo, modelHash] = [Hex.checksum(random(20)), Hex.checksum(random(20)), random(32)]
const scope = { chainId: 84532, log }
const token: Payment.Token = { address: Hex.checksum(random(20)), name: 'USDC', version: '2', chainId: 84532 }
const [gatewayKey, payerKey] = [randomBytes(32), randomBytes(32)]
const primitives = await loadPrimitives()
const [tokenSeparator, offerSeparator] = [Payment.tokenSeparator(token), Offer.separator(scope)]

/** A node whose model answers one row with as many numbers as it is told. */
async function nodeOf(numbers: number): Promise<Node> {
  const now = () => start * 1000
  const signer = await createSigner({ scope, keyKind: 2, evidenceId: random(32), privateKey: randomBytes(32), expiresAt: start + 3_600, now })
  const manifest = { name: 'wide', version: '1.0.0', maxUnits: 1, inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, numbers] }] }
  const outputs: Tensor.Tensor[] = [{ name: 'y', datatype: 'FP32', shape: [1, numbers], data: new Float32Array(numbers).fill(0.123456) }]
  return {
    ...{ blobs: new MemoryBlobs(), models: new Map([[modelHash, { modelHash, manifest } as unknown as LocalModel]]), rules: { token, payTo }, tokenSeparator, offerSeparator, primitives, now },
    ...{ offerSigners: [Secp256k1.addressOfKey(gatewayKey)], settleMarginSeconds: 30, stating: {} as never, openGradient: {} as never },
    runner: { submit: async () => outputs, load: () => ({ depth: 0, oldestAgeMs: 0 }) },
    signer: { ...signer, usable: () => true },
  }
}

function request(flow: Payment.Flow = 'authorization') {
  const authorization: Exact.Authorization = { from: Secp256k1.addressOfKey(payerKey), to: payTo, value: 1_000n, validAfter: 0, validBefore: start + 300, nonce: random(32) }
  const signature = Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, tokenSeparator), payerKey))
  const payment = Payment.from({ ...authorization, signature }, { token: token.address, chainId: 84532, flow })
  const terms = { modelHash, mode: Receipt.modes.tee, token: token.address, payTo, unitPrice: 1_000n, ceiling: 1_000n, deadlineSeconds: 120, validUntil: start + 300, policyEpoch: 1, decisionHash: random(32) }
  return create(InferenceRequestedSchema, {
    requestId: Hex.toBytes(Digest.requestId(payment.paymentId, Hex.zero32)),
    pool: 'cpu',
    payment: Wire.payment(payment),
    offer: Wire.offer(Offer.sign(terms, offerSeparator, gatewayKey)),
    body: new TextEncoder().encode(JSON.stringify({ model: 'wide', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] })),
    encoding: BodyEncoding.JSON,
    acceptedAtMs: BigInt(start * 1000),
  })
}

describe('a node', () => {
  it('answers what its event can carry', async () => {
    expect(await serveRequest(request(), await nodeOf(1_000))).toMatchObject({ case: 'completed' })
  })

  it('voids what no event could carry, and charges nothing', async () => {
    const outcome = await serveRequest(request(), await nodeOf(1_000_000))
    expect(outcome.case === 'voided' && outcome.value.code).toBe('answer.too-large')
  })

  it('delivers nothing, and has nothing charged, when the engine was free only after the answer was owed', async () => {
    for (const [seconds, code] of [[121, 'deadline.missed'], [271, 'payment.expired']] as const) {
      const node = await nodeOf(1)
      let now = start * 1000
      const submit: Node['runner']['submit'] = async (...asked) => {
        now += seconds * 1000
        return node.runner.submit(...asked)
      }
      const outcome = await serveRequest(request(), { ...node, now: () => now, runner: { ...node.runner, submit } })
      expect(outcome.case === 'voided' && outcome.value.code).toBe(code)
    }
  })

  it('says what becomes of the payment, which was taken already where it came first', async () => {
    for (const [flow, consequence] of [['authorization', 'nothing was charged'], ['upfront', 'what was paid is paid back']] as const) {
      const outcome = await serveRequest(request(flow), await nodeOf(1_000_000))
      expect(outcome.case === 'voided' && outcome.value.detail).toMatch(new RegExp(`; ${consequence}$`))
    }
  })
})
