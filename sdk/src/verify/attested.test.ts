import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { outcomeOf, type AttestedVectors, type AttestedEvidence } from '../testing/attested-vectors.js'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../vectors/receipt/${name}`, import.meta.url), 'utf8'))
const vectors = read('attested-v1.json') as AttestedVectors
const evidence = read('attested-evidence-v1.json') as AttestedEvidence

describe('claims of the shared receipts', () => {
  it('are of as many cases as were written down', () => {
    expect(vectors.cases).toHaveLength(70)
  })

  it.each(vectors.cases.map((one) => [one.why, one] as const))('%s', async (_why, one) => {
    for (const how of ['offline', 'online'] as const) {
      const { claims, marks, reasons } = await outcomeOf(one, vectors, evidence, how)
      expect({ how, claims, marks, reasons }).toEqual({ how, claims: one[how], marks: one.marks[how], reasons })
      if (how === 'offline') for (const [name, words] of Object.entries(one.because)) expect(reasons[name]).toContain(words)
    }
  })
})
