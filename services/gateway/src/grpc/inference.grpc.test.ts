import { create } from '@bufbuild/protobuf'
import { Hex, Offer } from '@haca/core'
import { QuoteRequestSchema, RouteResponseSchema } from '@haca/proto'
import { loadPrimitives } from '@haca/platform/crypto'
import { status, type Call } from '@haca/platform/grpc'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Gateway } from '../infer.js'
import { KnownOffers } from '../known-offers.js'
import { inferenceService } from './inference.grpc.js'

const address = (): Hex.Hex => Hex.checksum(Hex.fromBytes(randomBytes(20)))
const modelHash = Hex.fromBytes(randomBytes(32))
const [log, primitives] = [address(), await loadPrimitives()]

/** A gateway whose router decides by policy epoch 1, while the chain is at `epoch`. */
function gatewayAt(epoch: number): Gateway {
  const decision = { modelHash: Hex.toBytes(modelHash), mode: 1, unitPrice: '1000', ceiling: '1000', deadlineSeconds: 120, policyEpoch: 1n, decisionHash: randomBytes(32) }
  return {
    models: { find: async () => ({ modelHash, name: 'sum', version: '1.0.0', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }], maxUnits: 8 }) },
    router: { route: async () => create(RouteResponseSchema, { outcome: { case: 'decision', value: decision } }) },
    policy: { current: () => ({ ok: true, value: { policy: { epoch } } }) },
    terms: {
      ...{ token: { address: address(), name: 'USDC', version: '2', chainId: 84532 }, payTo: address(), network: 'eip155:84532', paymentTimeoutSeconds: 300, offerSeconds: 300, offerKey: randomBytes(32), primitives, now: Date.now },
      ...{ offerSeparator: Offer.separator({ chainId: 84532, log }), known: new KnownOffers() },
    },
  } as unknown as Gateway
}
const quote = (epoch: number) => {
  const request = { model: 'sum', inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 1n], fp32Contents: [1] }] }
  return inferenceService(gatewayAt(epoch), {} as never, 'gateway').quote(create(QuoteRequestSchema, { request }), {} as Call)
}

describe('a quote over gRPC', () => {
  it('is of the policy in force, as over HTTP: an offer of an older one buys nothing', async () => {
    expect(await quote(1)).toMatchObject({ amount: '1000' })
    await expect(quote(2)).rejects.toMatchObject({ code: status.UNAVAILABLE })
  })
})
