import { AppError, Hex, type Payment } from '@haca/core'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Vault } from '../ports.js'
import { PaymentLane, type PaymentEnd, type Poster } from './lane.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const soon = Math.floor(Date.now() / 1000) + 300
const pay = (): Payment.Payment => ({ paymentId: random(32), payer: Hex.checksum(random(20)), amount: 1_000n, validBefore: soon, nonce: random(32) }) as Payment.Payment

const stops: (() => void)[] = []
afterEach(() => stops.splice(0).forEach((stop) => stop()))

/** A chain where payments are credited as soon as they are posted; `used` have their nonce spent past us. */
function world({
  used = new Set<Hex.Hex>(),
  directTransfer = async () => undefined as Hex.Hex | undefined,
  creditDirect = async () => undefined as void,
  batchMax = 200,
  batchesMax = 8,
  post,
}: Partial<Pick<Poster, 'post' | 'creditDirect'> & Pick<Vault, 'directTransfer'> & { used: Set<Hex.Hex>; batchMax: number; batchesMax: number }>) {
  const credited = new Set<Hex.Hex>()
  const vault: Vault = {
    credits: async (ids) => ids.map((id) => ({ amount: credited.has(id) ? 1_000n : 0n, refunded: false })),
    noncesUsed: async (payments) => payments.map(({ paymentId }) => used.has(paymentId)),
    balances: async (payers) => payers.map(() => 1_000_000n),
    safeTime: async () => Math.floor(Date.now() / 1000),
    directTransfer,
  }
  const poster: Poster = {
    recovered: () => new Map(),
    post:
      post ??
      (async (payments) => {
        for (const { paymentId } of payments) credited.add(paymentId)
        return 'mined'
      }),
    creditDirect,
  }
  const lane = new PaymentLane({ vault, poster, logger: createLogger('test', 'silent'), flushMs: 10, batchMax, batchesMax, settleMarginSeconds: 30, lookAgainMs: 20, now: Date.now })
  lane.start()
  stops.push(() => lane.stop())
  return { lane }
}

const within = (ended: Promise<PaymentEnd>, ms = 3_000): Promise<PaymentEnd | 'nothing'> => Promise.race([ended, new Promise<'nothing'>((done) => setTimeout(() => done('nothing'), ms))])

describe('the payment lane', () => {
  it('collects the others when one cannot be looked up', async () => {
    const [cancelled, ordinary] = [pay(), pay()]
    const { lane } = world({
      used: new Set([cancelled.paymentId]),
      directTransfer: async () => {
        throw new AppError('chain.range-too-large', { retryable: true })
      },
    })
    const stuck = lane.submit(cancelled)
    expect(await within(lane.submit(ordinary))).toMatchObject({ outcome: 'collected' })
    expect(await within(stuck, 100)).toBe('nothing')
  })

  it('gives up a transfer that the vault refuses to credit', async () => {
    const spent = pay()
    let tries = 0
    const { lane } = world({
      used: new Set([spent.paymentId]),
      directTransfer: async () => random(32),
      creditDirect: async () => {
        tries++
        throw new AppError('credit-direct.refused', { retryable: true })
      },
    })
    expect(await within(lane.submit(spent))).toEqual({ outcome: 'failed', reason: 'invalid_exact_evm_nonce_already_used' })
    expect(tries).toBe(3)
  })

  it('sends on while what is in a block is not beyond doubt, and waits for what no block has', async () => {
    const posted = { seen: 0, unseen: 0 }
    const never = new Promise<never>(() => undefined)
    const seen = world({ batchMax: 1, batchesMax: 2, post: (_payments, included) => (posted.seen++, included(), never) })
    const unseen = world({ batchMax: 1, batchesMax: 2, post: () => (posted.unseen++, never) })
    for (const { lane } of [seen, unseen]) for (let i = 0; i < 5; i++) void lane.submit(pay())
    await expect.poll(() => posted, { timeout: 3_000 }).toEqual({ seen: 5, unseen: 2 })
  })
})
