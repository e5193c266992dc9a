import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Secp256k1 } from '@haca/core'
import { BatchSettledSchema, PaymentFailedSchema, PaymentSettledSchema } from '@haca/proto'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { loadPrimitives } from '../crypto/index.js'
import { Fact } from './index.js'

const primitives = await loadPrimitives()
const key = randomBytes(32)
const settled = () => create(PaymentSettledSchema, { paymentId: randomBytes(32), amount: '1000', blockNumber: 7n })

describe('a signed fact', () => {
  it('names its signer, also after it crossed the wire', () => {
    const fact = Fact.sign(PaymentSettledSchema, settled(), key, primitives)
    const read = fromBinary(PaymentSettledSchema, toBinary(PaymentSettledSchema, fact))
    expect(Fact.signer(PaymentSettledSchema, read, primitives)?.toLowerCase()).toBe(Secp256k1.addressOfKey(key).toLowerCase())
  })

  it('is nobody else\'s word once anything in it changed', () => {
    const fact = Fact.sign(PaymentSettledSchema, settled(), key, primitives)
    const by = Fact.signer(PaymentSettledSchema, fact, primitives)
    expect(Fact.signer(PaymentSettledSchema, { ...fact, amount: '1001' }, primitives)).not.toBe(by)
    expect(Fact.signer(PaymentSettledSchema, { ...fact, paymentId: randomBytes(32) }, primitives)).not.toBe(by)
  })

  it('does not count as a message of another type with the same bytes', () => {
    const fact = Fact.sign(PaymentSettledSchema, create(PaymentSettledSchema, { paymentId: randomBytes(32) }), key, primitives)
    const other = create(PaymentFailedSchema, { paymentId: fact.paymentId, signature: fact.signature })
    expect(Fact.signer(PaymentFailedSchema, other, primitives)).not.toBe(Fact.signer(PaymentSettledSchema, fact, primitives))
  })

  it('has no signer without a signature', () => {
    expect(Fact.signer(BatchSettledSchema, create(BatchSettledSchema, { batchId: 1n }), primitives)).toBeUndefined()
  })
})
