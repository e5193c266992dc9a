import { refusal } from '../error.js'
import { DataType, type Graph, type Model, type Node, type Tensor, type ValueInfo } from '../onnx/index.js'

/** Opsets of the default domain that are understood, both ends included. */
export const OPSET_MIN = 13
export const OPSET_MAX = 21
/** Opsets of `ai.onnx.ml` that are understood. */
export const ML_OPSET_MAX = 5

/** Most elements of one input; each costs several constraints. */
const INPUT_ELEMENTS_MAX = 2 ** 22

const INPUT_TYPES = new Set<number>([DataType.FLOAT, DataType.BOOL, DataType.UINT8, DataType.INT8, DataType.UINT16, DataType.INT16, DataType.INT32, DataType.INT64])

/** A graph whose names fit together and whose inputs have known shapes for one row. */
export interface CheckedGraph {
  opset: number
  nodes: readonly Node[]
  constants: ReadonlyMap<string, Tensor>
  /** With a free first dimension set to 1. */
  inputs: readonly { name: string; type: number; shape: readonly number[] }[]
  outputs: readonly ValueInfo[]
  /** How many nodes and graph outputs use a value. */
  uses: ReadonlyMap<string, number>
}

/** Holds a model to the rules of ONNX that the compiler relies on. Throws `zk.model-invalid`, `zk.operator-unsupported`. */
export function checkGraph({ opsets, graph }: Model): CheckedGraph {
  const opset = opsetOf(opsets)
  const constants = new Map<string, Tensor>()
  for (const tensor of graph.initializers) define(constants, tensor.name, tensor)
  const inputs = graph.inputs.filter(({ name }) => !constants.has(name)).map(checkInput)
  once(inputs.map(({ name }) => name), 'input')
  once(graph.outputs.map(({ name }) => name), 'output')
  checkOrder(graph, new Set([...constants.keys(), ...inputs.map(({ name }) => name)]))
  return { opset, nodes: graph.nodes, constants, inputs, outputs: graph.outputs, uses: countUses(graph) }
}

function once(names: readonly string[], what: string): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw refusal('zk.model-invalid', `the ${what} "${name}" is declared twice`)
    seen.add(name)
  }
}

function opsetOf(opsets: Model['opsets']): number {
  let version: number | undefined
  once(opsets.map(({ domain }) => (domain === '' ? 'ai.onnx' : domain)), 'opset')
  for (const { domain, version: at } of opsets) {
    if (domain === '' || domain === 'ai.onnx') version = at
    else if (domain === 'ai.onnx.ml' && at > ML_OPSET_MAX) throw refusal('zk.operator-unsupported', `opset ${at} of ai.onnx.ml; export with ${ML_OPSET_MAX} or less`)
  }
  if (version === undefined || version < OPSET_MIN || version > OPSET_MAX) {
    throw refusal('zk.operator-unsupported', `opset ${version ?? 'none'}; export with ${OPSET_MIN} to ${OPSET_MAX}`)
  }
  return version
}

function checkInput({ name, type, shape }: ValueInfo): { name: string; type: number; shape: readonly number[] } {
  if (type === undefined || !shape) throw refusal('zk.model-invalid', `the input "${name}" has no type or no rank`)
  if (!INPUT_TYPES.has(type)) throw refusal('zk.operator-unsupported', `the input "${name}" has element type ${type}; encoders count in float32: export with float32, bool or integer inputs`)
  const fixed = shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim
    if (axis === 0) return 1
    throw refusal('zk.model-invalid', `dimension ${axis} of the input "${name}" is free; a circuit has one shape: export with it fixed`)
  })
  const size = fixed.reduce((product, dim) => product * dim, 1)
  if (!(size >= 1 && size <= INPUT_ELEMENTS_MAX)) throw refusal('zk.onnx-too-large', `the input "${name}" has ${size} elements; a circuit takes 1 to ${INPUT_ELEMENTS_MAX}`)
  return { name, type, shape: fixed }
}

/** Every value is made once, and before it is used. */
function checkOrder({ nodes, outputs }: Graph, known: Set<string>): void {
  for (const node of nodes) {
    for (const name of node.inputs) if (name !== '' && !known.has(name)) throw refusal('zk.model-invalid', `node "${node.name}" uses "${name}" before it is made`)
    if (node.outputs.length === 0) throw refusal('zk.model-invalid', `node "${node.name}" makes nothing`)
    for (const name of node.outputs) {
      if (name === '') continue
      if (known.has(name)) throw refusal('zk.model-invalid', `"${name}" is made twice`)
      known.add(name)
    }
  }
  for (const { name } of outputs) if (!known.has(name)) throw refusal('zk.model-invalid', `the output "${name}" is never made`)
}

function countUses({ nodes, outputs }: Graph): Map<string, number> {
  const uses = new Map<string, number>()
  for (const name of [...nodes.flatMap(({ inputs }) => inputs), ...outputs.map(({ name }) => name)]) uses.set(name, (uses.get(name) ?? 0) + 1)
  return uses
}

function define<T>(map: Map<string, T>, name: string, value: T): void {
  if (map.has(name)) throw refusal('zk.model-invalid', `the constant "${name}" stands twice`)
  map.set(name, value)
}

/** Values of a constant as numbers. 64-bit integers beyond 2^53 saturate: they only occur as "to the end" in slices. */
export function numbers({ values }: Tensor): Float64Array {
  if (values instanceof Float64Array) return values
  const most = 2n ** 53n - 1n
  return Float64Array.from(values, (value) => Number(value > most ? most : value < -most ? -most : value))
}

export const isFloat = (type: number): boolean => type === DataType.FLOAT || type === DataType.DOUBLE || type === DataType.FLOAT16 || type === DataType.BFLOAT16
