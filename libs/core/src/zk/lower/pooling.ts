import { isFloat } from '../graph/graph.js'
import { multiplyConstant } from './arithmetic.js'
import type { Context } from './context.js'
import { axisOf, indexMap, place, type Shape, sizeOf } from './shape.js'
import type { Quantity, Value } from './value.js'
import { outputSizes, positions, readWindow } from './window.js'

/** Constraints of a maximum beyond an element's width, and of a rescale beyond its input's width. */
const PER_MAXIMUM = 2
const PER_RESCALE = 3

export function maxPool(c: Context): Value[] {
  const { reader } = c
  if (reader.node.outputs[1]) throw reader.refuse('gives indices, which is not supported')
  if (reader.int('storage_order', 0) !== 0) throw reader.refuse('storage_order must be 0')
  const value = c.input(0)
  const x = value.kind === 'quantity' ? value : c.quantity(0)
  const { index, group, shape } = windows(c, x.shape)
  return [{ ...x, shape, tensor: maximumOf(c, x, index, group) }]
}

export function globalMaxPool(c: Context): Value[] {
  const x = c.quantity(0)
  c.ranked(x, 3)
  const inner = sizeOf(x.shape.slice(2))
  return [{ ...x, shape: [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)], tensor: maximumOf(c, x, counting(x.tensor.size), inner) }]
}

/**
 * Largest of each group. A rescale is monotonic, so the maximum may be taken before it: that is cheaper where it leaves
 * fewer elements to rescale, though the numbers compared are wider.
 */
export function maximumOf(c: Context, x: Quantity, index: Int32Array, group: number) {
  const made = c.builder.rescaleOf(x.tensor)
  if (!made || made.rescale.multiplier < 0) return c.builder.maximum(x.tensor, { index, group })
  const { source, rescale } = made
  const wide = rescale.widths.reduce((most, width) => Math.max(most, width), 0)
  const narrow = 1 + Math.max(1, Math.ceil(Math.log2(1 + x.tensor.bounds.magnitude)))
  const present = index.reduce((count, at) => count + (at < 0 ? 0 : 1), 0)
  const groups = index.length / group
  const after = x.tensor.size * (wide + PER_RESCALE) + (present - groups) * (Math.min(narrow, wide) + PER_MAXIMUM)
  const before = (present - groups) * (wide + 1 + PER_MAXIMUM) + groups * (wide + PER_RESCALE)
  if (before >= after) return c.builder.maximum(x.tensor, { index, group })
  const { multiplier, offset, shift, lower, upper } = rescale
  return c.builder.requantise(c.builder.maximum(source, { index, group }), { multiplier, offset, shift, lower, upper })
}

export function averagePool(c: Context): Value[] {
  const includesPadding = c.reader.int('count_include_pad', 0) === 1
  const x = c.quantity(0)
  const { index, group, shape, paddedCounts } = windows(c, x.shape)
  const sum = c.make(shape, c.builder.sum(x.tensor, { index, group }), x.scale, x.type)
  const counts = includesPadding ? paddedCounts : countPresent(index, group)
  return [divided(c, sum, counts)]
}

export function globalAveragePool(c: Context): Value[] {
  const x = c.quantity(0)
  c.ranked(x, 3)
  const inner = sizeOf(x.shape.slice(2))
  const shape = [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)]
  const sum = c.make(shape, c.builder.sum(x.tensor, { index: counting(x.tensor.size), group: inner }), x.scale, x.type)
  return [divided(c, sum, new Float64Array(sum.tensor.size).fill(inner))]
}

export const reduceSum = (c: Context): Value[] => [reduce(c, (x, index, group, shape) => c.make(shape, c.builder.sum(x.tensor, { index, group }), x.scale, x.type))]

export const reduceMean = (c: Context): Value[] => [
  reduce(c, (x, index, group, shape) => divided(c, c.make(shape, c.builder.sum(x.tensor, { index, group }), x.scale, x.type), new Float64Array(sizeOf(shape)).fill(group))),
]

