import { AppError } from '../../errors.js'
import type { CheckedGraph } from '../graph/graph.js'
import { refusal } from '../error.js'
import { numbers } from '../graph/graph.js'
import { range } from '../ir/bounds.js'
import { DataType, type Node } from '../onnx/index.js'
import { Context, type Settings } from './context.js'
import { describe, NodeReader } from './node-reader.js'
import { OPERATORS } from './operators.js'
import { sizeOf } from './shape.js'
import type { Quantity } from './value.js'

/** A graph as integer instructions, and which of their results are the wanted outputs. */
export interface Lowered {
  context: Context
  outputs: { name: string; value: Quantity }[]
}

/**
 * Turns the nodes that the wanted values depend on into integer instructions. Refuses with `zk.operator-unsupported`,
 * `zk.arithmetic-inexact`, `zk.calibration-missing`, `zk.bound-exceeded`, `zk.model-invalid`, naming the node.
 */
export function lower(graph: CheckedGraph, wanted: readonly string[], settings: Settings): Lowered {
  if (wanted.length === 0) throw refusal('zk.model-invalid', 'the model has no output; name the values to prove')
  const context = new Context(graph, settings)
  for (const [name, tensor] of graph.constants) context.values.set(name, { kind: 'constant', type: tensor.type, shape: tensor.shape, values: numbers(tensor) })
  for (const node of needed(graph.nodes, wanted)) lowerNode(context, node)
  const outputs = wanted.map((name) => {
    const found = context.values.get(name)
    // A model that only moves its input about still has a circuit: that of the encoded input.
    const value = found?.kind === 'raw' ? context.toQuantity(found, name) : found
    if (!value) throw new AppError('zk.model-invalid', { detail: `the model makes no "${name}"` })
    if (value.kind !== 'quantity') throw new AppError('zk.operator-unsupported', { detail: `the output "${name}" does not depend on the input by way of a circuit` })
    return { name, value }
  })
  if (context.inputs.length === 0) throw refusal('zk.model-invalid', 'no output depends on an input; there is nothing to prove')
  return { context, outputs }
}

/** Nodes that the wanted values depend on, in their order. */
function needed(nodes: readonly Node[], wanted: readonly string[]): Node[] {
  const names = new Set(wanted)
  const kept: Node[] = []
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => names.has(name))) continue
    for (const name of node.inputs) names.add(name)
    kept.push(node)
  }
  return kept.reverse()
}

function lowerNode(context: Context, node: Node): void {
  const reader = new NodeReader(node)
  context.reader = reader
  const key = node.domain === '' ? node.operator : `${node.domain}.${node.operator}`
  const lowering = Object.hasOwn(OPERATORS, key) ? OPERATORS[key] : undefined
  if (!lowering) throw reader.refuse('this operator is not supported; rewrite the model with supported ones (see zk/README.md) or serve it by TEE')
  const values = naming(node, () => lowering(context))
  if (reader.unread.length > 0) throw reader.refuse(`attribute ${reader.unread.join(', ')} is not understood`)
  for (const [i, name] of node.outputs.entries()) {
    const value = values[i]
    if (name === '') continue
    if (!value) throw reader.refuse(`output ${i} is not supported`)
    context.spend(sizeOf(value.shape))
    if (value.kind === 'quantity') naming(node, () => staysInType(value))
    context.values.set(name, value)
    if (value.kind === 'quantity') context.scales.set(name, value.scale)
  }
}

const INTEGER_TYPES: Readonly<Record<number, readonly [number, number]>> = {
  [DataType.UINT8]: [0, 255],
  [DataType.INT8]: [-128, 127],
  [DataType.UINT16]: [0, 0xffff],
  [DataType.INT16]: [-0x8000, 0x7fff],
  [DataType.INT32]: [-(2 ** 31), 2 ** 31 - 1],
  [DataType.UINT32]: [0, 2 ** 32 - 1],
  [DataType.UINT64]: [0, Number.POSITIVE_INFINITY],
}

/** An integer type wraps around where a circuit's integers go on; so no admissible input may lead beyond its ends. */
function staysInType({ type, tensor, scale, zeroPoint }: Quantity): void {
  const ends = INTEGER_TYPES[type]
  if (!ends) return
  const { lo, hi } = range(tensor.bounds)
  // A quantised tensor's integers are those of the model; any other's stand for a multiple of its unit.
  const [least, most] = zeroPoint === undefined ? [lo * scale, hi * scale] : [lo + zeroPoint, hi + zeroPoint]
  if (least < ends[0] || most > ends[1]) throw refusal('zk.operator-unsupported', `the result may be anything in ${least}..${most}, and its type ends at ${ends.join('..')} and would wrap around; clip it before, or use a wider type`)
}

/** A refusal from deeper down, which does not know the node, gets its name. */
function naming<T>(node: Node, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    const what = describe(node)
    if (!(cause instanceof AppError) || cause.message.startsWith(what)) throw cause
    throw new AppError(cause.code, { detail: `${what}: ${cause.message}`, cause })
  }
}
