import type { Groth16 } from '@haca/core/zk'

/** A circuit's proving key on this machine's disk. */
export interface Circuit {
  /** The verification key's id: which circuit, under which set-up. */
  id: string
  zkey: string
}

export interface Proved {
  proof: Groth16.Proof
  publicSignals: bigint[]
  /** Milliseconds of proving alone. */
  provedInMs: number
}

/**
 * Makes proofs of witnesses. Rejects with an AppError:
 *
 * | code | retryable | means |
 * | --- | --- | --- |
 * | `prover.memory-exceeded` | no | this key never fits the budget; nothing was started |
 * | `prover.memory-busy` | yes | it fits once others are done |
 * | `prover.key-invalid` | no | the engine refuses the key |
 * | `prover.key-missing` | yes | the key cannot be opened; it is fetched again |
 * | `prover.witness-invalid` | no | the engine refuses the witness |
 * | `prover.crashed` | yes | the engine's process ended |
 * | `prover.timeout` | yes | it was killed because it took too long |
 * | `prover.cancelled` | no | the caller's signal |
 * | `prover.absent` | no | there is no such engine here |
 * | `prover.closed` | yes | this prover is being shut down |
 */
export interface Prover {
  /** What makes the proofs, in words for logs, metrics and evidence. */
  readonly engine: string
  /** @param wtns a `.wtns` file's bytes; secret, and not kept */
  prove(circuit: Circuit, wtns: Uint8Array, options?: { signal?: AbortSignal }): Promise<Proved>
  close(): Promise<void>
}
