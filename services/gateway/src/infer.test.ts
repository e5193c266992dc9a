import type { PaymentPayload } from '@x402/core/types'
import { create } from '@bufbuild/protobuf'
import { Exact, Hex, Offer, Payment, Secp256k1 } from '@haca/core'
import { AssignResponseSchema, BodyEncoding, InferenceRequestedSchema, RouteResponseSchema } from '@haca/proto'
import { MemoryBlobs } from '@haca/platform/blobs'
import { loadPrimitives } from '@haca/platform/crypto'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Waiters } from './await-outcome.js'
import type { Ask } from './ask.js'
import { MemoryClaims } from './claims/memory.js'
import { infer, type Gateway } from './infer.js'
import { KnownOffers } from './known-offers.js'
import { requirements } from './offer-terms.js'
import { Outcomes } from './outcomes.js'
import type { ModelView } from './ports.js'
import { Refusal } from './refusal.js'

const address = (): Hex.Hex => Hex.checksum(Hex.fromBytes(randomBytes(20)))
const start = 1_800_000_000
const [log, payTo, offerKey, payerKey] = [address(), address(), randomBytes(32), randomBytes(32)]
const payer = Secp256k1.addressOfKey(payerKey)
const token: Payment.Token = { address: address(), name: 'USDC', version: '2', chainId: 84532 }
const primitives = await loadPrimitives()
const modelHash = Hex.fromBytes(randomBytes(32))
const model: ModelView = {
  ...{ modelHash, name: 'sum', version: '1.0.0', description: '', unitPrice: 1_000n, publisher: address(), verifications: ['tee'], pools: ['cpu'], maxUnits: 8, accuracy: '', labels: [] },
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
}
const body = (x: number): Uint8Array => new TextEncoder().encode(JSON.stringify({ model: 'sum', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [x] }] }))
const ask = (x = 1): Ask => ({ operation: 'infer', encoding: BodyEncoding.JSON, body: body(x), salt: new Uint8Array(0), resourceUrl: 'http://gateway/v1/inference' })

/** A gateway whose clock, pools and bus are ours. */
async function world() {
  const at = { seconds: start, pools: true, busUp: true, rebuilds: 0 }
  const now = (): number => at.seconds * 1000
  const claims = new MemoryClaims()
  await claims.leaseRebuild('test', 60_000)
  await claims.markReady('test')
  const terms = {
    ...{ token, payTo, network: 'eip155:84532', paymentTimeoutSeconds: 300, offerSeconds: 300, offerKey, primitives, now },
    offerSeparator: Offer.separator({ chainId: 84532, log }),
    known: new KnownOffers(),
  }
  const published: Hex.Hex[] = []
  const gateway = {
    models: { find: async () => model },
    router: {
      route: async () => create(RouteResponseSchema, { outcome: { case: 'decision', value: { modelHash: Hex.toBytes(modelHash), mode: 1, unitPrice: '1000', ceiling: '1000', deadlineSeconds: 120, policyEpoch: 1n, decisionHash: randomBytes(32) } } }),
      assign: async () => create(AssignResponseSchema, { outcome: at.pools ? { case: 'pool', value: 'cpu' } : { case: 'refusal', value: { reason: 'no-live-pool', detail: '' } } }),
    },
    bus: {
      publish: async (schema: unknown, message: { requestId: Uint8Array }) => {
        if (schema === InferenceRequestedSchema) published.push(Hex.fromBytes(message.requestId))
        if (!at.busUp) throw new Error('nobody knows whether the record is there')
      },
    },
    payers: { read: async () => ({ balance: 1_000_000n, contract: false }) },
    policy: { current: () => ({ ok: true, value: { policy: { epoch: 1 } } }) },
    webhooks: {},
    ...{ terms, claims, now, waiters: new Waiters(), outcomes: new Outcomes(new MemoryBlobs()), logger: createLogger('test', 'silent'), scope: { chainId: 84532, log }, instance: 'test' },
    verifier: { terms, offerSigners: [Secp256k1.addressOfKey(offerKey)], remainingSeconds: 60, primitives, now },
    limits: { payerCap: 1_000_000n, totalCap: 50_000_000n, balanceMaxAgeMs: 10_000_000 },
    ...{ answerWaitMs: 0, settleWaitMaxMs: 0, rebuild: () => void at.rebuilds++ },
  } as unknown as Gateway
  const offer = Offer.sign(
    { ...{ modelHash, mode: 1, token: token.address, payTo, unitPrice: 1_000n, ceiling: 1_000n }, ...{ deadlineSeconds: 120, validUntil: start + 300, policyEpoch: 1, decisionHash: Hex.fromBytes(randomBytes(32)) } },
    terms.offerSeparator,
    offerKey,
  )
  const pay = (id?: string): PaymentPayload => {
    const authorization: Exact.Authorization = { from: payer, to: payTo, value: 1_000n, validAfter: start - 600, validBefore: start + 300, nonce: Hex.fromBytes(randomBytes(32)) }
    const signature = Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, Payment.tokenSeparator(token)), payerKey))
    return {
      x402Version: 2,
      accepted: requirements(offer, 'authorization', terms),
      payload: { signature, authorization: { ...authorization, value: '1000', validAfter: String(authorization.validAfter), validBefore: String(authorization.validBefore) } },
      ...(id === undefined ? {} : { extensions: { 'payment-identifier': { info: { required: false, id } } } }),
    } as PaymentPayload
  }
  return { at, claims, gateway, pay, payment: pay(), published }
}

