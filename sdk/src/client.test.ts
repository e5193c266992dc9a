import { Hex, Offer, PaymentHeader, Secp256k1 } from '@haca/core'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { HacaClient, type InferenceRequest, type InferOptions } from './client.js'
import type { Network } from './network.js'
import { privateKeySigner } from './signer.js'

const address = (): Hex.Hex => Hex.checksum(Hex.fromBytes(randomBytes(20)))
const offerKey = randomBytes(32)
const network: Network = { chainId: 84532, settlementLog: address(), revenueVault: address(), token: { address: address(), name: 'USDC', version: '2' }, offerSigners: [Secp256k1.addressOfKey(offerKey)] }
const request: InferenceRequest = { model: 'digits', inputs: [{ name: 'x', shape: [1], data: [1] }] }

/** A 402 of a gateway of this network. */
function demand(error?: string): Response {
  const terms = { modelHash: Hex.fromBytes(randomBytes(32)), mode: 1, token: network.token.address, payTo: network.revenueVault, unitPrice: 1_000n, ceiling: 1_000n, deadlineSeconds: 120, validUntil: 2_000_000_000, policyEpoch: 1, decisionHash: Hex.fromBytes(randomBytes(32)) }
  const offer = Offer.toJson(Offer.sign(terms, Offer.separator({ chainId: 84532, log: network.settlementLog }), offerKey))
  const entry = { scheme: 'exact', network: 'eip155:84532' as const, amount: '1000', asset: network.token.address, payTo: network.revenueVault, maxTimeoutSeconds: 300, extra: { name: 'USDC', version: '2', offer } }
  const required = { x402Version: 2 as const, ...(error === undefined ? {} : { error }), resource: { url: 'http://gateway/v1/inference', description: '', mimeType: 'application/json' }, accepts: [entry] }
  return new Response('{}', { status: 402, headers: { [PaymentHeader.names.required]: PaymentHeader.encode(required) } })
}

/** A client and what its gateway saw: `answer` says what a paid call gets. */
function clientOf(answer: (attempt: number) => Response) {
  const payments: string[] = []
  const fetched = async (_url: unknown, init: RequestInit = {}): Promise<Response> => {
    const payment = new Headers(init.headers).get(PaymentHeader.names.signature)
    if (payment === null) return demand()
    payments.push(payment)
    return answer(payments.length)
  }
  const client = new HacaClient({ url: 'http://gateway', network, signer: privateKeySigner(Hex.fromBytes(randomBytes(32))), maxPriceAtomic: 1_000n, fetch: fetched as typeof fetch })
  return { payments, infer: (options: InferOptions = {}, asked = request) => client.infer(asked, options) }
}

describe('a paid call', () => {
  it('is sent again, and not signed again, when something on the way says 502', async () => {
    const { payments, infer } = clientOf((attempt) => new Response('{"code":"model.unknown"}', { status: attempt < 3 ? 502 : 404, headers: { 'retry-after': '0' } }))
    await expect(infer({ callId: 'mine' })).rejects.toMatchObject({ code: 'refused', details: { status: 404, callId: 'mine' } })
    expect(payments).toHaveLength(3)
    expect(new Set(payments).size).toBe(1)
  })

  it('names its id when it is given up, so that it can be asked for again', async () => {
    const { payments, infer } = clientOf(() => new Response('{"code":"internal","title":"Internal error"}', { status: 500, headers: { 'retry-after': '0' } }))
    await expect(infer({ callId: 'mine' })).rejects.toMatchObject({ code: 'not-answered-yet', message: expect.stringContaining('500 internal') as string, details: { callId: 'mine' } })
    expect(payments).toHaveLength(6)
  })

  it('does not say that nothing was signed where a second 402 cannot be read', async () => {
    const { infer } = clientOf(() => new Response('{}', { status: 402 }))
    await expect(infer({ callId: 'mine' })).rejects.toMatchObject({ code: 'payment-not-taken', details: { callId: 'mine' } })
  })

  it('is not the answer to another request under the same id, asked at once', async () => {
    const { payments, infer } = clientOf(() => new Response('{}', { status: 404 }))
    const both = await Promise.allSettled([infer({ callId: 'mine' }), infer({ callId: 'mine' }, { ...request, model: 'other' })])
    expect(both.map((one) => one.status === 'rejected' && String(one.reason))).toContain('HacaError: call id "mine" was used for another request')
    expect(payments).toHaveLength(1)
  })
})

describe('a payer who must pay first', () => {
  it('is told how, and pays first when told to', async () => {
    const refusing = clientOf(() => demand('upfront_payment_required'))
    await expect(refusing.infer()).rejects.toMatchObject({ code: 'payment-not-taken', message: expect.stringContaining('pays before the work') as string })
    const taking = clientOf(() => new Response('{}', { status: 410 }))
    await expect(taking.infer({ upfront: true })).rejects.toMatchObject({ code: 'refused' })
    const paid = PaymentHeader.decodePayment(taking.payments[0] as string)
    expect(paid.ok && paid.value.accepted.extra).toMatchObject({ paymentFlow: 'upfront', name: 'USDC' })
  })
})

describe('an offer', () => {
  it('is not paid when it is for less than was asked, or for another model', async () => {
    const { payments, infer } = clientOf(() => new Response('{}', { status: 404 }))
    await expect(infer({}, { ...request, verification: 'zkml' })).rejects.toMatchObject({ code: 'offer-not-trusted', message: expect.stringContaining('less than the zkml') as string })
    await expect(infer({}, { ...request, model: Hex.zero32 })).rejects.toMatchObject({ code: 'offer-not-trusted', message: expect.stringContaining('the offer is for the model') as string })
    expect(payments).toEqual([])
  })
})

describe('waiting for settlement', () => {
  const waited = async (bundle: object) => {
    const client = new HacaClient({ url: 'http://gateway', network, fetch: async () => Response.json(bundle) })
    return client.waitForSettlement(Hex.zero32, { timeoutMs: 6_000 })
  }

  it('ends where there is nothing more to wait for: a void receipt, and one whose payment the gateway has let go', async () => {
    const anchored = (collected: string) => ({ payment: null, inclusion: { anchor: {}, collected, header: { id: 1 } } })
    expect(await waited(anchored('0'))).toMatchObject({ payment: null })
    expect(await waited(anchored('1000'))).toMatchObject({ inclusion: { collected: '1000' } })
  })
})

describe('a gateway that does not answer', () => {
  it('is said to be unreachable', async () => {
    const client = new HacaClient({ url: 'http://gateway', network, fetch: () => Promise.reject(new TypeError('fetch failed')) })
    await expect(client.quote(request)).rejects.toMatchObject({ code: 'unreachable', message: 'http://gateway does not answer' })
  })
})
