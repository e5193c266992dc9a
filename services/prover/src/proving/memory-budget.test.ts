import { describe, expect, it } from 'vitest'
import { MemoryBudget, type Tenant } from './memory-budget.js'

const tenant = (bytes: number, idle = true): Tenant & { evicted: boolean } => {
  const made = { bytes, evicted: false, idle: () => idle, evict: () => void (made.evicted = true) }
  return made
}

describe('memory budget', () => {
  it('refuses for good what never fits', () => {
    expect(() => new MemoryBudget(100).makeRoom(101)).toThrow(expect.objectContaining({ code: 'prover.memory-exceeded', retryable: false }))
    expect(() => new MemoryBudget(100).makeRoom(100)).not.toThrow()
  })

  it('evicts who was not used for longest, and no more than it must', () => {
    const budget = new MemoryBudget(100)
    const [a, b, c] = [tenant(40), tenant(30), tenant(20)]
    for (const t of [a, b, c]) budget.add(t)
    budget.touch(a)
    budget.makeRoom(30)
    expect([a.evicted, b.evicted, c.evicted]).toEqual([false, true, false])
    expect(budget.used()).toBe(60)
  })

  it('says "later" where all that holds memory is at work', () => {
    const budget = new MemoryBudget(100)
    const busy = tenant(80, false)
    budget.add(busy)
    expect(() => budget.makeRoom(30)).toThrow(expect.objectContaining({ code: 'prover.memory-busy', retryable: true }))
    expect(busy.evicted).toBe(false)
    budget.release(busy)
    expect(() => budget.makeRoom(30)).not.toThrow()
  })
})
