import { PaymentPayloadV2Schema } from '@x402/core/schemas'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as PaymentHeader from './header.js'

const payment = {
  x402Version: 2,
  resource: { url: 'https://api.example/v1/inference', description: 'digits', mimeType: 'application/json', serviceName: 'HACA' },
  accepted: { scheme: 'exact', network: 'eip155:84532', amount: '1000', asset: '0xasset', payTo: '0xpay', maxTimeoutSeconds: 300, extra: { name: 'USDC', version: '2' } },
  payload: { signature: '0x00', authorization: {} },
  extensions: { 'payment-identifier': { info: { id: 'x' } } },
}

describe('PAYMENT-SIGNATURE', () => {
  it('is read back as it was encoded', () => {
    expect(PaymentHeader.decodePayment(PaymentHeader.encode(payment as never))).toEqual({ ok: true, value: payment })
    expect(PaymentHeader.parsePayment(JSON.stringify({ ...payment, unknown: 1, accepted: { ...payment.accepted, unknown: 1 } }))).toEqual({ ok: true, value: payment })
  })

  it.each([
    ['not base64', '{}'],
    ['base64url', `${PaymentHeader.encode(payment as never).slice(0, -4)}-_-_`],
    ['without its padding', 'e30'],
    ['not JSON', btoa('{')],
    ['too long', 'A'.repeat(PaymentHeader.paymentCharactersMax + 4)],
  ])('is malformed when it is %s', (_what, header) => {
    expect(PaymentHeader.decodePayment(header)).toMatchObject({ ok: false, reason: 'malformed', field: 'PAYMENT-SIGNATURE' })
  })

  it('is read exactly as the official schema reads it, whatever is in it', () => {
    const odd = fc.oneof(
      ...[fc.constant(null), fc.constant(undefined), fc.constant(''), fc.constant(0), fc.constant(-1), fc.constant([]), fc.constant({}), fc.constant({ a: 1 }), fc.constant('x:y'), fc.constant('xy'), fc.constant(1.5), fc.constant(true), fc.string(), fc.constant('é'), fc.constant('x'.repeat(33)), fc.constant(['t'])],
    )
    const paths = [
      ...['x402Version', 'resource', 'accepted', 'payload', 'extensions'].map((k) => [k]),
      ...['url', 'description', 'mimeType', 'serviceName', 'tags', 'iconUrl', 'other'].map((k) => ['resource', k]),
      ...['scheme', 'network', 'amount', 'asset', 'payTo', 'maxTimeoutSeconds', 'extra', 'other'].map((k) => ['accepted', k]),
    ]
    let accepted = 0
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...paths), odd), { maxLength: 3 }), (changes) => {
        const changed = structuredClone(payment) as Record<string, any>
        for (const [[first, second], value] of changes) {
          if (second === undefined) changed[first as string] = structuredClone(value)
          else if (typeof changed[first as string] === 'object' && changed[first as string] !== null) changed[first as string][second] = structuredClone(value)
        }
        const json = JSON.parse(JSON.stringify(changed)) as unknown
        const official = PaymentPayloadV2Schema.safeParse(json)
        const ours = PaymentHeader.parsePayment(JSON.stringify(changed))
        expect(ours.ok).toBe(official.success)
        if (!ours.ok || !official.success) return
        accepted++
        expect(ours.value).toEqual(official.data)
      }),
      { numRuns: 5_000 },
    )
    expect(accepted).toBeGreaterThan(500)
  })
})
