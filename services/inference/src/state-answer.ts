import { Errors, Tensor, type Hex } from '@haca/core'
import { Groth16, witness } from '@haca/core/zk'
import { BodyEncoding } from '@haca/proto'
import type { Circuits } from '@haca/platform/circuits'
import type { LocalModel } from './models.js'

/** An answer that can be proven: exactly what the circuit gives, and what its proof will show. */
export interface Stated {
  tensors: Tensor.Tensor[]
  vkId: Hex.Hex
  statementHash: Hex.Hex
}

export interface Asked {
  model: LocalModel
  inputs: readonly Tensor.Tensor[]
  units: number
  requestId: Hex.Hex
  encoding: BodyEncoding
}

export interface Stating {
  circuits: Pick<Circuits, 'of' | 'program'>
  chainId: number
  settlementLog: Hex.Hex
}

/**
 * Answers by the circuit's own integers instead of the float model, so that what is delivered is what is proven, and names
 * the statement of the proof to come. Takes some 30 ms for LeNet-5, on the consumer's own loop: a proof takes a hundred
 * times as long, so that proofs and not this are what a node has too many of.
 */
export async function stateAnswer({ model, inputs, units, requestId, encoding }: Asked, { circuits, chainId, settlementLog }: Stating): Promise<Stated | { code: string; detail: string }> {
  const circuit = await circuits.of(model.modelHash)
  if (!circuit) return { code: 'proof.no-circuit', detail: 'this node knows no circuit for the model' }
  // A dialect that signs its answer has bytes that nobody else can make again, and the prover must.
  if (encoding > BodyEncoding.PROTOBUF) return { code: 'proof.dialect', detail: 'a proof is bought over our own HTTP or gRPC interface' }
  if (units !== 1) return { code: 'proof.one-row', detail: `a proof is of one row, not of ${units}` }
  const program = await circuits.program(circuit)
  const context = Groth16.context({ chainId, settlementLog, requestId, modelHash: model.modelHash })
  try {
    const { outputs, publicSignals } = witness(program, { inputs: Object.fromEntries(inputs.map((tensor) => [tensor.name, Tensor.toNumbers(tensor)])), context })
    const tensors = outputs.map(({ name, shape, values }) => {
      const datatype = model.manifest.outputs.find((spec) => spec.name === name)?.datatype ?? 'FP32'
      return Tensor.ofNumbers({ name, datatype, shape }, values)
    })
    return { tensors, vkId: circuit.vkId, statementHash: Groth16.statementHash(publicSignals) }
  } catch (error) {
    if (Errors.find(error)?.code !== 'zk.input-invalid') throw error
    return { code: 'model.failed', detail: 'the circuit takes no such input' }
  }
}
