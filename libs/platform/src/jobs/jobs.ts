/** A chore inside one service. Its data are ids, never bodies: no other process reads them. */
export interface JobKind<D extends Record<string, string>> {
  /** Imperative and kebab-case: `appraise`. */
  name: string
  /** Most tries before the job is given up. */
  attempts: number
  /** Milliseconds between tries. */
  backoffMs: number
  /** Phantom of the data's type. */
  data?: D
}

export interface Job<D> {
  id: string
  data: D
  /** 1 for the first try. */
  attempt: number
}

export interface Worker {
  /** Takes no more jobs, waits for the running ones. */
  stop(): Promise<void>
}

/**
 * Queues of chores. At least once: a job whose worker died runs again, so every handler must be harmless the second
 * time. A second `add` of an id is nothing while the job is remembered.
 */
export interface Jobs {
  /** Resolves when the queue's store answers. */
  open(): Promise<void>
  /** @param priority 1 to 2^21; lower is sooner. Jobs without one come first. */
  add<D extends Record<string, string>>(kind: JobKind<D>, id: string, data: D, options?: { priority?: number }): Promise<void>
  /** Runs jobs of a kind. A non-retryable AppError ends a job at once; `exhausted` is told of jobs that ended without success. */
  work<D extends Record<string, string>>(
    kind: JobKind<D>,
    options: { concurrency: number; handler(job: Job<D>): Promise<void>; exhausted(job: Job<D>, error: Error): Promise<void> },
  ): Promise<Worker>
  /** How a job ended, while that is remembered; undefined while it waits or runs, and for one that is not known. */
  outcome(name: string, id: string): Promise<'done' | 'failed' | undefined>
  /** Jobs waiting or running of a kind. */
  depth(name: string): Promise<number>
  ping(): Promise<boolean>
  close(): Promise<void>
}
