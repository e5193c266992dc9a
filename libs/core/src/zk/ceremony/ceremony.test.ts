import { describe, expect, it } from 'vitest'
import { keyId } from '../groth16/verification-key.js'
import { trapdoor } from '../testing/trapdoor.js'
import * as Ceremony from './index.js'

const { key } = trapdoor(2, 3n)
const h = (digit: string, bytes: number) => digit.repeat(2 * bytes)

const transcript: Ceremony.Transcript = {
  format: 'haca/zk-ceremony/1',
  plan: {
    circuit: { r1csSha256: h('1', 32), constraints: 700 },
    phase1: { kind: 'perpetual', power: 10, blake2b: Ceremony.PERPETUAL_POWERS_OF_TAU[10]! },
    contributors: ['a', 'b', 'c'],
    beacon: { source: 'Base block 50,000,000', iterationsExp: 10 },
  },
  circuitHash: h('2', 64),
  contributions: [{ name: 'a', hash: h('a', 64) }, { name: 'b', hash: h('b', 64) }, { name: 'c', hash: h('c', 64) }],
  beacon: { value: h('d', 32), hash: h('e', 64) },
  zkeySha256: h('3', 32),
  vkId: keyId(key),
}

const findings: Ceremony.Findings = {
  r1csSha256: h('1', 32),
  phase1Blake2b: Ceremony.PERPETUAL_POWERS_OF_TAU[10]!,
  zkeySha256: h('3', 32),
  zkey: {
    key,
    wires: 700,
    publicCount: 2,
    domainSize: 1024,
    label: 'ceremony',
    circuitHash: h('2', 64),
    contributions: [...transcript.contributions, { name: 'beacon', hash: h('e', 64), beacon: { value: h('d', 32), iterationsExp: 10 } }],
  },
  chainVerified: true,
}

const failed = (t: Ceremony.Transcript, f: Ceremony.Findings): string[] => {
  const { trust, rules } = Ceremony.judge(t, f)
  const names = rules.filter(({ ok }) => !ok).map(({ rule }) => rule)
  expect(trust.kind === 'refused').toBe(names.length > 0)
  return names
}

describe('a ceremony', () => {
  it('with three contributors, a beacon and a pinned phase 1 is trusted, and says how far', () => {
    expect(Ceremony.judge(transcript, findings).trust).toEqual({ kind: 'ceremony', contributors: 3, beacon: 'Base block 50,000,000' })
  })

  it('over a test phase 1 is never more than a test', () => {
    const phase1 = { kind: 'test', power: 10, blake2b: h('9', 64) } as const
    const { trust, rules } = Ceremony.judge({ ...transcript, plan: { ...transcript.plan, phase1 } }, { ...findings, phase1Blake2b: h('9', 64) })
    expect(trust.kind).toBe('test')
    expect(rules.find(({ rule }) => rule === 'phase-1')?.detail).toContain('TEST')
  })

  it.each<[string, string[], Ceremony.Transcript, Ceremony.Findings]>([
    ['another circuit', ['circuit'], transcript, { ...findings, r1csSha256: h('4', 32) }],
    ['another phase-1 file', ['phase-1'], transcript, { ...findings, phase1Blake2b: h('4', 64) }],
    ['a phase 1 that nobody pinned', ['phase-1'], { ...transcript, plan: { ...transcript.plan, phase1: { kind: 'perpetual', power: 10, blake2b: h('4', 64) } } }, { ...findings, phase1Blake2b: h('4', 64) }],
    ['a phase 1 of another power', ['phase-1'], { ...transcript, plan: { ...transcript.plan, phase1: { ...transcript.plan.phase1, power: 11 } } }, findings],
    ['another key', ['key'], transcript, { ...findings, zkeySha256: h('4', 32) }],
    ['another verification key', ['key'], { ...transcript, vkId: `0x${h('4', 32)}` }, findings],
    ['a development key', ['key'], transcript, { ...findings, zkey: { ...findings.zkey, label: 'dev' } }],
    ['a contribution that is not in the key', ['contributions'], { ...transcript, contributions: transcript.contributions.with(1, { name: 'b', hash: h('7', 64) }) }, findings],
    ['contributions in another order', ['contributions'], transcript, { ...findings, zkey: { ...findings.zkey, contributions: [findings.zkey.contributions[1]!, findings.zkey.contributions[0]!, ...findings.zkey.contributions.slice(2)] } }],
    ['no beacon', ['beacon'], transcript, { ...findings, zkey: { ...findings.zkey, contributions: findings.zkey.contributions.slice(0, 3) } }],
    ['another beacon value', ['beacon'], { ...transcript, beacon: { ...transcript.beacon, value: h('f', 32) } }, findings],
    ['a beacon hashed less often than planned', ['beacon'], { ...transcript, plan: { ...transcript.plan, beacon: { ...transcript.plan.beacon, iterationsExp: 20 } } }, findings],
    ['a key that does not follow', ['chain'], transcript, { ...findings, chainVerified: false }],
    ['two contributors', ['contributors'], { ...transcript, plan: { ...transcript.plan, contributors: ['a', 'b'] }, contributions: transcript.contributions.slice(0, 2) }, { ...findings, zkey: { ...findings.zkey, contributions: [...findings.zkey.contributions.slice(0, 2), findings.zkey.contributions[3]!] } }],
    ['one contributor three times', ['contributors'], { ...transcript, plan: { ...transcript.plan, contributors: ['a', 'a', 'a'] }, contributions: transcript.contributions.map(({ hash }) => ({ name: 'a', hash })) }, { ...findings, zkey: { ...findings.zkey, contributions: [...transcript.contributions.map(({ hash }) => ({ name: 'a', hash })), findings.zkey.contributions[3]!] } }],
  ])('with %s is refused, and says why', (_name, rules, t, f) => {
    expect(failed(t, f)).toEqual(rules)
  })

  it('has a transcript that reads as it was written, and nothing near it', () => {
    const text = Ceremony.encodeTranscript(transcript)
    expect(Ceremony.readTranscript(text)).toEqual({ ok: true, value: transcript })
    const wrong: [string, unknown][] = [
      ['format', { ...transcript, format: 'haca/zk-ceremony/2' }],
      ['circuitHash', { ...transcript, circuitHash: 'XYZ' }],
      ['vkId', { ...transcript, vkId: transcript.vkId.toUpperCase() }],
      ['contributions', { ...transcript, contributions: [{ name: 'a' }] }],
      ['plan.phase1.kind', { ...transcript, plan: { ...transcript.plan, phase1: { ...transcript.plan.phase1, kind: 'mine' } } }],
      ['format', null],
    ]
    for (const [field, value] of wrong) expect(Ceremony.readTranscript(JSON.stringify(value))).toMatchObject({ ok: false, field })
    expect(Ceremony.readTranscript('{')).toMatchObject({ ok: false, field: 'json' })
  })

  it('pins the phase-1 files by power, those of the reference among them', () => {
    expect(Object.keys(Ceremony.PERPETUAL_POWERS_OF_TAU).length).toBe(21)
    for (const [power, start, end] of [[15, '982372c8', '2969ae6e'], [16, '6a6277a2', '3efec125'], [18, '7e6a9c2e', 'b95b13e'], [20, '89a66eb5', 'f1a27b']] as const) {
      expect(Ceremony.PERPETUAL_POWERS_OF_TAU[power]).toMatch(new RegExp(`^${start}[0-9a-f]+${end}$`))
    }
  })
})
