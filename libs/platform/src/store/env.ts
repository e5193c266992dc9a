import { kind, z, type Rule, type Values } from '../config/index.js'
import type { RedisOptions } from './redis.js'

/** How a service reaches Redis. */
export const redisShape = {
  REDIS_URL: kind.secret().describe('redis:// or rediss://, with user and password in it'),
  REDIS_CA_FILE: z.string().optional().describe('CA of a rediss:// server'),
  REDIS_PREFIX: z.string().regex(/^[a-z0-9-]+$/).default('haca').describe('first part of every key; one per deployment'),
}

type RedisEnv = Values<typeof redisShape>

/** Production demands TLS and AUTH. */
export const redisRules: Rule<RedisEnv & { PROFILE: string }>[] = [
  (env) => (env.PROFILE === 'production' && !env.REDIS_URL.reveal().startsWith('rediss://') ? 'REDIS_URL must begin with rediss:// in production' : undefined),
  (env) => (env.PROFILE === 'production' && !/^rediss?:\/\/[^@/]*:[^@/]+@/.test(env.REDIS_URL.reveal()) ? 'REDIS_URL must carry a password in production' : undefined),
]

export const redisOptions = (env: RedisEnv): RedisOptions => ({ url: env.REDIS_URL.reveal(), ...(env.REDIS_CA_FILE ? { caFile: env.REDIS_CA_FILE } : {}) })
