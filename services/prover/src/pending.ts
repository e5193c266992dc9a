import { AppError } from '@haca/core'

/**
 * Records whose chore is under way. The Kafka record is committed when its chore has ended, so Redis may lose the chore: it
 * is added again, and a finished one is noticed even when another process ran it.
 */
export class Pending<M> {
  /** A record comes again while its chore is under way, after a rebalance for one: all that came end with the one chore. */
  readonly #entries = new Map<string, Set<Entry<M>>>()

  constructor(
    /** Adds the chore; nothing when it is remembered. */
    readonly add: (id: string, message: M) => Promise<void>,
    /** How the chore ended, here or elsewhere. */
    readonly outcome: (id: string) => Promise<'done' | 'failed' | undefined>,
    readonly checkEveryMs = 5_000,
  ) {}

  /** Resolves when the chore of this record has ended. */
  async run(id: string, message: M): Promise<void> {
    let entry!: Entry<M>
    const done = new Promise<void>((resolve, reject) => (entry = { message, resolve, reject }))
    done.catch(() => undefined) // who awaits it is below, unless the chore could not be added
    this.#of(id).add(entry)
    const timer = setInterval(() => void this.#check(id, message), this.checkEveryMs)
    try {
      await this.add(id, message).catch((cause: unknown) => {
        throw new AppError('jobs.unreachable', { retryable: true, cause })
      })
      await done
    } finally {
      clearInterval(timer)
      this.#forget(id, entry)
    }
  }

  message(id: string): M | undefined {
    return this.#entries.get(id)?.values().next().value?.message
  }

  finished(id: string): void {
    for (const entry of this.#entries.get(id) ?? []) entry.resolve()
  }

  failed(id: string, error: Error): void {
    for (const entry of this.#entries.get(id) ?? []) entry.reject(error)
  }

  size(): number {
    return this.#entries.size
  }

  #of(id: string): Set<Entry<M>> {
    let entries = this.#entries.get(id)
    if (!entries) this.#entries.set(id, (entries = new Set()))
    return entries
  }

  #forget(id: string, entry: Entry<M>): void {
    const entries = this.#of(id)
    entries.delete(entry)
    if (entries.size === 0) this.#entries.delete(id)
  }

  async #check(id: string, message: M): Promise<void> {
    try {
      const outcome = await this.outcome(id)
      if (outcome === 'done') this.finished(id)
      else if (outcome === 'failed') this.failed(id, new AppError('jobs.failed', { detail: 'the chore was given up, by another process; its log says why' }))
      else await this.add(id, message)
    } catch {
      // Redis is away; the next look comes.
    }
  }
}

interface Entry<M> {
  message: M
  resolve(): void
  reject(error: Error): void
}
