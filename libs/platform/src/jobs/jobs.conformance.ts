import { AppError, Errors } from '@haca/core'
import { randomUUID } from 'node:crypto'
import { expect, it, vi } from 'vitest'
import type { Job, JobKind, Jobs } from './jobs.js'

/** What every job queue must do; run over each adapter. */
export function conformance(make: () => Promise<Jobs>): void {
  const kindOf = (attempts = 3): JobKind<{ id: string }> => ({ name: `k-${randomUUID()}`, attempts, backoffMs: 10 })

  it('runs each id once, however often it is added', async () => {
    const jobs = await make()
    const kind = kindOf()
    const ran: string[] = []
    const worker = await jobs.work(kind, { concurrency: 4, handler: async (job) => void ran.push(job.id), exhausted: async () => undefined })
    await Promise.all(Array.from({ length: 60 }, (_, i) => jobs.add(kind, `job-${i % 20}`, { id: String(i % 20) })))
    await vi.waitFor(() => expect(ran.length).toBeGreaterThanOrEqual(20), { timeout: 5_000 })
    await vi.waitFor(async () => expect(await jobs.depth(kind.name)).toBe(0), { timeout: 5_000 })
    expect([...ran].sort()).toEqual([...new Set(ran)].sort())
    expect([await jobs.outcome(kind.name, 'job-0'), await jobs.outcome(kind.name, 'job-99')]).toEqual(['done', undefined])
    await jobs.add(kind, 'job-0', { id: '0' })
    await vi.waitFor(async () => expect(await jobs.depth(kind.name)).toBe(0), { timeout: 5_000 })
    expect(ran.filter((id) => id === 'job-0')).toHaveLength(1)
    await worker.stop()
    await jobs.close()
  })

  it('tries again up to the limit, then tells that the job is exhausted', async () => {
    const jobs = await make()
    const kind = kindOf(3)
    const attempts: number[] = []
    const ended: Job<unknown>[] = []
    const worker = await jobs.work(kind, {
      concurrency: 1,
      handler: async (job) => {
        attempts.push(job.attempt)
        throw new Error('flaky')
      },
      exhausted: async (job) => void ended.push(job),
    })
    await jobs.add(kind, 'x', { id: 'x' })
    await vi.waitFor(() => expect(ended).toHaveLength(1), { timeout: 5_000 })
    expect(attempts).toEqual([1, 2, 3])
    expect(await jobs.outcome(kind.name, 'x')).toBe('failed')
    await worker.stop()
    await jobs.close()
  })

  it('does not try again what cannot succeed', async () => {
    const jobs = await make()
    const kind = kindOf(5)
    let runs = 0
    const ended: Error[] = []
    const worker = await jobs.work(kind, {
      concurrency: 1,
      handler: async () => {
        runs++
        throw new AppError('test.hopeless')
      },
      exhausted: async (_job, error) => void ended.push(error),
    })
    await jobs.add(kind, 'x', { id: 'x' })
    await vi.waitFor(() => expect(ended).toHaveLength(1), { timeout: 5_000 })
    expect(runs).toBe(1)
    expect(Errors.find(ended[0])?.code).toBe('test.hopeless')
    await worker.stop()
    await jobs.close()
  })

  it('keeps jobs that wait until a worker comes', async () => {
    const jobs = await make()
    const kind = kindOf()
    await jobs.add(kind, 'early', { id: 'early' })
    expect(await jobs.depth(kind.name)).toBe(1)
    const ran: unknown[] = []
    const worker = await jobs.work(kind, { concurrency: 1, handler: async (job) => void ran.push(job.data), exhausted: async () => undefined })
    await vi.waitFor(() => expect(ran).toEqual([{ id: 'early' }]), { timeout: 5_000 })
    await worker.stop()
    await jobs.close()
  })

  it('runs the lowest priority first, whatever came first', async () => {
    const jobs = await make()
    const kind = kindOf()
    for (const [id, priority] of [['late', 2_000_000], ['soon', 7], ['first', 1], ['later', 900]] as const) await jobs.add(kind, id, { id }, { priority })
    const ran: string[] = []
    const worker = await jobs.work(kind, { concurrency: 1, handler: async (job) => void ran.push(job.id), exhausted: async () => undefined })
    await vi.waitFor(() => expect(ran).toEqual(['first', 'soon', 'later', 'late']), { timeout: 5_000 })
    expect(await jobs.depth(kind.name)).toBe(0)
    await worker.stop()
    await jobs.close()
  })
}
