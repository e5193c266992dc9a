import { AppError } from '@haca/core'
import { Redis } from 'ioredis'
import { readFileSync } from 'node:fs'
import type { Logger } from '../log/index.js'

export interface RedisOptions {
  /** `redis://` or `rediss://` with user and password in it. */
  url: string
  /** CA file of a `rediss` server, when it is not a public one. */
  caFile?: string
  /** Commands wait for the server for ever instead of failing fast; for workers. */
  forever?: boolean
  /** Commands of one turn of the event loop leave in one write. */
  pipelined?: boolean
}

/** A Redis connection. Redis is never the truth about money: it may be lost whole and is rebuilt from Kafka. */
export function connectRedis(options: RedisOptions, logger: Logger): Redis {
  const redis = new Redis(options.url, {
    maxRetriesPerRequest: options.forever ? null : 1,
    enableOfflineQueue: options.forever ?? false,
    connectTimeout: 3_000,
    ...(options.forever ? {} : { commandTimeout: 3_000 }),
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2_000),
    enableAutoPipelining: options.pipelined ?? false,
    lazyConnect: false,
    ...(options.caFile ? { tls: { ca: readFileSync(options.caFile) } } : {}),
  })
  redis.on('error', (err: Error) => logger.debug({ err }, 'redis connection error'))
  redis.on('close', () => logger.debug('redis connection closed'))
  return redis
}

/** Resolves when the server answers; says so while it does not, and gives up after `withinMs`. */
export async function untilReady(redis: Redis, logger: Logger, withinMs = 30_000): Promise<void> {
  if (redis.status === 'ready') return
  const timer = setInterval(() => logger.warn('redis is not ready; waiting'), 2_000)
  try {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new AppError('redis.unreachable', { retryable: true, detail: `redis did not answer within ${withinMs} ms` })), withinMs)
      redis.once('ready', () => {
        clearTimeout(late)
        resolve()
      })
    })
  } finally {
    clearInterval(timer)
  }
}
