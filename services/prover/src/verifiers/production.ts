import { HARDWARE_VERIFIERS, type Verifier } from '@haca/core/tee'

/** The kinds of evidence that count where money is real. Written here and read nowhere else: no setting adds to them. */
export const verifiers: readonly Verifier[] = HARDWARE_VERIFIERS
