import { create } from '@bufbuild/protobuf'
import { AppError } from '@haca/core'
import { InferenceRequestedSchema, PaymentFailedSchema } from '@haca/proto'
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Bus } from './bus.js'

const failed = (reason: string) => create(PaymentFailedSchema, { paymentId: randomBytes(32), reason })

/** Waits for a fact, not for time; fails after ten seconds without it. */
async function until(fact: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (fact()) return
    await pause(20)
  }
  expect(fact(), 'the fact that was waited for').toBe(true)
}

/** What every bus must do; run over each adapter. `make` gives a new client of the same log each time. */
export function conformance(make: () => Promise<Bus>): void {
  const fresh = async () => {
    const bus = await make()
    await bus.ensure([{ schema: PaymentFailedSchema }])
    return { bus, group: `g-${randomUUID()}`, mark: randomUUID() }
  }

  it('brings every record to each group, and shares it inside a group', async () => {
    const { bus, group, mark } = await fresh()
    const seen: Record<string, string[]> = { a: [], b: [] }
    const consume = (name: string, g: string) =>
      bus.consume({ group: g, schema: PaymentFailedSchema, inFlightMax: 10, handler: async (m) => void (m.reason.startsWith(mark) && seen[name]?.push(m.reason)) })
    const consumptions = [await consume('a', group), await consume('b', `${group}-2`), await consume('b', `${group}-2`)]
    const sent = Array.from({ length: 40 }, (_, i) => `${mark} ${i}`)
    await Promise.all(sent.map((reason) => bus.publish(PaymentFailedSchema, failed(reason))))
    await until(() => (seen.a?.length ?? 0) >= 40 && (seen.b?.length ?? 0) >= 40)
    expect([...new Set(seen.a)].sort()).toEqual([...sent].sort())
    expect([...new Set(seen.b)].sort()).toEqual([...sent].sort())
    await Promise.all(consumptions.map((c) => c.stop(1000)))
    await bus.close()
  })

  it('hands out no more than the limit, and still everything', async () => {
    const { bus, group, mark } = await fresh()
    let now = 0
    let most = 0
    let total = 0
    const consumption = await bus.consume({
      group,
      schema: PaymentFailedSchema,
      inFlightMax: 3,
      handler: async (m) => {
        most = Math.max(most, ++now)
        await pause(5)
        now--
        if (m.reason === mark) total++
      },
    })
    await Promise.all(Array.from({ length: 30 }, () => bus.publish(PaymentFailedSchema, failed(mark))))
    await until(() => total >= 30)
    expect(most).toBeLessThanOrEqual(3)
    await consumption.stop(1000)
    await bus.close()
  })

  it('hands out no more bytes than the limit, and one record that is larger by itself', async () => {
    const { bus, group, mark } = await fresh()
    const bytes = { now: 0, most: 0 }
    let total = 0
    const consumption = await bus.consume({
      group,
      schema: PaymentFailedSchema,
      inFlightMax: 100,
      inFlightBytesMax: 10_000,
      handler: async ({ reason }) => {
        bytes.now += reason.length
        if (reason.length <= 10_000) bytes.most = Math.max(bytes.most, bytes.now)
        await pause(5)
        bytes.now -= reason.length
        if (reason.startsWith(mark)) total++
      },
    })
    await Promise.all(Array.from({ length: 20 }, (_, i) => bus.publish(PaymentFailedSchema, failed(mark.padEnd(i === 10 ? 20_000 : 4_000)))))
    await until(() => total >= 20)
    expect(bytes.most).toBeLessThanOrEqual(10_000)
    await consumption.stop(1000)
    await bus.close()
  })

  it('tries a retryable failure again and buries the rest with the reason', async () => {
    const { bus, group, mark } = await fresh()
    const attempts: number[] = []
    let poisoned = 0
    const consumption = await bus.consume({
      group,
      schema: PaymentFailedSchema,
      inFlightMax: 10,
      handler: async (m, meta) => {
        if (m.reason === `${mark} flaky`) {
          attempts.push(meta.attempt)
          if (meta.attempt < 3) throw new AppError('test.flaky', { retryable: true })
        }
        if (m.reason === `${mark} poison`) {
          poisoned++
          throw new AppError('test.poison')
        }
      },
    })
    await bus.publish(PaymentFailedSchema, failed(`${mark} flaky`))
    await bus.publish(PaymentFailedSchema, failed(`${mark} poison`))
    await until(() => attempts.length >= 3 && poisoned >= 1)
    expect(attempts).toEqual([1, 2, 3])
    await until(() => consumption.inFlight() === 0)
    expect(poisoned).toBe(1)
    await consumption.stop(1000)
    await bus.close()
  })

  it('brings a record again when its consumer stopped before finishing it', async () => {
    const { bus, group, mark } = await fresh()
    let started = 0
    const stuck = await bus.consume({
      group,
      schema: PaymentFailedSchema,
      inFlightMax: 10_000,
      handler: async (m) => {
        if (m.reason !== mark) return
        started++
        await new Promise(() => undefined)
      },
    })
    await bus.publish(PaymentFailedSchema, failed(mark))
    await until(() => started === 1)
    await stuck.stop(0)
    if (!survivesStops(bus)) return bus.close()
    let again = 0
    const next = await bus.consume({ group, schema: PaymentFailedSchema, inFlightMax: 10, handler: async (m) => void (m.reason === mark && again++) })
    await until(() => again >= 1)
    await next.stop(1000)
    await bus.close()
  })

  it('replays what is there, of all pools, and only since the given time', async () => {
    const bus = await make()
    const pools = [`p${randomBytes(4).toString('hex')}`, `p${randomBytes(4).toString('hex')}`]
    await bus.ensure(pools.map((pool) => ({ schema: InferenceRequestedSchema, pool })))
    const publish = (pool: string, replyTo: string) => bus.publish(InferenceRequestedSchema, create(InferenceRequestedSchema, { requestId: randomBytes(32), pool, replyTo }))
    for (const pool of pools) for (let i = 0; i < 5; i++) await publish(pool, `old ${i}`)
    await pause(50)
    const since = Date.now()
    await pause(50)
    for (const pool of pools) await publish(pool, 'new')
    const seen: string[] = []
    const replay = (sinceMs: number) => bus.replay({ schema: InferenceRequestedSchema, pool: '*', sinceMs, visit: (m) => void (pools.includes(m.pool) && seen.push(m.replyTo)) })
    await replay(0)
    expect(seen).toHaveLength(12)
    seen.length = 0
    await replay(since)
    expect(seen).toEqual(['new', 'new'])
    await bus.close()
  })
}

/** The memory bus forgets what was handed out when its consumer stops; it says so, and nothing that must survive uses it. */
const survivesStops = (bus: Bus): boolean => bus.constructor.name !== 'MemoryBus'
