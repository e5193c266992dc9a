import type { Tensor } from '../ir/builder.js'
import { DataType } from '../onnx/index.js'
import { addConstant, spreadConstant } from './arithmetic.js'
import { EXACT_WEIGHT_MAX, type Context } from './context.js'
import { floorLog2, isPowerOfTwo, round } from './number.js'
import { broadcast, indexMap, type Shape, sizeOf, strides } from './shape.js'
import type { Constant, Quantity, Value } from './value.js'

/** Real weights [inner, columns] and bias [columns] of a product x·W + b. */
export interface Weights {
  inner: number
  columns: number
  weights: Float64Array
  bias: Float64Array
}

/** A column's weights may be finer than the coarsest column's by this many bits. */
const COLUMN_SPREAD_BITS = 6
/** Bits of weights that come out of a quantised model. */
const REQUANTISED_WEIGHT_BITS = 12
/** Largest integer of a private bias. */
const PRIVATE_BIAS_MAX = 2 ** 23 - 1
/** Largest integer that a constant summand may need to be taken as it is. */
const EXACT_BIAS_MAX = 2 ** 40

/** x [rows, inner] · W + b, of which x is made narrow first. `name` is the value's whose range is calibrated. */
export function product(c: Context, x: Quantity, name: string, rows: number, real: Weights): { tensor: Tensor; scale: number } {
  fits(c, x, rows, real)
  const narrow = c.narrow(x, name)
  const { scale, weights, bias } = c.exact ? exactWeights(c, narrow, real) : roundedWeights(c, narrow, real)
  const { inner, columns } = real
  if (c.settings.weights === 'public') return { scale, tensor: c.builder.dense(narrow.tensor, { rows, inner, columns, weights, bias }) }
  return { scale, tensor: privateProduct(c, narrow.tensor, rows, { inner, columns, weights, bias }) }
}

function fits(c: Context, x: Quantity, rows: number, { inner, columns, weights, bias }: Weights): void {
  if (x.tensor.size !== rows * inner || weights.length !== inner * columns || bias.length !== columns) throw c.reader.invalid(`[${x.shape}] and a matrix of ${inner} by ${columns} do not fit`)
  c.spend(sizeOf([rows, columns]), rows * inner * columns)
}

/** Weights and bias as they are: integers times a power of two. */
function exactWeights(c: Context, x: Quantity, { weights, bias }: Weights): { scale: number; weights: Float64Array; bias: Float64Array } {
  if (!isPowerOfTwo(x.scale)) throw c.inexact('the input is in a unit that is no power of two')
  const whole = c.exactIntegers(weights, EXACT_WEIGHT_MAX)
  const scale = x.scale * whole.scale
  const summand = bias.map((value) => value / scale)
  if (summand.every(Number.isInteger) && summand.every((value) => Math.abs(value) <= EXACT_BIAS_MAX)) return { scale, weights: whole.integers, bias: summand }
  // A bias of a finer unit makes the weights larger by a power of two.
  const finer = c.exactIntegers(bias, EXACT_BIAS_MAX)
  const factor = scale / finer.scale
  if (!(factor >= 1 && factor * EXACT_WEIGHT_MAX <= EXACT_BIAS_MAX)) throw c.inexact('the bias has too fine a unit')
  return { scale: finer.scale, weights: whole.integers.map((value) => value * factor), bias: finer.integers }
}

/**
 * Weights rounded to `weightBits`, with a power of two of its own for each column, all brought to the finest unit. The
 * unit of the result is the target's times a power of two, so that rescaling to it is a shift.
 */
function roundedWeights(c: Context, x: Quantity, { columns, weights, bias }: Weights): { scale: number; weights: Float64Array; bias: Float64Array } {
  const { target, most } = weightGrid(c)
  const largest = new Float64Array(columns)
  for (let i = 0; i < weights.length; i++) largest[i % columns] = Math.max(largest[i % columns]!, Math.abs(weights[i]!))
  // Column c counts in target·2^exponent[c]; largest·x.scale / (target·2^exponent) ≤ most.
  const exponents = Array.from(largest, (value) => (value === 0 ? Number.POSITIVE_INFINITY : -floorLog2((most * target) / (value * x.scale))))
  const coarsest = Math.max(...exponents.filter(Number.isFinite), Number.NEGATIVE_INFINITY)
  // Private weights keep to `weightBits` in every column, so that the circuit says nothing of them.
  const finest = Math.max(Math.min(...exponents), coarsest - (c.settings.weights === 'private' ? 0 : COLUMN_SPREAD_BITS))
  // Without any weight the unit is free; it stays a power of two of the target.
  const scale = target * 2 ** (Number.isFinite(finest) ? finest : floorLog2(x.scale / target) - 8)
  const integers = weights.map((value, i) => {
    if (value === 0) return 0
    const exponent = Math.max(Math.min(exponents[i % columns]!, coarsest), finest)
    return round((value * x.scale) / (target * 2 ** exponent)) * 2 ** (exponent - finest)
  })
  return { scale, weights: integers, bias: bias.map((value) => round(value / scale)) }
}

