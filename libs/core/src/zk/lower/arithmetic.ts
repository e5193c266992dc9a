import { ARITHMETICS, type Arithmetic, type EncodeStep } from '../encode/encoder.js'
import { refusal } from '../error.js'
import { isFloat } from '../graph/graph.js'
import { MAGNITUDE_MAX, range } from '../ir/bounds.js'
import type { Tensor } from '../ir/builder.js'
import type { Context } from './context.js'
import { floorLog2, isPowerOfTwo, lowestExponent, round } from './number.js'
import { broadcast, type Shape, sizeOf, spread } from './shape.js'
import { type Constant, type Quantity, type Raw, settled, type Value } from './value.js'

/** How much finer than an activation's unit a constant is kept that is added to it. */
const CONSTANT_FRACTION_BITS = 6
/** Bits of a factor that is different for each element. */
const FACTOR_BITS = 10
/** Fraction bits of a quotient of two variables, beyond the ratio of their units. */
const QUOTIENT_BITS = 8

export const add = (c: Context): Value[] => [arithmetic(c, 'Add')]
export const subtract = (c: Context): Value[] => [arithmetic(c, 'Sub')]
export const multiply = (c: Context): Value[] => [arithmetic(c, 'Mul')]
export const divide = (c: Context): Value[] => [arithmetic(c, 'Div')]

/** Add, Sub, Mul or Div of any two values. */
function arithmetic(c: Context, operator: Arithmetic): Value {
  const [a, b] = [c.input(0), c.input(1)]
  const shape = broadcast(a.shape, b.shape)
  if (!shape) throw c.reader.invalid(`[${a.shape}] and [${b.shape}] do not broadcast`)
  if (a.kind === 'constant' && b.kind === 'constant') return fold(operator, a, b, shape)
  const encoded = encode(c, operator, a, b, shape)
  if (encoded) return encoded
  if (b.kind === 'constant') return withConstant(c, operator, c.quantity(0), spreadConstant(b, shape), shape)
  if (a.kind === 'constant') return fromConstant(c, operator, spreadConstant(a, shape), c.quantity(1), shape)
  return ofTwo(c, operator, c.spread(c.quantity(0), shape), c.spread(c.quantity(1), shape))
}

/** A constant of a constant, rounded as the type demands. */
function fold(operator: Arithmetic, a: Constant, b: Constant, shape: Shape): Constant {
  const [left, right] = [spreadConstant(a, shape), spreadConstant(b, shape)]
  const operate = { Add: (x: number, y: number) => x + y, Sub: (x: number, y: number) => x - y, Mul: (x: number, y: number) => x * y, Div: (x: number, y: number) => x / y }[operator]
  const rounded = isFloat(a.type) ? Math.fround : Math.trunc
  return { ...a, shape, values: left.map((value, i) => rounded(operate(value, right[i]!))) }
}

/** While a model input is still floating point, arithmetic with constants happens in its encoder. */
function encode(c: Context, operator: Arithmetic, a: Value, b: Value, shape: Shape): Raw | undefined {
  const [raw, constant, swapped] = a.kind === 'raw' && b.kind === 'constant' ? [a, b, false] : a.kind === 'constant' && b.kind === 'raw' ? [b, a, true] : []
  if (!raw || !constant || settled(raw) || !isFloat(raw.type) || sizeOf(shape) !== sizeOf(raw.shape)) return undefined
  const operand = constant.values.length === 1 ? constant.values.map(Math.fround) : spreadConstant(constant, shape).map(Math.fround)
  const step: EncodeStep = { kind: 'arithmetic', operator: ARITHMETICS.find((name) => name === operator)!, operand, swapped: swapped! }
  return { ...c.encoded(raw, step), shape }
}

function withConstant(c: Context, operator: Arithmetic, x: Quantity, values: Float64Array, shape: Shape): Value {
  const wide = c.spread(x, shape)
  switch (operator) {
    case 'Add':
      return addConstant(c, wide, values)
    case 'Sub':
      return addConstant(c, wide, values.map((value) => -value))
    case 'Mul':
      return multiplyConstant(c, wide, values)
    case 'Div': {
      if (values.includes(0)) throw c.reader.invalid('divides by zero')
      if (!isFloat(x.type)) return truncated(c, wide, values)
      if (c.exact && !values.every((value) => isPowerOfTwo(Math.abs(value)))) throw c.inexact('divides by a number that is no power of two')
      return multiplyConstant(c, wide, values.map((value) => 1 / value))
    }
  }
}

/** Division of an integer type cuts off towards zero. */
function truncated(c: Context, x: Quantity, values: Float64Array): Quantity {
  const [divisor] = values
  if (!values.every(Number.isInteger)) throw c.reader.invalid('divides an integer by a fraction')
  if (!values.every((value) => value === divisor)) throw c.reader.refuse('divides integers by different numbers; cast to float before it')
  const whole = c.builder.affine(x.tensor, { multiplier: Float64Array.of(x.scale * Math.sign(divisor!)), offset: Float64Array.of(0) })
  return c.make(x.shape, towardsZero(c, whole, Math.abs(divisor!)), 1, x.type)
}

