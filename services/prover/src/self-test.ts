import { MEDIA_TYPES, verifyEvidence, type CryptoProvider, type Verifier } from '@haca/core/tee'
import { decodeSpecimen } from './simulated-specimen.js'

/**
 * Feeds the verifiers one well-made simulated document under its own root, as a stranger would. A build that accepts it must not run where
 * money is real. Answers whether it was accepted.
 */
export async function acceptsSimulated(verifiers: readonly Verifier[], crypto: CryptoProvider): Promise<boolean> {
  const { document, root, at } = decodeSpecimen()
  const evidence = { kind: 'simulated', mediaType: MEDIA_TYPES.simulated, bytes: document } as const
  try {
    await verifyEvidence(evidence, { at, roots: { simulated: [root] }, endorsements: [], revocation: 'unchecked', crypto }, verifiers)
    return true
  } catch {
    return false
  }
}
