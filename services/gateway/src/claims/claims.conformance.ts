import { randomBytes } from 'node:crypto'
import { Hex } from '@haca/core'
import { expect, it } from 'vitest'
import type { Claim, Claims, ExposureLimits } from '../ports.js'

const limits: ExposureLimits = { payerCap: 1_000n, totalCap: 3_000n, balanceMaxAgeMs: 60_000 }
const now = Date.now()
const random = (bytes: number) => Hex.fromBytes(randomBytes(bytes))

const claimOf = (change: Partial<Claim> = {}): Omit<Claim, 'state'> => ({
  paymentId: random(32),
  requestId: random(32),
  fingerprint: random(32),
  payer: random(20),
  amount: 100n,
  flow: 'authorization',
  validBefore: Math.floor(now / 1000) + 300,
  acceptedAtMs: now,
  ...change,
})

/** What every claim store must do; run over each adapter. `make` gives an empty store. */
export function conformance(make: () => Promise<Claims>): void {
  const open = async () => {
    const claims = await make()
    await whole(claims)
    return claims
  }
  const whole = async (claims: Claims): Promise<void> => {
    expect(await claims.leaseRebuild('one', 60_000)).toBe(true)
    expect(await claims.markReady('one')).toBe(true)
  }
  const fund = (claims: Claims, payer: Hex.Hex, balance = 1_000_000n, contract = false) => claims.setPayer(payer, async () => ({ balance, contract }), now)

  it('refuses everything until it is whole', async () => {
    const claims = await make()
    const claim = claimOf()
    expect(await claims.reserve(claim, limits, now)).toEqual({ outcome: 'not-ready' })
    await whole(claims)
    await fund(claims, claim.payer)
    expect(await claims.reserve(claim, limits, now)).toEqual({ outcome: 'reserved' })
    await claims.close()
  })

  it('lets one rebuild at a time, renew while it lives, and nobody else say that it is done', async () => {
    const claims = await make()
    expect(await claims.leaseRebuild('one', 60_000)).toBe(true)
    expect(await claims.leaseRebuild('two', 60_000)).toBe(false)
    expect(await claims.renewRebuild('two', 60_000)).toBe(false)
    expect(await claims.renewRebuild('one', 60_000)).toBe(true)
    expect(await claims.markReady('two')).toBe(false)
    expect(await claims.ready()).toBe(false)
    expect(await claims.markReady('one')).toBe(true)
    expect(await claims.ready()).toBe(true)
    await claims.close()
  })

  it('passes a dead rebuilder\'s lease on, and does not believe it if it comes back', async () => {
    const claims = await make()
    expect(await claims.leaseRebuild('one', 1)).toBe(true)
    await expect.poll(() => claims.leaseRebuild('two', 60_000)).toBe(true)
    expect(await claims.renewRebuild('one', 60_000)).toBe(false)
    expect(await claims.markReady('one')).toBe(false)
    await claims.close()
  })

  it('lets one of fifty identical requests reserve, and tells the others which request it was', async () => {
    const claims = await open()
    const claim = claimOf()
    await fund(claims, claim.payer)
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => claims.reserve(claim, limits, now)))
    expect(outcomes.filter((o) => o.outcome === 'reserved')).toHaveLength(1)
    const existing = outcomes.filter((o) => o.outcome === 'existing')
    expect(existing).toHaveLength(49)
    expect(existing[0]).toMatchObject({ claim: { ...claim, state: 'reserved' } })
    expect(await claims.reserve({ ...claim, fingerprint: random(32) }, limits, now)).toEqual({ outcome: 'conflict' })
    expect(await claims.reserve({ ...claim, requestId: random(32) }, limits, now)).toEqual({ outcome: 'conflict' })
    await claims.close()
  })

  it('asks for the balance of a payer it does not know, or knew too long ago', async () => {
    const claims = await open()
    const claim = claimOf()
    expect(await claims.reserve(claim, limits, now)).toEqual({ outcome: 'stale-payer' })
    await fund(claims, claim.payer)
    expect(await claims.reserve(claim, limits, now + 60_001)).toEqual({ outcome: 'stale-payer' })
    expect(await claims.reserve(claim, limits, now + 60_000)).toEqual({ outcome: 'reserved' })
    await claims.close()
  })

  it('never lets unsettled work exceed the balance, however many ask at once', async () => {
    const claims = await open()
    const payer = random(20)
    await fund(claims, payer, 250n)
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => claims.reserve(claimOf({ payer }), limits, now)))
    expect(outcomes.filter((o) => o.outcome === 'reserved')).toHaveLength(2)
    expect(outcomes.filter((o) => o.outcome === 'exposed')).toEqual(Array(8).fill({ outcome: 'exposed', reason: 'insufficient-balance' }))
    expect(await claims.reserve(claimOf({ payer, flow: 'upfront', amount: 60n }), limits, now)).toEqual({ outcome: 'exposed', reason: 'insufficient-balance' })
    await claims.close()
  })

  it('caps a payer who has not paid yet, and all of them together; settling frees, and trust grows only by paying', async () => {
    const claims = await open()
    const payer = random(20)
    await fund(claims, payer)
    const first = claimOf({ payer, amount: 600n })
    expect((await claims.reserve(first, limits, now)).outcome).toBe('reserved')
    expect(await claims.reserve(claimOf({ payer, amount: 500n }), limits, now)).toEqual({ outcome: 'exposed', reason: 'payer-cap' })
    expect((await claims.reserve(claimOf({ payer, amount: 500n, flow: 'upfront' }), limits, now)).outcome).toBe('reserved')
    for (const amount of [1_000n, 1_000n]) {
      const other = claimOf({ amount })
      await fund(claims, other.payer)
      expect((await claims.reserve(other, limits, now)).outcome).toBe('reserved')
    }
    const last = claimOf({ amount: 500n })
    await fund(claims, last.payer)
    expect(await claims.reserve(last, limits, now)).toEqual({ outcome: 'exposed', reason: 'total-cap' }) // 600 + 1000 + 1000 + 500 > 3000
    expect(await claims.transition(first, 'settled')).toBe('applied')
    expect((await claims.reserve(last, limits, now)).outcome).toBe('reserved') // 1000 + 1000 + 500
    await claims.close()
  })

  it('keeps what was lost against the cap, and the debtor to paying first', async () => {
    const claims = await open()
    const debtor = claimOf({ amount: 1_000n })
    await fund(claims, debtor.payer)
    await claims.reserve(debtor, limits, now)
    for (const state of ['accepted', 'delivered', 'unpaid'] as const) expect(await claims.transition(debtor, state)).toBe('applied')
    expect(await claims.reserve(claimOf({ payer: debtor.payer }), limits, now)).toEqual({ outcome: 'exposed', reason: 'debtor' })
    expect((await claims.reserve(claimOf({ payer: debtor.payer, flow: 'upfront' }), limits, now)).outcome).toBe('reserved')
    // A drained wallet replaced again and again loses us no more than the cap: 1000 lost + 2 × 1000 at risk, then nothing.
    let granted = 0
    for (let i = 0; i < 5; i++) {
      const fresh = claimOf({ amount: 1_000n })
      await fund(claims, fresh.payer)
      if ((await claims.reserve(fresh, limits, now)).outcome === 'reserved') granted++
    }
    expect(granted).toBe(2)
    await claims.close()
  })

  it('lets a payer\'s identifier stand for one payment, until it is said that this one is over', async () => {
    const claims = await open()
    const use = { payer: random(20), identifier: random(32), validBefore: Math.floor(now / 1000) + 300 }
    const [first, second] = [random(32), random(32)]
    expect(await claims.identify({ ...use, paymentId: first }, now)).toBe(first)
    expect(await claims.identify({ ...use, paymentId: first }, now)).toBe(first)
    expect(await claims.identify({ ...use, paymentId: second }, now)).toBe(first)
    expect(await claims.identify({ ...use, paymentId: second }, now, random(32))).toBe(first)
    expect(await claims.identify({ ...use, paymentId: second, payer: random(20) }, now)).toBe(second)
    expect(await claims.identify({ ...use, paymentId: second }, now, first)).toBe(second)
    expect(await claims.identify({ ...use, paymentId: first }, now)).toBe(second)
    await claims.close()
  })

  it('takes back the trust of a payment with the step that makes it void', async () => {
    const claims = await open()
    const payer = random(20)
    await fund(claims, payer, 10_000n)
    const upfront = claimOf({ payer, amount: 2_000n, flow: 'upfront' })
    await claims.reserve(upfront, limits, now)
    await claims.paid(upfront, { transaction: random(32), blockNumber: 1 })
    await claims.transition(upfront, 'void')
    await claims.transition(upfront, 'void') // told twice
    await claims.paid(upfront, { transaction: random(32), blockNumber: 1 })
    expect(await claims.reserve(claimOf({ payer, amount: 1_500n }), limits, now)).toEqual({ outcome: 'exposed', reason: 'payer-cap' })
    await claims.close()
  })

  it('refuses payers with code at their address', async () => {
    const claims = await open()
    const claim = claimOf()
    await fund(claims, claim.payer, 1_000n, true)
    expect(await claims.reserve(claim, limits, now)).toEqual({ outcome: 'exposed', reason: 'contract-payer' })
    await claims.close()
  })

  it('moves along the lifecycle and answers applied, already or conflict', async () => {
    const claims = await open()
    const claim = claimOf()
    await fund(claims, claim.payer)
    await claims.reserve(claim, limits, now)
    expect(await claims.transition(claim, 'accepted')).toBe('applied')
    expect(await claims.transition(claim, 'accepted')).toBe('already')
    expect(await claims.transition(claim, 'delivered')).toBe('applied')
    expect(await claims.transition(claim, 'void')).toBe('conflict')
    expect(await claims.transition(claim, 'settled', { transaction: random(32), blockNumber: 7 })).toBe('applied')
    expect(await claims.transition(claim, 'delivered')).toBe('already')
    expect(await claims.transition(claimOf(), 'settled')).toBe('missing')
    expect(await claims.byRequest(claim.requestId)).toMatchObject({ state: 'settled', blockNumber: 7 })
    expect(await claims.byRequest(random(32))).toBeUndefined()
    await claims.close()
  })

  it('releases a reservation as if it had never been, but only a reservation', async () => {
    const claims = await open()
    const claim = claimOf({ amount: 1_000n })
    await fund(claims, claim.payer)
    await claims.reserve(claim, limits, now)
    await claims.release(claim.paymentId)
    expect((await claims.reserve(claim, limits, now)).outcome).toBe('reserved')
    await claims.transition(claim, 'accepted')
    await claims.release(claim.paymentId)
    expect((await claims.byPayment(claim.paymentId))?.state).toBe('accepted')
    await claims.close()
  })

  it('lets one caller take over an abandoned reservation', async () => {
    const claims = await open()
    const claim = claimOf()
    await fund(claims, claim.payer)
    await claims.reserve(claim, limits, now)
    expect(await claims.takeOver(claim.paymentId, now + 5_000)).toBe(false)
    const taken = await Promise.all(Array.from({ length: 10 }, () => claims.takeOver(claim.paymentId, now + 20_000)))
    expect(taken.filter(Boolean)).toHaveLength(1)
    await claims.close()
  })

  it('follows an upfront payment: paid, then worked on', async () => {
    const claims = await open()
    const claim = claimOf({ flow: 'upfront' })
    await fund(claims, claim.payer)
    await claims.reserve(claim, limits, now)
    await claims.transition(claim, 'paying')
    expect(await claims.paid(claim, { transaction: random(32), blockNumber: 1 })).toBe('applied')
    expect(await claims.paid(claim, { transaction: random(32), blockNumber: 1 })).toBe('already')
    expect((await claims.byPayment(claim.paymentId))?.state).toBe('accepted')
    await claims.close()
  })

  it('restores a claim as Kafka knows it, once, and counts it as risked', async () => {
    const claims = await open()
    const claim: Claim = { ...claimOf({ amount: 900n }), state: 'accepted' }
    await claims.restore(claim)
    await claims.restore({ ...claim, state: 'reserved' })
    expect(await claims.byPayment(claim.paymentId)).toEqual(claim)
    await fund(claims, claim.payer)
    expect(await claims.reserve(claimOf({ payer: claim.payer, amount: 200n }), limits, now)).toEqual({ outcome: 'exposed', reason: 'payer-cap' })
    await claims.close()
  })

  it('lists what is overdue, and not what has ended', async () => {
    const claims = await open()
    const expired = Math.floor(now / 1000) - 100
    const [open1, ended, fresh] = [claimOf({ validBefore: expired }), claimOf({ validBefore: expired }), claimOf()]
    for (const claim of [open1, ended, fresh]) {
      await fund(claims, claim.payer)
      await claims.reserve(claim, limits, now)
    }
    await claims.transition(ended, 'void')
    expect((await claims.overdue(now, 60_000, 10)).map((c) => c.paymentId)).toEqual([open1.paymentId])
    await claims.postpone(open1.paymentId, now)
    expect(await claims.overdue(now, 60_000, 10)).toEqual([])
    await claims.close()
  })

  it('does not write a balance that was read before a payment settled', async () => {
    const claims = await open()
    const claim = claimOf({ amount: 100n })
    await fund(claims, claim.payer, 100n)
    await claims.reserve(claim, limits, now)
    let reads = 0
    await claims.setPayer(
      claim.payer,
      async () => {
        reads++
        if (reads === 1) await claims.transition(claim, 'settled') // settles between the read and the write
        return { balance: reads === 1 ? 100n : 0n, contract: false }
      },
      now,
    )
    expect(await claims.reserve(claimOf({ payer: claim.payer, amount: 1n }), limits, now)).toEqual({ outcome: 'exposed', reason: 'insufficient-balance' })
    await claims.close()
  })

  it('tells the instance that waits', async () => {
    const claims = await open()
    const heard: string[] = []
    await claims.listen('me', (id) => heard.push(id))
    const id = random(32)
    await claims.notify('somebody-else', random(32))
    await claims.notify('me', id)
    await expect.poll(() => heard).toEqual([id])
    await claims.close()
  })
}
