import { AppError } from '@haca/core'

/**
 * Records whose chore is under way. The Kafka record is committed when its chore has ended, so Redis may lose the chore: it
 * is added again, and a finished one is noticed even when another process ran it.
 */
export class Pending<M> {
  readonly #entries = new Map<string, { message: M; resolve(): void; reject(error: Error): void }>()

  constructor(
    /** Adds the chore; nothing when it is remembered. */
    readonly add: (id: string, message: M) => Promise<void>,
    /** Whether the chore ended, here or elsewhere. */
    readonly ended: (id: string) => Promise<boolean>,
    readonly checkEveryMs = 5_000,
  ) {}

  /** Resolves when the chore of this record has ended. */
  async run(id: string, message: M): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.#entries.set(id, { message, resolve, reject }))
    const timer = setInterval(() => void this.#check(id, message), this.checkEveryMs)
    try {
      await this.add(id, message).catch((cause: unknown) => {
        throw new AppError('jobs.unreachable', { retryable: true, cause })
      })
      await done
    } finally {
      clearInterval(timer)
      this.#entries.delete(id)
    }
  }

  message(id: string): M | undefined {
    return this.#entries.get(id)?.message
  }

  finished(id: string): void {
    this.#entries.get(id)?.resolve()
  }

  failed(id: string, error: Error): void {
    this.#entries.get(id)?.reject(error)
  }

  size(): number {
    return this.#entries.size
  }

  async #check(id: string, message: M): Promise<void> {
    try {
      if (await this.ended(id)) this.finished(id)
      else await this.add(id, message)
    } catch {
      // Redis is away; the next look comes.
    }
  }
}
