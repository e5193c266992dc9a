import { AppError } from '@haca/core'
import { Groth16 } from '@haca/core/zk'
import type { Circuit, Proved, Prover } from './prover.js'

/** A prover whose every proof is verified before anybody sees it. A false one is `prover.proof-false`: the witness breaks its circuit, or the engine is wrong. */
export function selfChecked(prover: Prover, keyOf: (circuit: Circuit) => Groth16.PreparedKey): Prover {
  return {
    engine: prover.engine,
    close: () => prover.close(),
    async prove(circuit, wtns, options): Promise<Proved> {
      const proved = await prover.prove(circuit, wtns, options)
      const verdict = Groth16.verify(keyOf(circuit), proved.publicSignals, proved.proof)
      if (!verdict.ok) throw new AppError('prover.proof-false', { detail: `${verdict.reason}: ${verdict.detail ?? ''}` })
      return proved
    },
  }
}
