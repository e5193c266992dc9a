import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fetchArchive, type Attestation, type Shelf } from './attestation.js'
import { bundleOf, chainOf, networkOf, outcomeOf, type AttestedCase, type AttestedEvidence, type AttestedVectors } from '../testing/attested-vectors.js'
import { rootsFrom } from '../roots-file.js'
import { verify } from './verify.js'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../vectors/receipt/${name}`, import.meta.url), 'utf8'))
const vectors = read('attested-v1.json') as AttestedVectors
const evidence = read('attested-evidence-v1.json') as AttestedEvidence

describe('claims of the shared receipts', () => {
  it('are of as many cases as were written down', () => {
    expect(vectors.cases).toHaveLength(72)
  })

  it.each(vectors.cases.map((one) => [one.why, one] as const))('%s', async (_why, one) => {
    for (const how of ['offline', 'online'] as const) {
      const { claims, marks, reasons } = await outcomeOf(one, vectors, evidence, how)
      expect({ how, claims, marks, reasons }).toEqual({ how, claims: one[how], marks: one.marks[how], reasons })
      if (how === 'offline') for (const [name, words] of Object.entries(one.because)) expect(reasons[name]).toContain(words)
    }
  })
})

describe('a bundle from anybody', () => {
  const one = vectors.cases.find(({ why }) => why === 'a product removed later, as the archive has it') as AttestedCase
  const junk = [undefined, null, 0, 1.5, '', 'x', true, [], [null], {}, { record: 1 }]

  /** Every place in what the bundle has of the key, as the path to it. */
  function places(value: unknown, path: string[] = []): string[][] {
    const inside = typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([name, item]) => places(item, [...path, name])) : []
    return path.length > 0 ? [path, ...inside] : inside
  }

  it('with junk in any place is reported on, and never crashed on', async () => {
    const whole = bundleOf(one, vectors, evidence)
    const { attestation, archive } = whole
    const trust = { network: networkOf(vectors), pinned: true, roots: rootsFrom(vectors.roots) }
    let tried = 0
    for (const path of places({ attestation, archive })) {
      for (const value of junk) {
        const bundle = structuredClone(whole)
        const parent = path.slice(0, -1).reduce<any>((at, name) => at[name], bundle)
        parent[path.at(-1) as string] = value
        const { claims } = await verify({ bundle }, trust)
        expect(claims.signature.status).toBe('asserted')
        tried++
      }
    }
    process.stdout.write(`${tried} bundles with junk in one place\n`)
    expect(tried).toBeGreaterThan(300)
  }, 60_000)
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

describe('a policy that was adopted in the receipt’s own epoch', () => {
  const one = vectors.cases.find(({ why }) => why === 'a removal in the receipt’s own epoch that the bundle is silent about') as AttestedCase
  const trust = { network: networkOf(vectors), pinned: true, roots: rootsFrom(vectors.roots) }
  const sold = one.receipt.policyEpoch
  /** The chain as it is, with another document from the receipt's epoch on. */
  const adopted = { ...chainOf(one), removals: async () => [], policyDigestAt: async (epoch: number) => (epoch < sold ? (one.chain.policyDigest ?? undefined) : (`0x${'ab'.repeat(32)}` as const)) }

  it('is not what the key was weighed by, and the bundle is silent about it: then nobody knows', async () => {
    const { claims } = await verify({ bundle: bundleOf(one, vectors, evidence) }, { ...trust, chain: adopted })
    expect(claims.tee_attested).toMatchObject({ status: 'unknown', reason: expect.stringContaining(`policy epoch ${sold}`) as string })
  })

  it('is not said to list what an earlier one lists', async () => {
    const { claims } = await verify({ bundle: bundleOf(one, vectors, evidence) }, trust)
    expect(claims.tee_attested.status).toBe('hardware-proven')
    expect(claims.tee_attested.reason).toContain(`policy epoch ${sold - 1} lists it`)
  })
})
