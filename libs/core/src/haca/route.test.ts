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
  it('decides also where a node gives figures beyond all measure', () => {
    const boastful = node({ node: `0x${'02'.repeat(20)}`, queueDepth: 2 ** 32 - 1, serviceP50Ms: 2 ** 32 - 1, serviceP99Ms: 2 ** 32 - 1, registered: false })
    const answer = ask([node(), boastful])
    expect(answer.ok && Decision.hash(answer.value)).toMatch(/^0x[0-9a-f]{64}$/)
  })

  it('names as the fastest way one that can be had', () => {
    const answer = ask([node({ seenAtMs: 0, serviceP99Ms: 1 }), node({ serviceP99Ms: 500 })], { deadlineMs: 100 })
    expect(answer).toMatchObject({ ok: false, reason: 'too-slow', detail: 'the fastest way takes about 500 ms' })
  })

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

describe('proofs', () => {
  // 20 ms of service; 100 ms + 10,000 constraints × 20 s per million = 300 ms; 2,000 a second × 0.3 = 600 atomic units.
  const provable: RegisteredModel = { ...model, circuit: { vkId: `0x${'cc'.repeat(32)}`, constraints: 10_000 } }
  const selling: Policy = { ...policy, proving: { fixedMs: 100, perMillionConstraintsMs: 20_000, secondAtomic: 2_000n } }
  const buy = (verification: 'zkml' | 'tee+zkml' | 'auto' | 'tee', change: object = {}, { units = 1, of = provable, under = selling, fleet = [node()] } = {}) =>
    Route.route({ model: of, wish: { ...wish, verification, ...change }, units }, fleet, under, now)
  const reason = (...args: Parameters<typeof buy>) => {
    const answer = buy(...args)
    return answer.ok ? `${answer.value.mode}` : answer.reason
  }

  it('are sold where the model has a circuit, at the price of the time they take', () => {
    const answer = buy('zkml')
    expect(answer).toMatchObject({ ok: true, value: { mode: 2 } })
    if (answer.ok) expect(answer.value.candidates.map((c) => [c.mode, c.reason, c.price, c.latencyMs])).toEqual([[1, 'assurance-too-low', 1000n, 20], [2, 'eligible', 1600n, 320], [3, 'eligible', 1600n, 20]])
    expect(reason('tee+zkml')).toBe('3')
    expect(reason('auto')).toBe('1')
    expect(reason('tee')).toBe('1')
  })

  it('are refused with the reason that helps', () => {
    expect(reason('zkml', {}, { of: model })).toBe('no-circuit')
    expect(reason('zkml', {}, { under: policy })).toBe('proof-not-sold')
    expect(reason('zkml', {}, { units: 2 })).toBe('one-row-a-proof')
    expect(reason('zkml', { budget: 1599n })).toBe('over-budget')
    // A deadline the proof misses leaves the way that proves afterwards.
    expect(reason('zkml', { deadlineMs: 319 })).toBe('3')
    expect(reason('zkml', { deadlineMs: 320 })).toBe('2')
    expect(reason('tee+zkml', { deadlineMs: 20 })).toBe('3')
    const plain = { fleet: [node({ hardware: 'plain', keyKind: 0 })] }
    expect(reason('zkml', {}, plain)).toBe('2')
    expect(reason('zkml', { deadlineMs: 319 }, plain)).toBe('proof-too-slow')
    expect(reason('tee', {}, plain)).toBe('2')
  })

  it('go to nodes without trusted hardware only where no hardware was bought', () => {
    const plain = node({ hardware: 'plain', keyKind: 0 })
    const assign = (mode: number) => Assign.assign({ modelHash, mode, requestId: `0x${'ee'.repeat(32)}` }, [plain], selling, now).ok
    expect([assign(1), assign(2), assign(3)]).toEqual([false, true, false])
  })
})
