import { sgx, tdx } from './dcap/verify.js'
import { ensure } from './error.js'
import type { Evidence, EvidenceClaims, VerifyContext, Verifier } from './evidence.js'
import { nitro } from './nitro.js'
import { nvidiaGpu, nvidiaSwitch } from './nvidia/verify.js'
import { snp } from './snp/verify.js'

/** The verifiers of real hardware. Which set a program uses is written in its source, never read at run time. */
export const HARDWARE_VERIFIERS: readonly Verifier[] = [nitro, tdx, sgx, snp, nvidiaGpu, nvidiaSwitch]

/** Verifies evidence by the one verifier of its kind; refuses with `evidence-kind-mismatch` if there is none. */
export async function verifyEvidence(
  evidence: Evidence,
  context: VerifyContext,
  verifiers: readonly Verifier[],
): Promise<EvidenceClaims> {
  const verifier = verifiers.find(({ kind }) => kind === evidence.kind)
  ensure(verifier !== undefined, 'evidence-kind-mismatch', `no verifier for ${evidence.kind}`)
  return verifier.verify(evidence, context)
}
