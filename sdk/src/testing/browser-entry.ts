import { outcomeOf, type AttestedEvidence, type AttestedVectors, type Outcome } from './attested-vectors.js'

// What the page of the browser's test runs: every shared receipt, with nothing but what a browser has.

/** Outcomes in the order of the cases. */
export async function checkAll(vectors: AttestedVectors, evidence: AttestedEvidence): Promise<Record<'offline' | 'online', Outcome>[]> {
  const outcomes = []
  for (const one of vectors.cases) outcomes.push({ offline: await outcomeOf(one, vectors, evidence, 'offline'), online: await outcomeOf(one, vectors, evidence, 'online') })
  return outcomes
}
