import { Errors } from '@haca/core'
import { Queue, UnrecoverableError, Worker as BullWorker, type Job as BullJob } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Logger } from '../log/index.js'
import { connectRedis, untilReady, type RedisOptions } from '../store/redis.js'
import type { Job, JobKind, Jobs, Worker } from './jobs.js'

/** How long a finished job is remembered, so that a redelivered record does not run it again. */
const rememberSeconds = 3_600
const rememberMost = 20_000

/** Jobs on BullMQ. Queues fail fast when Redis is away; workers wait for it for ever. */
export class BullJobs implements Jobs {
  readonly #queues = new Map<string, Queue>()
  readonly #connections: Redis[] = []
  #ping: Redis | undefined

  constructor(
    readonly redis: RedisOptions,
    /** Keeps the queues of several stacks on one Redis apart. */
    readonly prefix: string,
    readonly logger: Logger,
  ) {}

  /** Resolves when Redis answers. */
  async open(): Promise<void> {
    await untilReady((this.#ping ??= this.#connect({ forever: false })), this.logger)
  }

  async add<D extends Record<string, string>>(kind: JobKind<D>, id: string, data: D, { priority }: { priority?: number } = {}): Promise<void> {
    await this.#queue(kind.name).add(kind.name, data, {
      jobId: id,
      ...(priority === undefined ? {} : { priority }),
      attempts: kind.attempts,
      backoff: { type: 'fixed', delay: kind.backoffMs },
      removeOnComplete: { age: rememberSeconds, count: rememberMost },
      removeOnFail: { age: rememberSeconds, count: rememberMost },
    })
  }

  async work<D extends Record<string, string>>(kind: JobKind<D>, options: Parameters<Jobs['work']>[1]): Promise<Worker> {
    const worker = new BullWorker(
      kind.name,
      async (job: BullJob) => {
        try {
          await options.handler(translate(job, job.attemptsMade + 1) as never)
        } catch (error) {
          if (Errors.find(error)?.retryable === false) throw Object.assign(new UnrecoverableError((error as Error).message), { cause: error })
          throw error
        }
      },
      { connection: this.#connect({ forever: true }), prefix: this.prefix, concurrency: options.concurrency, stalledInterval: 5_000, maxStalledCount: kind.attempts },
    )
    worker.on('error', (err) => this.logger.warn({ err, queue: kind.name }, 'job worker lost its connection'))
    worker.on('failed', (job, error) => {
      if (!job || (job.attemptsMade < kind.attempts && !(error instanceof UnrecoverableError))) return
      options.exhausted(translate(job, job.attemptsMade) as never, error).catch((err: unknown) => this.logger.error({ err, queue: kind.name, job: job.id }, 'exhausted job could not be reported'))
    })
    await worker.waitUntilReady()
    return { stop: () => worker.close() }
  }

  async outcome(name: string, id: string): Promise<'done' | 'failed' | undefined> {
    const state = await this.#queue(name).getJobState(id)
    return state === 'completed' ? 'done' : state === 'failed' ? 'failed' : undefined
  }

  async depth(name: string): Promise<number> {
    return this.#queue(name).getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized')
  }

  async ping(): Promise<boolean> {
    try {
      return (await (this.#ping ??= this.#connect({ forever: false })).ping()) === 'PONG'
    } catch {
      return false
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()))
    for (const connection of this.#connections) connection.disconnect()
  }

  #queue(name: string): Queue {
    let queue = this.#queues.get(name)
    if (!queue) {
      queue = new Queue(name, { connection: this.#connect({ forever: false }), prefix: this.prefix })
      queue.on('error', (err) => this.logger.warn({ err, queue: name }, 'job queue lost its connection'))
      this.#queues.set(name, queue)
    }
    return queue
  }

  #connect({ forever }: { forever: boolean }): Redis {
    const connection = connectRedis({ ...this.redis, ...(forever ? { forever } : {}) }, this.logger)
    this.#connections.push(connection)
    return connection
  }
}

const translate = (job: BullJob, attempt: number): Job<Record<string, string>> => ({ id: job.id as string, data: job.data as Record<string, string>, attempt })
