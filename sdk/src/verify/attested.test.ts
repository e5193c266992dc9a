import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fetchArchive, type Attestation, type Shelf } from './attestation.js'
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

describe('an archive', () => {
  it('is fetched by digest, whatever paths a bundle names, and lacks what is nowhere', async () => {
    const attestation = evidence.attestations.nitro as Attestation
    const elsewhere: Attestation = { ...attestation, policies: attestation.policies.map((one) => ({ ...one, url: 'http://attacker.example/' })) }
    const asked: [Shelf, string][] = []
    const archive = await fetchArchive(elsewhere, async (shelf, digest) => {
      asked.push([shelf, digest])
      return shelf === 'evidence' ? undefined : Uint8Array.of(1)
    })
    expect(asked.map(([shelf]) => shelf)).toEqual(['evidence', 'collateral', 'collateral', 'policies'])
    expect(asked.at(-1)?.[1]).toBe(attestation.policies[0]?.digest)
    expect(archive.evidence).toEqual({})
    expect(Object.keys(archive.collateral)).toHaveLength(2)
  })
})
