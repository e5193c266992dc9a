export { connectRedis, untilReady, type RedisOptions } from './redis.js'
export type { Redis } from 'ioredis'
export { redisOptions, redisRules, redisShape } from './env.js'
