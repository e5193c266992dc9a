import { describe, expect, it } from 'vitest'
import { dueAt } from './calendar.js'

const hour = 3_600_000
const day = 24 * hour
const entry = (subject: string, life: number) => ({ subject, standing: '1', notBefore: 0, notAfter: life })

describe('the calendar', () => {
  it('asks at the latest six-hourly for what lives for a month, up to a tenth earlier', () => {
    for (const n of Array(50).keys()) {
      const due = dueAt(entry(`intel/tcb-info/tdx/${n}`, 30 * day), 0)
      expect(due).toBeLessThanOrEqual(6 * hour)
      expect(due).toBeGreaterThan(5.4 * hour)
    }
  })

  it('spreads what was asked for at once, and does not change its mind', () => {
    const due = [...Array(50).keys()].map((n) => dueAt(entry(`intel/tcb-info/tdx/${n}`, 30 * day), 0))
    expect(new Set(due).size).toBeGreaterThan(40)
    expect(dueAt(entry('intel/root-crl', 30 * day), 0)).toBe(dueAt(entry('intel/root-crl', 30 * day), 0))
  })

  it('asks when three quarters of a short life are over', () => {
    expect(dueAt(entry('nvidia/ocsp/a', 4 * hour), 0)).toBe(3 * hour)
  })

  it('asks for an endorsement key a day before it ends, and not before', () => {
    expect(dueAt(entry('amd/vcek/Genoa/a/b', 7 * 365 * day), 0)).toBe(7 * 365 * day - day)
  })

  it('rests five minutes between questions, also about what has run out', () => {
    expect(dueAt(entry('intel/root-crl', day), 10 * day)).toBe(10 * day + 5 * 60_000)
  })
})
