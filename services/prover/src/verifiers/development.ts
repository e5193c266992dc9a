import { HARDWARE_VERIFIERS, simulated, type Verifier } from '@haca/core/tee'

/** The kinds of evidence that count in development: SIMULATED ones too. No production image holds this file. */
export const verifiers: readonly Verifier[] = [...HARDWARE_VERIFIERS, simulated]