/** x / divisor without its fraction: floor(max(x, 0) / divisor) - floor(max(-x, 0) / divisor). */
export function towardsZero(c: Context, x: Tensor, divisor: number): Tensor {
  if (divisor === 1) return x
  const { lo, hi } = range(x.bounds)
  const by = (sign: 1 | -1) => floorOfPositive(c, c.builder.affine(x, { multiplier: Float64Array.of(sign), offset: Float64Array.of(0) }), divisor)
  if (lo >= 0) return by(1)
  const minus = c.builder.affine(by(-1), { multiplier: Float64Array.of(-1), offset: Float64Array.of(0) })
  return hi <= 0 ? minus : c.builder.combine(1, by(1), 1, minus)
}

/** floor(max(x, 0) / divisor). */
function floorOfPositive(c: Context, x: Tensor, divisor: number): Tensor {
  const shift = isPowerOfTwo(divisor) ? floorLog2(divisor) : 0
  const raised = c.builder.requantise(x, { multiplier: 1, offset: 0, shift, lower: 0, upper: undefined })
  if (shift > 0) return raised
  const divisors = c.builder.constant(new Float64Array(x.size).fill(divisor))
  return c.builder.divide(raised, divisors, { divisorLeast: divisor, quotientMost: Math.floor(Math.max(0, range(x.bounds).hi) / divisor) })
}

function fromConstant(c: Context, operator: Arithmetic, values: Float64Array, x: Quantity, shape: Shape): Value {
  if (operator === 'Div') return quotient(c, c.spread(c.quantity(0), shape), c.spread(x, shape))
  if (operator !== 'Sub') return withConstant(c, operator, x, values, shape)
  return addConstant(c, negated(c, c.spread(x, shape)), values)
}

function ofTwo(c: Context, operator: Arithmetic, x: Quantity, y: Quantity): Value {
  if (operator === 'Div') return quotient(c, c.narrow(x, c.inputName(0)), y)
  if (operator === 'Mul') {
    const [a, b] = [c.narrow(x, c.inputName(0)), c.narrow(y, c.inputName(1))]
    return c.make(x.shape, c.builder.multiply(a.tensor, b.tensor), a.scale * b.scale, x.type)
  }
  return sumOf(c, x, operator === 'Add' ? 1 : -1, y)
}

/**
 * x / y to the nearest 2^-QUOTIENT_BITS of the ratio of their units, ties away from zero, by one division of either sign of
 * x. The bounds of y must exclude zero: an ONNX runtime would answer infinity, which no circuit can.
 */
function quotient(c: Context, x: Quantity, y: Quantity): Quantity {
  if (c.exact) throw c.inexact('divides by a value that depends on the input')
  if (!isFloat(x.type)) throw c.reader.refuse('divides integers by a value that depends on the input; cast to float before it')
  const divisor = c.narrow(y, c.inputName(1))
  const { lo, hi } = range(divisor.tensor.bounds)
  if (lo < 1 && hi > -1) throw c.reader.refuse('divides by a value that may be zero; clip it to one side of zero before it')
  const { builder } = c
  const times = (tensor: Tensor, factor: number) => builder.affine(tensor, { multiplier: Float64Array.of(factor), offset: Float64Array.of(0) })
  const sign = lo < 1 ? -1 : 1
  const below = times(divisor.tensor, sign)
  // floor((2^(k+1)·n + d) / 2d) is n·2^k / d to the nearest.
  const nearest = (positive: Tensor) => {
    const divisorLeast = 2 * range(below.bounds).lo
    const numerator = builder.combine(2 ** (QUOTIENT_BITS + 1), positive, 1, below)
    return builder.divide(numerator, times(below, 2), { divisorLeast, quotientMost: Math.floor(range(numerator.bounds).hi / divisorLeast) })
  }
  const part = (of: 1 | -1) => nearest(builder.requantise(times(x.tensor, of), { multiplier: 1, offset: 0, shift: 0, lower: 0, upper: undefined }))
  c.notes.push(`${c.reader.operator} "${c.outputName()}": divisor in units of ${divisor.scale}, quotient in units of ${(x.scale / divisor.scale) * 2 ** -QUOTIENT_BITS}`)
  return c.make(x.shape, builder.combine(sign, part(1), -sign, part(-1)), (x.scale / divisor.scale) * 2 ** -QUOTIENT_BITS, x.type)
}

/** x + sign·y. */
export function sumOf(c: Context, x: Quantity, sign: 1 | -1, y: Quantity): Quantity {
  const { scale, alpha, beta } = c.align(x.scale, y.scale)
  return c.make(x.shape, c.builder.combine(alpha, x.tensor, sign * beta, y.tensor), scale, x.type)
}

export const negated = (c: Context, x: Quantity): Quantity => ({ ...x, tensor: c.builder.affine(x.tensor, { multiplier: Float64Array.of(-1), offset: Float64Array.of(0) }) })

