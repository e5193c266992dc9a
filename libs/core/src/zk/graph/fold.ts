import { DataType, type Node, type Tensor } from '../onnx/index.js'
import { type CheckedGraph, numbers } from './graph.js'

/**
 * Folds a BatchNormalization into the convolution or Gemm before it, where nothing else sees the value between: a factor for each
 * output channel on the weights, a summand on the bias. Weights are constants either way, but folded ones are rounded once.
 */
export function foldBatchNormalization(graph: CheckedGraph): CheckedGraph {
  const makers = new Map(graph.nodes.map((node) => [node.outputs[0]!, node]))
  const constants = new Map(graph.constants)
  const replaced = new Map<Node, Node | undefined>()
  for (const node of graph.nodes) {
    if (node.operator !== 'BatchNormalization' || node.domain !== '') continue
    const linear = makers.get(node.inputs[0]!)
    const foldable = linear && (linear.operator === 'Conv' || (linear.operator === 'Gemm' && plain(linear))) && graph.uses.get(node.inputs[0]!) === 1
    const folded = foldable && fold(linear, node, constants)
    if (!folded) continue
    replaced.set(linear, undefined)
    replaced.set(node, folded)
  }
  const nodes = graph.nodes.flatMap((node) => (replaced.has(node) ? (replaced.get(node) ?? []) : [node]))
  return { ...graph, nodes, constants }
}

/** A Gemm whose factors are 1 and whose weights are [inputs, outputs] or transposed. */
const plain = ({ attributes }: Node): boolean => ['alpha', 'beta'].every((name) => !attributes.has(name) || attributes.get(name)!.kind === 'float' && (attributes.get(name) as { value: number }).value === 1)

function fold(linear: Node, norm: Node, constants: Map<string, Tensor>): Node | undefined {
  const weights = constants.get(linear.inputs[1]!)
  const bias = linear.inputs[2] ? constants.get(linear.inputs[2]) : undefined
  const statistics = norm.inputs.slice(1, 5).map((name) => constants.get(name))
  const training = norm.attributes.get('training_mode')
  if (!weights || (linear.inputs[2] && !bias) || statistics.some((tensor) => !tensor)) return undefined
  if (training?.kind === 'int' && training.value !== 0) return undefined
  const [scale, shift, mean, variance] = statistics.map((tensor) => numbers(tensor!)) as [Float64Array, Float64Array, Float64Array, Float64Array]
  const attribute = norm.attributes.get('epsilon')
  const epsilon = attribute?.kind === 'float' ? attribute.value : Math.fround(1e-5)
  const factor = scale.map((value, i) => value / Math.sqrt(variance[i]! + epsilon))
  const outputs = factor.length
  const before = bias ? numbers(bias) : new Float64Array(outputs)
  if (before.length !== outputs) return undefined
  const channel = channelOf(linear, weights)
  const values = numbers(weights).map((value, i) => value * factor[channel(i)]!)
  const summand = before.map((value, i) => (value - mean[i]!) * factor[i]! + shift[i]!)
  const names = { weights: `${norm.outputs[0]}/weights`, bias: `${norm.outputs[0]}/bias` }
  constants.set(names.weights, { name: names.weights, type: DataType.DOUBLE, shape: weights.shape, values })
  constants.set(names.bias, { name: names.bias, type: DataType.DOUBLE, shape: [outputs], values: summand })
  return { ...linear, inputs: [linear.inputs[0]!, names.weights, names.bias], outputs: norm.outputs.slice(0, 1) }
}

/** Which output channel a weight belongs to: the first axis of a kernel, either axis of a Gemm's matrix. */
function channelOf(linear: Node, { shape }: Tensor): (i: number) => number {
  if (linear.operator === 'Conv') {
    const perChannel = shape.slice(1).reduce((product, dim) => product * dim, 1)
    return (i) => Math.floor(i / perChannel)
  }
  const transposed = linear.attributes.get('transB')
  const columns = shape[1]!
  return transposed?.kind === 'int' && transposed.value === 1 ? (i) => Math.floor(i / columns) : (i) => i % columns
}