describe('a payment sent again', () => {
  it('is not called unpaid when it is late and its claim may be lost', async () => {
    const { at, gateway, payment } = await world()
    expect(await infer(ask(), payment, undefined, gateway)).toMatchObject({ kind: 'accepted' })
    at.seconds += 250 // too late to be taken anew
    expect(await infer(ask(), payment, undefined, gateway)).toMatchObject({ kind: 'accepted' })
    const emptied = { ...gateway, claims: new MemoryClaims() } // FLUSHALL
    await expect(infer(ask(), payment, undefined, emptied)).rejects.toMatchObject({ kind: 'unavailable', code: 'claims.rebuilding' })
    expect(at.rebuilds).toBe(1)
  })

  it('keeps its claim when whoever takes it up finds no pool: the record may be in the log already', async () => {
    const { at, claims, gateway, payment, published } = await world()
    at.busUp = false
    await expect(infer(ask(), payment, undefined, gateway)).rejects.toThrow('nobody knows')
    at.seconds += 11 // its lease is over
    ;[at.busUp, at.pools] = [true, false]
    await expect(infer(ask(), payment, undefined, gateway)).rejects.toMatchObject({ code: 'route.no-live-pool' })
    expect(await claims.byRequest(published[0] as Hex.Hex)).toMatchObject({ state: 'reserved' })
    at.pools = true
    // Another body would get the first one's answer for it.
    await expect(infer(ask(2), payment, undefined, gateway)).rejects.toMatchObject({ code: 'payment.replayed' })
  })

  it('gives its claim back when nobody can have published it', async () => {
    const { at, gateway, payment } = await world()
    at.pools = false
    await expect(infer(ask(), payment, undefined, gateway)).rejects.toMatchObject({ code: 'route.no-live-pool' })
    at.pools = true
    expect(await infer(ask(2), payment, undefined, gateway)).toMatchObject({ kind: 'accepted' })
  })
})

describe('a model that is retired', () => {
  it('still answers those who paid for it before, and nobody else', async () => {
    const { gateway, pay, payment } = await world()
    const first = await infer(ask(), payment, undefined, gateway)
    const find = () => Promise.reject(new Refusal('unknown', 'model.unknown', 'no such model'))
    const retired = { ...gateway, models: { find } }
    expect(await infer(ask(), payment, undefined, retired)).toEqual(first)
    for (const [asked, paid] of [[ask(2), payment], [ask(), pay()], [ask(), undefined]] as const) await expect(infer(asked, paid, undefined, retired)).rejects.toMatchObject({ code: 'model.unknown' })
  })
})

describe('a payment identifier', () => {
  const id = 'order-0123456789'

  it('is answered once for all payments that carry it for one request', async () => {
    const { gateway, pay, published } = await world()
    const first = await infer(ask(), pay(id), undefined, gateway)
    expect(first).toMatchObject({ kind: 'accepted' })
    expect(await infer(ask(), pay(id), undefined, gateway)).toEqual(first) // signed again by a client that lost its answer
    expect(published).toHaveLength(1)
    await expect(infer(ask(2), pay(id), undefined, gateway)).rejects.toMatchObject({ kind: 'conflict', code: 'payment.identifier-used' })
    expect(await infer(ask(2), pay('another-0123456789'), undefined, gateway)).toMatchObject({ kind: 'accepted' })
  })

  it('is charged once though a second payment comes while the chain is asked about the payer', async () => {
    const { gateway, pay, published } = await world()
    const asked = Promise.withResolvers<void>()
    const slow = { ...gateway, payers: { read: async () => (await asked.promise, { balance: 1_000_000n, contract: false }) } } as unknown as Gateway
    const both = [infer(ask(), pay(id), undefined, slow), infer(ask(), pay(id), undefined, slow)]
    await new Promise(setImmediate)
    asked.resolve()
    const [first, second] = await Promise.all(both)
    expect(second).toEqual(first)
    expect(published).toHaveLength(1)
  })

  it('is free again when its payment bought nothing', async () => {
    const { claims, gateway, pay, published } = await world()
    await infer(ask(), pay(id), undefined, gateway)
    const claim = await claims.byRequest(published[0] as Hex.Hex)
    await claims.transition(claim as NonNullable<typeof claim>, 'void')
    expect(await infer(ask(), pay(id), undefined, gateway)).toMatchObject({ kind: 'accepted' })
    expect(published).toHaveLength(2)
  })
})
