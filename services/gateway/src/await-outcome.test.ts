import { Hex } from '@haca/core'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Waiters } from './await-outcome.js'

const id = (): Hex.Hex => Hex.fromBytes(randomBytes(32))
const often = { timeoutMs: 1_000, everyMs: 1_000 }

describe('waiters', () => {
  it('look, and look again when they are woken', async () => {
    const waiters = new Waiters()
    const [requestId, news] = [id(), [] as string[]]
    const waiting = waiters.until(requestId, async () => news[0], often)
    await new Promise(setImmediate)
    news.push('answered')
    waiters.wake(requestId)
    expect(await waiting).toBe('answered')
    expect(waiters.size()).toBe(0)
  })

  it('are forgotten when looking fails', async () => {
    const waiters = new Waiters()
    const fails = async (): Promise<undefined> => {
      throw new Error('there is no such request')
    }
    for (let i = 0; i < 10; i++) await expect(waiters.until(id(), fails, often)).rejects.toThrow('no such request')
    expect(waiters.size()).toBe(0)
  })
})
