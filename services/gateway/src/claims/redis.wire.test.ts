import { createLogger } from '@haca/platform/log'
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { conformance } from './claims.conformance.js'
import { RedisClaims } from './redis.js'

describe('redis claims', () =>
  conformance(async () => {
    const claims = new RedisClaims({ url: process.env.REDIS_URL as string }, `t-${randomUUID()}`, createLogger('test', 'silent'))
    await claims.open()
    return claims
  }))
