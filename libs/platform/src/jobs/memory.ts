import { Errors } from '@haca/core'
import type { Job, JobKind, Jobs, Worker } from './jobs.js'

interface Entry {
  job: Job<Record<string, string>>
  state: 'waiting' | 'running' | 'done' | 'failed'
  priority: number
}

/** Jobs in process memory: nothing survives a restart. */
export class MemoryJobs implements Jobs {
  readonly #queues = new Map<string, Map<string, Entry>>()
  readonly #workers = new Map<string, () => void>()

  async open(): Promise<void> {}

  async add<D extends Record<string, string>>(kind: JobKind<D>, id: string, data: D, { priority = 0 }: { priority?: number } = {}): Promise<void> {
    const queue = this.#queue(kind.name)
    if (queue.has(id)) return
    queue.set(id, { job: { id, data: JSON.parse(JSON.stringify(data)) as D, attempt: 0 }, state: 'waiting', priority })
    this.#workers.get(kind.name)?.()
  }

  async work<D extends Record<string, string>>(kind: JobKind<D>, options: Parameters<Jobs['work']>[1] & object): Promise<Worker> {
    let running = 0
    let stopped = false
    const pump = (): void => {
      for (const entry of [...this.#queue(kind.name).values()].sort((a, b) => a.priority - b.priority)) {
        if (stopped || running >= options.concurrency) return
        if (entry.state !== 'waiting') continue
        entry.state = 'running'
        running++
        void this.#run(kind, entry, options).finally(() => {
          running--
          pump()
        })
      }
    }
    this.#workers.set(kind.name, () => setImmediate(pump))
    pump()
    return {
      stop: async () => {
        stopped = true
        this.#workers.delete(kind.name)
        while (running > 0) await new Promise((next) => setTimeout(next, 5))
      },
    }
  }

  async outcome(name: string, id: string): Promise<'done' | 'failed' | undefined> {
    const state = this.#queue(name).get(id)?.state
    return state === 'done' || state === 'failed' ? state : undefined
  }

  async depth(name: string): Promise<number> {
    return [...this.#queue(name).values()].filter(({ state }) => state === 'waiting' || state === 'running').length
  }

  async ping(): Promise<boolean> {
    return true
  }

  async close(): Promise<void> {
    this.#workers.clear()
  }

  async #run(kind: JobKind<Record<string, string>>, entry: Entry, options: Parameters<Jobs['work']>[1]): Promise<void> {
    entry.job = { ...entry.job, attempt: entry.job.attempt + 1 }
    try {
      await options.handler(entry.job as never)
      entry.state = 'done'
    } catch (error) {
      if (entry.job.attempt >= kind.attempts || Errors.find(error)?.retryable === false) {
        entry.state = 'failed'
        await options.exhausted(entry.job as never, error as Error)
        return
      }
      setTimeout(() => {
        entry.state = 'waiting'
        this.#workers.get(kind.name)?.()
      }, kind.backoffMs)
    }
  }

  #queue(name: string): Map<string, Entry> {
    let queue = this.#queues.get(name)
    if (!queue) this.#queues.set(name, (queue = new Map()))
    return queue
  }
}
