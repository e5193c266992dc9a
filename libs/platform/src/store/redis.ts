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
}

/** A Redis connection. Redis is never the truth about money: it may be lost whole and is rebuilt from Kafka. */
export function connectRedis(options: RedisOptions, logger: Logger): Redis {
  const redis = new Redis(options.url, {
    maxRetriesPerRequest: options.forever ? null : 1,
    enableOfflineQueue: options.forever ?? false,
    connectTimeout: 3_000,
    ...(options.forever ? {} : { commandTimeout: 3_000 }),
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2_000),
    enableAutoPipelining: false,
    lazyConnect: false,
    ...(options.caFile ? { tls: { ca: readFileSync(options.caFile) } } : {}),
  })
  redis.on('error', (err: Error) => logger.debug({ err }, 'redis connection error'))
  redis.on('close', () => logger.debug('redis connection closed'))
  return redis
}
