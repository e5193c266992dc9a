import { describe, expect, it } from 'vitest'
import * as Hex from '../hex.js'
import * as Assign from './assign.js'
import * as Decision from './decision.js'
import type { Node, Policy, RegisteredModel } from './fleet.js'
import * as Route from './route.js'

const now = 1_795_000_000_000
const modelHash = `0x${'aa'.repeat(32)}` as Hex.Hex
const model: RegisteredModel = { modelHash, name: 'digits', version: '1.0.0', unitPrice: 1000n, publisher: Hex.zeroAddress, maxUnits: 256, retired: false }
const policy: Policy = {
  epoch: 7,
  hardware: { simulated: { assurance: 'tee', compromisePpm: 10_000 }, genoa: { assurance: 'tee', compromisePpm: 100 }, plain: { assurance: 'none', compromisePpm: 0 } },
  heartbeatMaxAgeMs: 10_000,
  deadlineSeconds: 120,
}
const node = (change: Partial<Node> = {}): Node => ({
  node: `0x${'01'.repeat(20)}`,
  pool: 'cpu-a',
  keyKind: 255,
  hardware: 'simulated',
  modelHashes: [modelHash],
  queueDepth: 0,
  oldestAgeMs: 0,
  serviceP50Ms: 5,
  serviceP99Ms: 20,
  accepting: true,
  queueLimit: 100,
  seenAtMs: now,
  registered: true,
  ...change,
})
const wish = { verification: 'auto' as const, valueAtRisk: 0n, deadlineMs: 0, budget: undefined }
const ask = (fleet: Node[], change: Partial<typeof wish> | { budget: bigint } = {}, units = 1) =>
  Route.route({ model, wish: { ...wish, ...change }, units }, fleet, policy, now)
const outcome = (...args: Parameters<typeof ask>) => {
  const answer = ask(...args)
  return answer.ok ? 'ok' : answer.reason
}

describe('route', () => {
  it('takes the tee candidate, charges by row and returns every candidate with its reason', () => {
    const answer = ask([node()], {}, 3)
    expect(answer).toMatchObject({ ok: true, value: { mode: 1, units: 3, policyEpoch: 7 } })
    if (!answer.ok) return
    expect(answer.value.candidates.map((c) => [c.mode, c.reason, c.price])).toEqual([
      [1, 'eligible', 3000n],
      [2, 'no-circuit', 3000n],
      [3, 'no-circuit', 3000n],
    ])
  })

  it('refuses with the reason that helps', () => {
    expect(outcome([])).toBe('no-live-pool')
    expect(outcome([node({ seenAtMs: now - 10_001 })])).toBe('no-live-pool')
    expect(outcome([node({ seenAtMs: now - 10_000 })])).toBe('ok')
    expect(outcome([node({ accepting: false })])).toBe('no-live-pool')
    expect(outcome([node({ registered: false })])).toBe('no-live-pool')
    expect(outcome([node({ queueDepth: 100, queueLimit: 100 })])).toBe('no-live-pool')
    expect(outcome([node({ hardware: 'unheard-of' })])).toBe('no-live-pool')
    expect(outcome([node({ hardware: 'plain' })])).toBe('no-live-pool')
    expect(outcome([node()], { verification: 'zkml' as never })).toBe('no-circuit')
    expect(outcome([node()], { budget: 999n })).toBe('over-budget')
    expect(outcome([node()], { budget: 1000n })).toBe('ok')
    expect(outcome([node()], { deadlineMs: 19 })).toBe('too-slow')
    expect(outcome([node()], { deadlineMs: 20 })).toBe('ok')
    expect(outcome([node()], {}, 257)).toBe('too-many-units')
  })

  it('prices the value at risk: the less trusted hardware loses once the loss outweighs the price', () => {
    // 1,000,000 at risk: simulated expects 1,000,000 × 1 % = 10,000; genoa 1,000,000 × 0.01 % = 100.
    const answer = ask([node(), node({ pool: 'gpu-b', hardware: 'genoa' })], { valueAtRisk: 1_000_000n })
    expect(answer.ok && answer.value.candidates.filter((c) => c.mode === 1).map((c) => c.expectedLoss)).toEqual([10_000n, 100n])
  })

  it('is pure: the same arguments give the same hash, another argument another', () => {
    const hashOf = (...args: Parameters<typeof ask>) => {
      const answer = ask(...args)
      if (!answer.ok) throw new Error(answer.reason)
      return Decision.hash(answer.value)
    }
    const base = hashOf([node()])
    expect(hashOf([node()])).toBe(base)
    expect(hashOf([node({ queueDepth: 1 })])).not.toBe(base)
    expect(hashOf([node({ pool: 'cpu-b' })])).not.toBe(base)
    expect(hashOf([node()], {}, 2)).not.toBe(base)
    expect(hashOf([node()], { valueAtRisk: 1n })).not.toBe(base)
    expect(hashOf([node()], { budget: 5000n })).not.toBe(base)
  })

  it('survives JSON unchanged', () => {
    const answer = ask([node()])
    if (!answer.ok) throw new Error(answer.reason)
    expect(Decision.fromJson(JSON.parse(JSON.stringify(Decision.toJson(answer.value))))).toEqual(answer.value)
  })
})

describe('assign', () => {
  const requestIds = Array.from({ length: 400 }, (_, i) => `0x${i.toString(16).padStart(64, '0')}` as Hex.Hex)
  const pick = (fleet: Node[], requestId = requestIds[0] as Hex.Hex) => Assign.assign({ modelHash, mode: 1, requestId }, fleet, policy, now)

  it('takes the pool with the shortest wait', () => {
    expect(pick([node({ queueDepth: 50 }), node({ pool: 'cpu-b' })])).toEqual({ ok: true, value: 'cpu-b' })
  })

  it('shares equal pools by the request id and always gives the same request the same pool', () => {
    const fleet = [node(), node({ pool: 'cpu-b' })]
    const taken = requestIds.map((id) => pick(fleet, id)).map((v) => v.ok && v.value)
    const a = taken.filter((pool) => pool === 'cpu-a').length
    expect(a).toBeGreaterThan(140) // a fair coin falls outside 140..260 of 400 less than once in 10^8
    expect(a).toBeLessThan(260)
    expect(requestIds.map((id) => pick(fleet, id)).map((v) => v.ok && v.value)).toEqual(taken)
  })

  it('refuses when nobody lives, serves the model or has room', () => {
    for (const dead of [node({ seenAtMs: 0 }), node({ modelHashes: [] }), node({ queueDepth: 100 }), node({ registered: false })]) {
      expect(pick([dead])).toMatchObject({ ok: false, reason: 'no-live-pool' })
    }
  })
})