/** Weights that were quantised before are rounded again on a finer grid, so that they hardly change. */
function weightGrid(c: Context): { target: number; most: number } {
  const target = targetScale(c)
  const bits = target === undefined ? c.settings.weightBits : Math.max(c.settings.weightBits, REQUANTISED_WEIGHT_BITS)
  return { target: target ?? 1, most: 2 ** (bits - 1) - 1 }
}

/** Scale of the QuantizeLinear that this node's output runs into by way of nodes that keep the unit; undefined if there is none. */
function targetScale(c: Context): number | undefined {
  const keeps = new Set(['Relu', 'MaxPool', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Identity', 'Clip', 'Dropout'])
  for (let name = c.outputName(); c.graph.uses.get(name) === 1; ) {
    const next = c.readerOf(name)
    if (!next) return undefined
    if (next.operator === 'QuantizeLinear') {
      const scale = c.values.get(next.inputs[1]!)
      return scale?.kind === 'constant' && scale.values.length === 1 ? scale.values[0] : undefined
    }
    if (!keeps.has(next.operator)) return undefined
    name = next.outputs[0]!
  }
  return undefined
}

/**
 * Weights as a private input under the model's commitment: their range is proven, their values are nobody's business.
 * The circuit depends on the shapes and on the scales, not on the weights.
 */
function privateProduct(c: Context, x: Tensor, rows: number, { inner, columns, weights, bias }: Weights): Tensor {
  const most = c.exact ? EXACT_WEIGHT_MAX : weightGrid(c).most
  if (bias.some((value) => Math.abs(value) > PRIVATE_BIAS_MAX)) throw c.reader.refuse('a private bias needs more than 24 bits')
  const matrix = secret(c, weights, most)
  const raw = c.builder.matmul(x, matrix, { rows, inner, columns })
  const summand = secret(c, bias, PRIVATE_BIAS_MAX)
  const spread = c.builder.gather([summand], indexMap([rows, columns], ([, column]) => column))
  return c.builder.combine(1, raw, 1, spread)
}

function secret(c: Context, values: Float64Array, most: number): Tensor {
  const tensor = c.builder.input(new Float64Array(values.length).fill(-most - 1), new Float64Array(values.length).fill(most))
  c.weights.push({ tensor, values })
  return tensor
}

export function gemm(c: Context): Value[] {
  const { reader } = c
  const [alpha, beta] = [reader.float('alpha', 1), reader.float('beta', 1)]
  const [transA, transB] = [reader.int('transA', 0), reader.int('transB', 0)]
  const b = c.input(1)
  const a = c.quantity(0)
  for (const factor of [a, b]) c.ranked(factor, 2, 2)
  const [rows, inner] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
  const left = transA ? c.move(a, [rows, inner], transposed(a.shape)) : a
  const columns = transB ? b.shape[0]! : b.shape[1]!
  const summand = c.optional(2)
  if (b.kind !== 'constant') {
    if (transB || alpha !== 1 || (summand && beta !== 1)) throw reader.refuse('a product of two variables takes no transB, alpha or beta')
    const of = variableProduct(c, left, c.quantity(1), rows, inner, columns, [rows, columns])
    if (!summand) return [of]
    if (summand.kind !== 'constant') throw reader.refuse('its third input depends on the input; add it with Add')
    return [addConstant(c, of, spreadConstant(summand, of.shape))]
  }
  const matrix = transB ? Float64Array.from(transposed(b.shape), (at) => b.values[at]!) : b.values
  const weights = alpha === 1 ? matrix : matrix.map((value) => Math.fround(value * alpha))
  if (summand && summand.kind !== 'constant') throw reader.refuse('its third input depends on the input; add it with Add')
  const { bias, rest } = splitBias(c, summand, beta, rows, columns)
  const { tensor, scale } = product(c, left, c.inputName(0), rows, { inner, columns, weights, bias })
  const out = c.make([rows, columns], tensor, scale)
  return [rest ? addConstant(c, out, rest) : out]
}

/** A summand that is the same in every row is a bias; any other is added afterwards. */
function splitBias(c: Context, summand: Constant | undefined, beta: number, rows: number, columns: number): { bias: Float64Array; rest?: Float64Array } {
  if (!summand) return { bias: new Float64Array(columns) }
  if (broadcast(summand.shape, [rows, columns])?.join() !== `${rows},${columns}`) throw c.reader.invalid(`a summand of [${summand.shape}] does not broadcast to [${rows},${columns}]`)
  const all = spreadConstant(summand, [rows, columns]).map((value) => (beta === 1 ? value : Math.fround(value * beta)))
  const bias = all.slice(0, columns)
  return all.every((value, i) => value === bias[i % columns]) ? { bias } : { bias: new Float64Array(columns), rest: all }
}

const transposed = (shape: Shape): Int32Array => indexMap([shape[1]!, shape[0]!], ([i, j]) => j! * shape[1]! + i!)

export function matmul(c: Context): Value[] {
  const [a, b] = [c.input(0), c.input(1)]
  if (a.kind === 'constant' && b.kind === 'constant') throw c.reader.refuse('multiplies two constants; fold them when exporting')
  if (a.shape.length < 2 || b.shape.length < 2) throw c.reader.refuse('a vector factor; make it a matrix')
  if (b.kind === 'constant') return [byConstant(c, b)]
  if (a.kind === 'constant') return [ofConstant(c, a)]
  return [ofVariables(c)]
}

/** x [..., inner] · W [inner, columns]. */
function byConstant(c: Context, { shape, values }: Constant): Quantity {
  if (sizeOf(shape.slice(0, -2)) !== 1) throw c.reader.refuse('a stack of constant matrices')
  const x = c.quantity(0)
  const [inner, columns] = shape.slice(-2) as [number, number]
  if (x.shape.at(-1) !== inner) throw c.reader.invalid(`[${x.shape}] and [${shape}] do not fit`)
  const rows = sizeOf(x.shape) / inner
  const { tensor, scale } = product(c, x, c.inputName(0), rows, { inner, columns, weights: values, bias: new Float64Array(columns) })
  return c.make([...x.shape.slice(0, -1), columns], tensor, scale)
}

/** W [rows, inner] · x [..., inner, columns] = (xᵀ · Wᵀ)ᵀ. */
function ofConstant(c: Context, { shape, values }: Constant): Quantity {
  if (sizeOf(shape.slice(0, -2)) !== 1) throw c.reader.refuse('a stack of constant matrices')
  const x = c.quantity(1)
  const [rows, inner] = shape.slice(-2) as [number, number]
  if (x.shape.at(-2) !== inner) throw c.reader.invalid(`[${shape}] and [${x.shape}] do not fit`)
  const columns = x.shape.at(-1)!
  const stack = sizeOf(x.shape.slice(0, -2))
  const turned = c.move(x, [stack, columns, inner], indexMap([stack, columns, inner], ([s, j, k]) => (s! * inner + k!) * columns + j!))
  const weights = Float64Array.from(transposed([rows, inner]), (at) => values[at]!)
  const { tensor, scale } = product(c, turned, c.inputName(1), stack * columns, { inner, columns: rows, weights, bias: new Float64Array(rows) })
  const out = c.make([stack, columns, rows], tensor, scale)
  const to = [...x.shape.slice(0, -2), rows, columns]
  return c.move(out, to, indexMap([stack, rows, columns], ([s, i, j]) => (s! * columns + j!) * rows + i!))
}

/** Both factors depend on the input: one constraint for each product of numbers. */
function ofVariables(c: Context): Quantity {
  const [a, b] = [c.quantity(0), c.quantity(1)]
  const [rows, inner] = a.shape.slice(-2) as [number, number]
  const columns = b.shape.at(-1)!
  if (b.shape.at(-2) !== inner) throw c.reader.invalid(`[${a.shape}] and [${b.shape}] do not fit`)
  const stack = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))
  if (!stack) throw c.reader.invalid('does not broadcast')
  c.spend(sizeOf([...stack, rows, columns]), sizeOf(stack) * rows * inner * columns)
  const [x, y] = [c.narrow(a, c.inputName(0)), c.narrow(b, c.inputName(1))]
  const parts = Array.from({ length: sizeOf(stack) }, (_, s) => {
    const left = c.move(x, [rows, inner], slab(x.shape, stack, s, rows * inner))
    const right = c.move(y, [inner, columns], slab(y.shape, stack, s, inner * columns))
    return c.builder.matmul(left.tensor, right.tensor, { rows, inner, columns })
  })
  const size = parts.length * rows * columns
  const tensor = parts.length === 1 ? parts[0]! : c.builder.gather(parts, Int32Array.from({ length: size }, (_, i) => i))
  return c.make([...stack, rows, columns], tensor, x.scale * y.scale)
}

/** Places of matrix number s of a broadcast stack. */
function slab(shape: Shape, stack: Shape, s: number, size: number): Int32Array {
  const own = shape.slice(0, -2)
  const step = strides(stack)
  const ownStep = strides(own)
  let at = 0
  for (const [axis, dim] of own.entries()) {
    const outer = axis + stack.length - own.length
    const i = Math.floor(s / step[outer]!) % stack[outer]!
    at += (dim === 1 ? 0 : i) * ownStep[axis]!
  }
  return Int32Array.from({ length: size }, (_, i) => at * size + i)
}

function variableProduct(c: Context, a: Quantity, b: Quantity, rows: number, inner: number, columns: number, shape: Shape): Quantity {
  if (b.tensor.size !== inner * columns) throw c.reader.invalid(`[${a.shape}] and [${b.shape}] do not fit`)
  c.spend(sizeOf(shape), rows * inner * columns)
  const [x, y] = [c.narrow(a, c.inputName(0)), c.narrow(b, c.inputName(1))]
  return c.make(shape, c.builder.matmul(x.tensor, y.tensor, { rows, inner, columns }), x.scale * y.scale, DataType.FLOAT)
}