/** x plus a constant for each element. */
export function addConstant(c: Context, x: Quantity, values: Float64Array): Quantity {
  if (values.every((value) => value === 0)) return x
  const scale = c.exact ? exactUnit(c, x, values) : x.scale * 2 ** -fractionBits(c, x)
  const offset = values.map((value) => round(value / scale))
  return { ...x, scale, tensor: c.builder.affine(x.tensor, { multiplier: Float64Array.of(x.scale / scale), offset: shrink(offset) }) }
}

/** The unit of x, or a finer one in which every constant is whole. */
function exactUnit(c: Context, x: Quantity, values: Float64Array): number {
  const exponent = values.reduce((least, value) => Math.min(least, lowestExponent(value)), lowestExponent(x.scale))
  const scale = 2 ** exponent
  if (x.scale / scale > MAGNITUDE_MAX) throw c.inexact('adds a constant of too fine a unit')
  return scale
}

/** An activation's unit is coarse, a sum's is not. */
function fractionBits(c: Context, x: Quantity): number {
  const { lo, hi } = range(x.tensor.bounds)
  return Math.max(-lo - 1, hi) <= 4 * c.activationMax ? CONSTANT_FRACTION_BITS : 0
}

/** x times a constant for each element; one factor for all costs nothing, not even bits. */
export function multiplyConstant(c: Context, x: Quantity, values: Float64Array): Quantity {
  const [first] = values
  if (values.every((value) => value === first)) return multiplyScalar(c, x, first!)
  const { integers, scale } = c.exact ? c.exactIntegers(values, MAGNITUDE_MAX) : factors(values)
  return c.make(x.shape, c.builder.affine(x.tensor, { multiplier: integers, offset: Float64Array.of(0) }), x.scale * scale, x.type)
}

function multiplyScalar(c: Context, x: Quantity, factor: number): Quantity {
  if (factor === 0) return c.make(x.shape, c.builder.constant(new Float64Array(sizeOf(x.shape))), x.scale, x.type)
  if (!c.exact) return { ...(factor < 0 ? negated(c, x) : x), scale: x.scale * Math.abs(factor) }
  // Exact arithmetic keeps units powers of two, or sums could not be aligned.
  const unit = 2 ** lowestExponent(factor)
  return { ...x, scale: x.scale * unit, tensor: c.builder.affine(x.tensor, { multiplier: Float64Array.of(factor / unit), offset: Float64Array.of(0) }) }
}

function factors(values: Float64Array): { integers: Float64Array; scale: number } {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const scale = 2 ** (floorLog2(largest) - FACTOR_BITS + 1)
  return { integers: values.map((value) => round(value / scale)), scale }
}

/** Values of a constant, one for each element of the broadcast shape. */
export function spreadConstant({ shape, values }: Constant, to: Shape): Float64Array {
  if (values.length === sizeOf(to)) return values
  if (broadcast(shape, to)?.join() !== to.join()) throw refusal('zk.model-invalid', `a constant of [${shape}] does not broadcast to [${to}]`)
  return Float64Array.from(spread(shape, to), (at) => values[at]!)
}

const shrink = (values: Float64Array): Float64Array => (values.every((value) => value === values[0]) ? values.subarray(0, 1) : values)

export function negate(c: Context): Value[] {
  const value = c.input(0)
  if (value.kind === 'constant') return [{ ...value, values: value.values.map((v) => -v) }]
  return [negated(c, c.quantity(0))]
}

/** Sum of any number of tensors. */
export function sumAll(c: Context): Value[] {
  let total = c.quantity(0)
  for (let i = 1; i < c.reader.node.inputs.length; i++) {
    const next = c.quantity(i)
    const shape = broadcast(total.shape, next.shape)
    if (!shape) throw c.reader.invalid('does not broadcast')
    total = sumOf(c, c.spread(total, shape), 1, c.spread(next, shape))
  }
  return [total]
}

/** BatchNormalization at inference: a factor and a summand for each channel. */
export function batchNormalization(c: Context): Value[] {
  if (c.reader.int('training_mode', 0) === 1) throw c.reader.refuse('is in training mode; export for inference')
  c.reader.ignore('momentum')
  const { factor, summand } = normalisation(c)
  const x = c.quantity(0)
  c.ranked(x, 2)
  if (factor.length !== x.shape[1] || summand.length !== x.shape[1]) throw c.reader.invalid(`${factor.length} factors for ${x.shape[1]} channels`)
  const channel = (values: Float64Array) => spreadConstant({ kind: 'constant', type: x.type, shape: [values.length, ...x.shape.slice(2).map(() => 1)], values }, x.shape)
  return [addConstant(c, multiplyConstant(c, x, channel(factor)), channel(summand))]
}

/** y = factor·x + summand, from scale, bias, mean and variance of each channel. */
function normalisation(c: Context): { factor: Float64Array; summand: Float64Array } {
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => {
    const found = c.constant(i, 'a statistic')
    if (!found) throw c.reader.invalid('lacks a statistic')
    return found.values
  }) as [Float64Array, Float64Array, Float64Array, Float64Array]
  const epsilon = c.reader.float('epsilon', Math.fround(1e-5))
  const factor = scale.map((value, i) => value / Math.sqrt(variance[i]! + epsilon))
  return { factor, summand: bias.map((value, i) => value - mean[i]! * factor[i]!) }
}