export const reduceMax = (c: Context): Value[] => [reduce(c, (x, index, group, shape) => ({ ...x, shape, tensor: maximumOf(c, x, index, group) }))]

export const reduceMin = (c: Context): Value[] => [
  reduce(c, (x, index, group, shape) => {
    const minus = (tensor: Quantity['tensor']) => c.builder.affine(tensor, { multiplier: Float64Array.of(-1), offset: Float64Array.of(0) })
    return { ...x, shape, tensor: minus(c.builder.maximum(minus(x.tensor), { index, group })) }
  }),
]

/** A reduction over axes, which newer opsets give as an input. */
function reduce(c: Context, of: (x: Quantity, index: Int32Array, group: number, shape: Shape) => Quantity): Quantity {
  const { reader } = c
  const keeps = reader.int('keepdims', 1) === 1
  const idle = reader.int('noop_with_empty_axes', 0) === 1
  const given = reader.ints('axes') ?? c.integers(1, 'the axes')
  const x = c.quantity(0)
  const rank = x.shape.length
  if (!given?.length && idle) return x
  const axes = new Set((given?.length ? given : x.shape.map((_, i) => i)).map((at) => axisOf(at, rank)))
  if (axes.has(undefined)) throw reader.invalid('an axis beyond the rank')
  const inner = x.shape.map((dim, i) => (axes.has(i) ? dim : 1))
  const outer = x.shape.map((dim, i) => (axes.has(i) ? 1 : dim))
  const index = indexMap([...outer, ...inner], (at) => place(x.shape, x.shape.map((_, i) => at[i]! + at[rank + i]!)))
  return of(x, index, sizeOf(inner), keeps ? outer : x.shape.filter((_, i) => !axes.has(i)))
}

/** A sum divided by the number of its terms: a change of unit where all have the same number. */
function divided(c: Context, sum: Quantity, counts: Float64Array): Quantity {
  if (!isFloat(sum.type)) throw c.reader.refuse('averages integers, which cuts off a fraction; cast to float before it')
  if (counts.includes(0)) throw c.reader.invalid('averages over nothing')
  if (c.exact && !counts.every((count) => Number.isInteger(Math.log2(count)))) throw c.inexact('averages over a number that is no power of two')
  return multiplyConstant(c, sum, counts.map((count) => 1 / count))
}

/** Pooling windows of all channels, and how many elements each covers when padding counts. */
function windows(c: Context, shape: Shape): { index: Int32Array; group: number; shape: Shape; paddedCounts: Float64Array } {
  const { reader } = c
  c.ranked({ shape }, 3)
  const from = shape.slice(2)
  const kernel = reader.ints('kernel_shape')
  if (!kernel) throw reader.invalid('has no kernel_shape')
  const window = readWindow(c, from, kernel)
  const to = outputSizes(window, from, reader.int('ceil_mode', 0) === 1)
  const inside = positions(window, from, to)
  const channels = shape[0]! * shape[1]!
  const index = new Int32Array(sizeOf([channels, inside.length]))
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < inside.length; i++) index[channel * inside.length + i] = inside[i]! < 0 ? -1 : channel * sizeOf(from) + inside[i]!
  }
  // Padding counts, what lies beyond the padding (with ceil_mode) does not.
  const padded = from.map((dim, i) => dim + window.before[i]! + window.after[i]!)
  const counted = countPresent(positions({ ...window, before: from.map(() => 0) }, padded, to), sizeOf(kernel))
  const paddedCounts = Float64Array.from({ length: channels * sizeOf(to) }, (_, i) => counted[i % counted.length]!)
  return { index, group: sizeOf(kernel), shape: [shape[0]!, shape[1]!, ...to], paddedCounts }
}

function countPresent(index: Int32Array, group: number): Float64Array {
  const counts = new Float64Array(index.length / group)
  for (let i = 0; i < index.length; i++) if (index[i]! >= 0) counts[Math.floor(i / group)]!++
  return counts
}

const counting = (size: number): Int32Array => Int32Array.from({ length: size }, (_, i) => i)
