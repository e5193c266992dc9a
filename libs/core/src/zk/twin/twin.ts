import { twinInput } from '../encode/encoder.js'
import { DataType, encode } from '../onnx/index.js'
import { isExternal } from '../ir/program.js'
import type { Program } from '../witness/program.js'
import { TwinGraph } from './twin-graph.js'

/** Opset and IR version of every twin: the oldest whose integer kernels we use. */
const OPSET = 17
const IR_VERSION = 8

/** Names of the integer tensors that a twin gives besides the model's outputs. */
export const integerName = (output: string): string => `${output}/integer`
export const encodedName = (input: string): string => `${input}/encoded`

/**
 * The integer twin: an ONNX model with the original's inputs and outputs (for one row), whose arithmetic between the
 * encoded inputs and the integer outputs is that of the circuit. It also gives the encoded inputs and integer outputs.
 *
 * @param magnitude bound of every intermediate value; below 2^31 everything is int32, else int64
 * @param weights private weights, which the twin holds as constants
 */
export function twin(program: Program, magnitude: number, weights: readonly Float64Array[]): Uint8Array {
  const graph = new TwinGraph(magnitude < 2 ** 31 ? DataType.INT32 : DataType.INT64)
  const externals = [...program.encoders.map((encoder) => twinInput(graph, encoder)), ...weights.map((values) => graph.integers(values))]
  const names: string[] = []
  let external = 0
  for (const { operation, attributes, inputs, size } of program.steps) {
    const from = isExternal(operation) ? [externals[external++]!] : inputs.map((place) => names[place]!)
    names.push(operation.twin(graph, attributes, from, size))
  }
  for (const { name, type, shape, scale, place } of program.outputs) {
    const integers = graph.reshape(names[place]!, shape)
    const isFloat = type === DataType.FLOAT || type === DataType.DOUBLE || type === DataType.FLOAT16
    const outputType = isFloat ? DataType.FLOAT : type
    const cast = graph.cast(integers, outputType)
    graph.node(isFloat ? 'Mul' : 'Identity', isFloat ? [cast, graph.floats([scale], [])] : [cast], {}, name)
    graph.outputs.push({ name, type: outputType, shape })
  }
  for (const { name, shape, place } of program.outputs) {
    graph.node('Identity', [graph.reshape(names[place]!, shape)], {}, integerName(name))
    graph.outputs.push({ name: integerName(name), type: graph.type, shape })
  }
  for (const [i, { name, shape }] of program.encoders.entries()) {
    graph.node('Identity', [graph.reshape(externals[i]!, shape)], {}, encodedName(name))
    graph.outputs.push({ name: encodedName(name), type: graph.type, shape })
  }
  return encode({ irVersion: IR_VERSION, opsets: [{ domain: '', version: OPSET }], producer: 'haca-zk', graph: { name: 'integer-twin', nodes: graph.nodes, initializers: graph.initializers, inputs: graph.inputs, outputs: graph.outputs } })
}
