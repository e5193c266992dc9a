import { refusal } from '../error.js'

/** Shapes and index maps of row-major tensors. Everything here is pure counting. */
export type Shape = readonly number[]

/** Most elements in one tensor: far more than a circuit can prove, far less than memory. */
export const ELEMENTS_MAX = 2 ** 24
/** Most axes of a tensor. */
export const RANK_MAX = 16

/**
 * Elements of a tensor. Every allocation for a shape goes through here, so that a model of a few bytes cannot ask for
 * gigabytes: refuses with `zk.onnx-too-large`, and what is no shape at all with `zk.model-invalid`.
 */
export function sizeOf(shape: Shape): number {
  if (shape.length > RANK_MAX) throw refusal('zk.onnx-too-large', `a tensor has ${shape.length} axes, and ${RANK_MAX} is the most`)
  const wrong = shape.find((dim) => !(Number.isInteger(dim) && dim >= 0))
  if (wrong !== undefined) throw refusal('zk.model-invalid', `a dimension of [${shape}] is no size`)
  const size = shape.reduce((product, dim) => product * dim, 1)
  if (size > ELEMENTS_MAX) throw refusal('zk.onnx-too-large', `a tensor of [${shape}] has more than ${ELEMENTS_MAX} elements; a circuit of it is out of reach, serve the model by TEE`)
  return size
}

/** Elements between neighbours along each axis. */
export function strides(shape: Shape): number[] {
  const out = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) out[axis] = out[axis + 1]! * shape[axis + 1]!
  return out
}

/** Index map of a tensor of `shape` from a function that says where an element's coordinates come from; undefined is -1. */
export function indexMap(shape: Shape, from: (at: readonly number[]) => number | undefined): Int32Array {
  const index = new Int32Array(sizeOf(shape))
  const at = shape.map(() => 0)
  for (let i = 0; i < index.length; i++) {
    index[i] = from(at) ?? -1
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis]!++
      if (at[axis]! < shape[axis]!) break
      at[axis] = 0
    }
  }
  return index
}

/** Place of coordinates, or undefined where they lie outside. */
export function place(shape: Shape, at: readonly number[]): number | undefined {
  let index = 0
  for (let axis = 0; axis < shape.length; axis++) {
    if (at[axis]! < 0 || at[axis]! >= shape[axis]!) return undefined
    index = index * shape[axis]! + at[axis]!
  }
  return index
}

/** Shape of two tensors under ONNX's multidirectional broadcasting; undefined where they do not fit. */
export function broadcast(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length)
  const out: number[] = []
  for (let i = 0; i < rank; i++) {
    const left = a[a.length - rank + i] ?? 1
    const right = b[b.length - rank + i] ?? 1
    if (left !== right && left !== 1 && right !== 1) return undefined
    out.push(left === 1 ? right : left)
  }
  return out
}

/** Index map that spreads a tensor of `from` over the larger shape `to`. */
export function spread(from: Shape, to: Shape): Int32Array {
  const step = strides(from)
  const skipped = to.length - from.length
  return indexMap(to, (at) => from.reduce((index, dim, axis) => index + (dim === 1 ? 0 : at[axis + skipped]! * step[axis]!), 0))
}

/** An axis counted from the end made one counted from the start; undefined where there is none such. */
export function axisOf(axis: number, rank: number): number | undefined {
  const positive = axis < 0 ? axis + rank : axis
  return Number.isInteger(positive) && positive >= 0 && positive < rank ? positive : undefined
}
