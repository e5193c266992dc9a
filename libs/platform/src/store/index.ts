export { connectRedis, type RedisOptions } from './redis.js'
export type { Redis } from 'ioredis'
