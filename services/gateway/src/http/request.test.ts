import { PaymentHeader } from '@haca/core'
import type { FastifyRequest } from 'fastify'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Refusal } from '../refusal.js'
import { paymentOf } from './request.js'

const payment = {
  x402Version: 2,
  accepted: { scheme: 'exact', network: 'eip155:84532', amount: '1', asset: '0x01', payTo: '0x02', maxTimeoutSeconds: 60, extra: { name: 'ÿ¾û' } },
  payload: { signature: '0x' },
}
const header = Buffer.from(JSON.stringify(payment)).toString('base64')
const read = (text: string): unknown => {
  try {
    return paymentOf({ headers: { 'payment-signature': text } } as unknown as FastifyRequest)
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal)
    return (error as Refusal).code
  }
}

describe('PAYMENT-SIGNATURE', () => {
  it('is read where it is padded base64 of the standard alphabet', () => {
    expect(read(header)).toEqual(payment)
  })

  it('is refused in the alphabet of URLs, without its padding, with anything between, and twice', () => {
    const short = Buffer.from(`${JSON.stringify(payment)} `.padEnd(Math.ceil(JSON.stringify(payment).length / 3) * 3 + 1)).toString('base64')
    expect(short.endsWith('==')).toBe(true)
    expect(read(short)).toEqual(payment)
    const bad = [short.slice(0, -2), short.slice(0, -1), `${short}====`, `${header.slice(0, 8)}\n${header.slice(8)}`, `${header.slice(0, 8)}====${header.slice(8)}`, `${header.slice(0, 4)}-_-_${header.slice(4)}`, `!!!!${header}`, '']
    for (const text of bad) expect(read(text), text.slice(0, 20)).toBe('payment.malformed')
    expect(() => paymentOf({ headers: { 'payment-signature': [header, header] } } as unknown as FastifyRequest)).toThrow(Refusal)
  })

  it('is read or refused as the portable reader does it', () => {
    const text = fc.array(fc.constantFrom(...'ABCwxyz0189+/=-_ \n!'), { maxLength: 24 }).map((characters) => characters.join(''))
    fc.assert(
      fc.property(fc.nat(header.length), text, (at, junk) => {
        const mixed = header.slice(0, at) + junk + header.slice(at)
        const portable = PaymentHeader.decodePayment(mixed)
        expect(read(mixed)).toEqual(portable.ok ? portable.value : 'payment.malformed')
      }),
      { numRuns: 2_000 },
    )
  })
})
