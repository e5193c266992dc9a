import { create } from '@bufbuild/protobuf'
import { Hex, Payment, Secp256k1 } from '@haca/core'
import { InferenceRequestedSchema, PaymentFailedSchema, type InferenceRequested } from '@haca/proto'
import { MemoryBlobs } from '@haca/platform/blobs'
import type { Bus } from '@haca/platform/bus'
import { loadPrimitives } from '@haca/platform/crypto'
import { createLogger } from '@haca/platform/log'
import { Fact, Wire } from '@haca/platform/wire'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Waiters } from './await-outcome.js'
import { MemoryClaims } from './claims/memory.js'
import { Outcomes } from './outcomes.js'
import { ClaimsRebuilder } from './rebuild-claims.js'

const primitives = await loadPrimitives()
const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const settlerKey = randomBytes(32)

/** What a settler said a day's worth ago: its requests are no longer in the log that is read back. */
const failed = (payer: Hex.Hex, key = settlerKey) =>
  Fact.sign(
    PaymentFailedSchema,
    create(PaymentFailedSchema, { paymentId: randomBytes(32), requestId: randomBytes(32), payer: Hex.toBytes(payer), amount: '900', reason: 'invalid_exact_evm_insufficient_balance', delivered: true }),
    key,
    primitives,
  )

describe('rebuilt claims', () => {
  it('know who owes for work of the last day, and believe only a settler of it', async () => {
    const [debtor, slandered] = [Hex.checksum(random(20)), Hex.checksum(random(20))]
    const claims = new MemoryClaims()
    const logger = createLogger('test', 'silent')
    const blobs = new MemoryBlobs()
    const records = [failed(debtor), failed(slandered, randomBytes(32))]
    const bus = { replay: async ({ schema, visit }: { schema: unknown; visit(message: unknown): Promise<void> }) => void (schema === PaymentFailedSchema && (await Promise.all(records.map(visit)))) } as unknown as Bus
    const projection = { claims, waiters: new Waiters(), blobs, outcomes: new Outcomes(blobs), instance: 'test', logger, factSigners: [Secp256k1.addressOfKey(settlerKey)], primitives, proven: async () => undefined }
    await new ClaimsRebuilder({ bus, claims, instance: 'test', projection, logger, genuine: () => true, horizonMs: 1_000, now: Date.now }).ensure()
    const ask = async (payer: Hex.Hex, totalCap = 10_000n) => {
      await claims.setPayer(payer, async () => ({ balance: 1_000_000n, contract: false }), Date.now())
      const claim = { paymentId: random(32), requestId: random(32), fingerprint: random(32), payer, amount: 200n, flow: 'authorization' as const, validBefore: Math.floor(Date.now() / 1000) + 300, acceptedAtMs: Date.now() }
      return claims.reserve(claim, { payerCap: 1_000n, totalCap, balanceMaxAgeMs: 60_000 }, Date.now())
    }
    expect(await ask(debtor)).toEqual({ outcome: 'exposed', reason: 'debtor' })
    expect(await ask(Hex.checksum(random(20)), 1_000n)).toEqual({ outcome: 'exposed', reason: 'total-cap' }) // 900 lost + 200 > 1000
    expect(await ask(slandered)).toEqual({ outcome: 'reserved' })
  })
})

describe('a rebuilt payment identifier', () => {
  const identifier = random(32)
  const payer = Hex.checksum(random(20))
  const validBefore = Math.floor(Date.now() / 1000) + 300
  const use = (paymentId: Hex.Hex) => ({ payer, identifier, paymentId, validBefore })
  const accepted = (acceptedAtMs: number): InferenceRequested => {
    const authorization = { from: payer, to: Hex.checksum(random(20)), value: 1_000n, validAfter: 0, validBefore, nonce: random(32), signature: random(65) }
    const payment = Payment.from(authorization, { token: Hex.checksum(random(20)), chainId: 84532, flow: 'authorization' })
    return create(InferenceRequestedSchema, { requestId: randomBytes(32), payment: Wire.payment(payment), fingerprint: randomBytes(32), paymentIdentifier: Hex.toBytes(identifier), acceptedAtMs: BigInt(acceptedAtMs) })
  }
  const idOf = ({ payment }: InferenceRequested): Hex.Hex => Wire.toPayment(payment).paymentId
  const rebuild = async (claims: MemoryClaims, records: InferenceRequested[]): Promise<void> => {
    const blobs = new MemoryBlobs()
    const logger = createLogger('test', 'silent')
    const bus = { replay: async ({ schema, visit }: { schema: unknown; visit(message: unknown): Promise<void> }) => { if (schema === InferenceRequestedSchema) for (const record of records) await visit(record) } } as unknown as Bus
    const projection = { claims, waiters: new Waiters(), blobs, outcomes: new Outcomes(blobs), instance: 'test', logger, factSigners: [], primitives, proven: async () => undefined }
    await new ClaimsRebuilder({ bus, claims, instance: 'test', projection, logger, genuine: () => true, horizonMs: 1_000, now: Date.now }).ensure()
  }

  it('stands for the payment that was accepted with it, though another came while claims were lost', async () => {
    const claims = new MemoryClaims()
    const [first, again] = [accepted(1), random(32)]
    await claims.identify(use(again), Date.now()) // its client lost the answer, signed again, and was told to come back
    await rebuild(claims, [first])
    expect(await claims.identify(use(again), Date.now())).toBe(idOf(first))
  })

  it('stands for the last of several: those before bought nothing', async () => {
    const [voided, last] = [accepted(1), accepted(2)]
    for (const records of [[voided, last], [last, voided]]) {
      const claims = new MemoryClaims()
      await rebuild(claims, records)
      expect(await claims.identify(use(random(32)), Date.now())).toBe(idOf(last))
    }
  })
})

describe('lost claims', () => {
  it('are rebuilt although nobody asks: a gateway that is not ready is asked nothing', async () => {
    const claims = new MemoryClaims()
    const logger = createLogger('test', 'silent')
    const blobs = new MemoryBlobs()
    let away = 2
    const bus = {
      replay: async () => {
        if (away-- > 0) throw new Error('no broker')
      },
    } as unknown as Bus
    const projection = { claims, waiters: new Waiters(), blobs, outcomes: new Outcomes(blobs), instance: 'test', logger, factSigners: [], primitives, proven: async () => undefined }
    const rebuilder = new ClaimsRebuilder({ bus, claims, instance: 'test', projection, logger, genuine: () => true, horizonMs: 1_000, now: Date.now })
    rebuilder.watch(10)
    try {
      await expect.poll(() => claims.ready(), { timeout: 20_000 }).toBe(true)
    } finally {
      rebuilder.stop()
    }
  })
})
