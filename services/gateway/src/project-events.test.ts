import { create } from '@bufbuild/protobuf'
import { Hex, type Payment } from '@haca/core'
import { InferenceVoidedSchema } from '@haca/proto'
import { MemoryBlobs, Outcome } from '@haca/platform/blobs'
import { loadPrimitives } from '@haca/platform/crypto'
import { createLogger } from '@haca/platform/log'
import { Wire } from '@haca/platform/wire'
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { Waiters } from './await-outcome.js'
import { MemoryClaims } from './claims/memory.js'
import { Outcomes } from './outcomes.js'
import { voided } from './project-events.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const address = (): Hex.Hex => Hex.checksum(random(20))

it('a payer is not established by payments that were paid back', async () => {
  const [claims, blobs, payer] = [new MemoryClaims(), new MemoryBlobs(), address()]
  await claims.leaseRebuild('test', 60_000)
  await claims.markReady('test')
  await claims.setPayer(payer, async () => ({ balance: 1_000_000n, contract: false }), 0)
  const projection = { claims, waiters: new Waiters(), blobs, outcomes: new Outcomes(blobs), instance: 'test', logger: createLogger('test', 'silent'), factSigners: [], primitives: await loadPrimitives(), proven: async () => undefined }
  const limits = { payerCap: 1_000n, totalCap: 10_000n, balanceMaxAgeMs: 60_000 }
  // Five thousand go round three times: collected, voided by a body the model refuses, paid back.
  for (let i = 0; i < 3; i++) {
    const [requestId, paymentId] = [random(32), random(32)]
    const payment: Payment.Payment = { paymentId, scheme: 'exact', chainId: 84532, token: address(), payer, payTo: address(), amount: 5_000n, validAfter: 0, validBefore: 300, nonce: random(32), signature: random(65), flow: 'upfront' }
    const claim = { paymentId, requestId, fingerprint: random(32), payer, amount: 5_000n, flow: 'upfront' as const, validBefore: 300, acceptedAtMs: 0 }
    expect((await claims.reserve(claim, limits, 0)).outcome).toBe('reserved')
    await claims.paid(claim, { transaction: random(32), blockNumber: 1 })
    const message = create(InferenceVoidedSchema, { requestId: Hex.toBytes(requestId), payment: Wire.payment(payment), code: 'model.failed' })
    await Outcome.decide(blobs, requestId, { case: 'voided', value: message })
    await voided(message, projection)
    await voided(message, projection) // told twice
  }
  const work = { paymentId: random(32), requestId: random(32), fingerprint: random(32), payer, amount: 1_001n, flow: 'authorization' as const, validBefore: 300, acceptedAtMs: 0 }
  expect(await claims.reserve(work, limits, 0)).toEqual({ outcome: 'exposed', reason: 'payer-cap' })
  expect(await claims.reserve({ ...work, amount: 1_000n }, limits, 0)).toEqual({ outcome: 'reserved' })
})
