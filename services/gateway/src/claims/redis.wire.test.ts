import { Hex } from '@haca/core'
import { createLogger } from '@haca/platform/log'
import { connectRedis } from '@haca/platform/store'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { conformance } from './claims.conformance.js'
import { RedisClaims } from './redis.js'

describe('redis claims', () =>
  conformance(async () => {
    const claims = new RedisClaims({ url: process.env.REDIS_URL as string }, `t-${randomUUID()}`, createLogger('test', 'silent'))
    await claims.open()
    return claims
  }))

it('keeps a claim that is looked at again, for an hour from then', async () => {
  const [url, prefix, logger] = [process.env.REDIS_URL as string, `t-${randomUUID()}`, createLogger('test', 'silent')]
  const claims = new RedisClaims({ url }, prefix, logger)
  const redis = connectRedis({ url, forever: true }, logger)
  await claims.open()
  const random = (bytes: number) => Hex.fromBytes(randomBytes(bytes))
  const claim = { paymentId: random(32), requestId: random(32), fingerprint: random(32), payer: random(20), amount: 100n, flow: 'authorization' as const, validBefore: Math.floor(Date.now() / 1000) - 3_590, acceptedAtMs: Date.now() }
  await claims.restore({ ...claim, state: 'delivered' })
  const keys = [`{${prefix}}:claim:${claim.paymentId}`, `{${prefix}}:request:${claim.requestId}`]
  for (const key of keys) await redis.pexpire(key, 5_000) // an hour has nearly gone by, and the chain is still away
  await claims.postpone(claim.paymentId, Date.now() + 60_000)
  for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(3_500_000)
  await claims.postpone(random(32), Date.now()) // one that is gone stays gone
  await claims.close()
  redis.disconnect()
})
