import { Errors } from '@haca/core'
import type { Logger } from '@haca/platform/log'
import { existsSync } from 'node:fs'
import { EngineProver, SnarkjsProver, type Prover } from '../proving/index.js'

export interface EngineChoice {
  /** Path of the built engine; without one, or where it is not there, snarkjs proves. */
  engine: string | undefined
  threads: number
  memoryBytes: number
  timeoutMs: number
  logger: Logger
}

const loadTimeoutMs = 120_000

/** The Rust engine where it was built, else snarkjs; which of the two is said, and stands in every proof. */
export function openProver({ engine, threads, memoryBytes, timeoutMs, logger }: EngineChoice): Prover {
  if (engine && existsSync(engine)) return new EngineProver({ binary: engine, threads, memoryBytes, loadTimeoutMs, proveTimeoutMs: timeoutMs, logger })
  logger.warn({ engine }, 'the proving engine is not built: proofs come from snarkjs, several times slower')
  return new SnarkjsProver({ memoryBytes, startTimeoutMs: loadTimeoutMs, proveTimeoutMs: timeoutMs, logger })
}

/** Whether an error says that this proof can never be made here, as opposed to not now. */
export const isHopeless = (error: unknown): boolean => {
  const known = Errors.find(error)
  return known !== undefined && !known.retryable && known.code.startsWith('prover.') && known.code !== 'prover.cancelled' && known.code !== 'prover.absent'
}
