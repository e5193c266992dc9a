import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { bundleOf, chainOf, networkOf, type AttestedCase, type AttestedEvidence, type AttestedVectors } from '../testing/attested-vectors.js'
import { verify } from './verify.js'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../vectors/receipt/${name}`, import.meta.url), 'utf8'))
const vectors = read('attested-v1.json') as AttestedVectors
const evidence = read('attested-evidence-v1.json') as AttestedEvidence

it('does not call a leaf anchored that the log has voided', async () => {
  const one = vectors.cases.find(({ online }) => online.anchored === 'chain-verified') as AttestedCase
  const bundle = bundleOf(one, vectors, evidence)
  const report = (reason: string | undefined) => {
    const voidReason = async (receiptHash: string): Promise<string | undefined> => (receiptHash === one.digest ? reason : undefined)
    return verify({ bundle }, { network: networkOf(vectors), pinned: true, chain: { ...chainOf(one), voidReason } })
  }
  expect((await report(undefined)).claims.anchored.status).toBe('chain-verified')
  const voided = await report('SignatureMissing')
  expect(voided.claims.anchored).toMatchObject({ status: 'refuted', reason: expect.stringContaining('SignatureMissing') })
  expect(voided.consistent).toBe(false)
})
