import { range } from '../ir/bounds.js'
import { addConstant, multiplyConstant, spreadConstant, sumOf } from './arithmetic.js'
import type { Context } from './context.js'
import { floorLog2, lowestExponent, round } from './number.js'
import * as Real from './real.js'
import { broadcast, sizeOf } from './shape.js'
import type { Quantity, Value } from './value.js'
import { settled } from './value.js'

/** Bits of a table's index inside a network, and for a result that leaves it. */
const TABLE_BITS = 8
const OUTPUT_TABLE_BITS = 10
/** Bits of a table's entries where the result leaves the network. */
const OUTPUT_BITS = 16
/** Fraction bits of a slope. */
const SLOPE_BITS = 8

export function relu(c: Context): Value[] {
  const x = c.quantity(0)
  const { hi } = range(x.tensor.bounds)
  if (c.exact || hi <= c.activationMax) return [{ ...x, tensor: positivePart(c, x) }]
  return [c.rescale(x, c.unit(c.outputName()), 0, c.activationMax)]
}

const positivePart = (c: Context, x: Quantity) => c.builder.requantise(x.tensor, { multiplier: 1, offset: 0, shift: 0, lower: 0, upper: undefined })

export const leakyRelu = (c: Context): Value[] => [sloped(c, c.quantity(0), Float64Array.of(c.reader.float('alpha', Math.fround(0.01))))]

export function pRelu(c: Context): Value[] {
  const slope = c.constant(1, 'the slope')
  if (!slope) throw c.reader.invalid('has no slope')
  const x = c.quantity(0)
  return [sloped(c, x, spreadConstant(slope, x.shape))]
}

/** slope·x + (1 - slope)·relu(x). */
function sloped(c: Context, x: Quantity, slopes: Float64Array): Quantity {
  const exponent = slopes.reduce((least, slope) => Math.min(least, lowestExponent(slope)), 0)
  if (c.exact && exponent < -SLOPE_BITS) throw c.inexact('the slope has too many bits')
  const one = 2 ** (c.exact ? -exponent : SLOPE_BITS)
  const factors = slopes.map((slope) => round(slope * one))
  const raised = c.builder.affine(positivePart(c, x), { multiplier: factors.map((factor) => one - factor), offset: Float64Array.of(0) })
  const plain = c.builder.affine(x.tensor, { multiplier: factors, offset: Float64Array.of(0) })
  return { ...x, scale: x.scale / one, tensor: c.builder.combine(1, plain, 1, raised) }
}

/** Clip: in the encoder while the input is floating point; else a saturation. */
export function clip(c: Context): Value[] {
  const limits = [c.constant(1, 'the minimum'), c.constant(2, 'the maximum')]
  if (limits.some((limit) => limit && limit.values.length !== 1)) throw c.reader.invalid('clips to limits that are not one number each')
  const [min, max] = limits.map((limit) => limit?.values[0])
  if (Number.isNaN(min) || Number.isNaN(max)) throw c.reader.invalid('clips to what is no number')
  const value = c.input(0)
  if (value.kind === 'constant') return [{ ...value, values: value.values.map((v) => Math.min(Math.max(v, min ?? -Infinity), max ?? Infinity)) }]
  if (value.kind === 'raw' && !settled(value)) return [c.encoded(value, { kind: 'clip', lo: min ?? -Infinity, hi: max ?? Infinity })]
  return [clamp(c, c.quantity(0), min, max)]
}

/** x within min..max. */
function clamp(c: Context, x: Quantity, min: number | undefined, max: number | undefined): Quantity {
  if (c.exact) return exactClamp(c, x, min, max)
  const { lo, hi } = range(x.tensor.bounds)
  const wide = Math.max(-lo - 1, hi) > c.activationMax
  const scale = wide ? c.unit(c.outputName()) : x.scale
  const lower = Math.max(round((min ?? -Infinity) / scale), -c.activationMax - 1)
  const upper = Math.min(round((max ?? Infinity) / scale), c.activationMax)
  return c.rescale(x, scale, Math.min(lower, upper), upper)
}

function exactClamp(c: Context, x: Quantity, min: number | undefined, max: number | undefined): Quantity {
  const { lo, hi } = range(x.tensor.bounds)
  const lower = min === undefined || min === -Infinity ? lo : min / x.scale
  const upper = max === undefined || max === Infinity ? Math.max(hi, lower) : max / x.scale
  if (!Number.isInteger(lower) || !Number.isInteger(upper)) throw c.inexact('clips between two units')
  return { ...x, tensor: c.builder.requantise(x.tensor, { multiplier: 1, offset: 0, shift: 0, lower, upper }) }
}

/** |x| = 2·relu(x) - x. */
export function absolute(c: Context): Value[] {
  const x = c.quantity(0)
  return [{ ...x, tensor: c.builder.combine(2, positivePart(c, x), -1, x.tensor) }]
}

/** 2·[x ≥ 0] - 1 - [x = 0]. */
export function sign(c: Context): Value[] {
  const x = c.quantity(0)
  const signs = c.builder.affine(c.builder.step(x.tensor), { multiplier: Float64Array.of(2), offset: Float64Array.of(-1) })
  return [c.make(x.shape, c.builder.combine(1, signs, -1, c.builder.isZero(x.tensor)), 1, x.type)]
}

export const maximum = (c: Context): Value[] => [extreme(c, 1)]
export const minimum = (c: Context): Value[] => [extreme(c, -1)]

/** Element-wise Max or Min of any number of tensors: sign·max(sign·x). */
function extreme(c: Context, direction: 1 | -1): Quantity {
  let best = c.quantity(0)
  for (let i = 1; i < c.reader.node.inputs.length; i++) {
    const next = c.quantity(i)
    const shape = broadcast(best.shape, next.shape)
    if (!shape) throw c.reader.invalid('does not broadcast')
    // best + relu(next - best), and with signs for the minimum.
    const [a, b] = [c.spread(best, shape), c.spread(next, shape)]
    const difference = sumOf(c, direction === 1 ? b : a, -1, direction === 1 ? a : b)
    best = sumOf(c, a, direction, { ...difference, tensor: positivePart(c, difference) })
  }
  return best
}

/** max(0, min(1, alpha·x + beta)). */
export function hardSigmoid(c: Context): Value[] {
  const [alpha, beta] = [c.reader.float('alpha', Math.fround(0.2)), c.reader.float('beta', 0.5)]
  const x = c.quantity(0)
  const line = addConstant(c, multiplyConstant(c, x, Float64Array.of(alpha)), new Float64Array(sizeOf(x.shape)).fill(beta))
  if (c.exact) return [exactClamp(c, line, 0, 1)]
  // A unit of 2^-6 holds 1 in seven bits.
  const one = 2 ** floorLog2(c.activationMax)
  return [c.rescale(line, 1 / one, 0, one)]
}

type Real = (x: number) => number

/** Beyond 8 the logistic function is within 2^-11 of 0 or 1. */
const SIGMOID_REACH = 8

/** The logistic function of scores that leave the network. */
export const sigmoidOf = (c: Context, x: Quantity): Quantity => byTable(c, x, Real.sigmoid, SIGMOID_REACH)

/** A function of one number by a table over its calibrated range, or up to `reach`, where it stops changing. */
const tabulated = (of: (c: Context) => { f: Real; reach?: number }) => (c: Context): Value[] => {
  const { f, reach } = of(c)
  const span = c.exact ? reach : Math.min(reach ?? Infinity, largestOf(c.calibrated(c.inputName(0))))
  if (span === undefined) throw c.inexact('is not exact')
  return [byTable(c, c.quantity(0), f, span)]
}

export const sigmoid = tabulated(() => ({ f: Real.sigmoid, reach: SIGMOID_REACH }))
export const tanh = tabulated(() => ({ f: Real.tanh, reach: 4 }))
export const erf = tabulated(() => ({ f: Real.erf, reach: 3 }))
export const exponential = tabulated(() => ({ f: Real.exp }))
export const softplus = tabulated(() => ({ f: Real.softplus }))
export const hardSwish = tabulated(() => ({ f: (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1) }))
export const squareRoot = tabulated(() => ({ f: (x) => Math.sqrt(Math.max(x, 0)) }))
export const softsign = tabulated(() => ({ f: (x) => x / (1 + Math.abs(x)) }))

export const gelu = tabulated((c) => {
  const approximate = c.reader.string('approximate', 'none')
  return { f: approximate === 'tanh' ? Real.geluTanh : Real.gelu }
})

export const elu = tabulated((c) => {
  const alpha = c.reader.float('alpha', 1)
  return { f: (x) => (x >= 0 ? x : alpha * (Real.exp(x) - 1)) }
})

/**
 * f(x) with x rounded to the units of a table that covers -span..span.
 */
function byTable(c: Context, x: Quantity, f: Real, span: number): Quantity {
  const leaves = c.isGraphOutput(c.outputName())
  const half = 2 ** ((leaves ? OUTPUT_TABLE_BITS : TABLE_BITS) - 1)
  const unit = span === 0 ? 1 : 2 ** -floorLog2(half / span)
  const index = fitting(c, x, unit, half)
  const { lo, hi } = range(index.tensor.bounds)
  const values = Float64Array.from({ length: hi - lo + 1 }, (_, i) => f((lo + i) * index.scale))
  const most = leaves ? 2 ** (OUTPUT_BITS - 1) - 1 : c.activationMax
  const largest = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0)
  const scale = largest === 0 ? 1 : 2 ** -floorLog2(most / largest)
  c.notes.push(`${c.reader.operator} "${c.outputName()}": a table of ${values.length} entries, input in units of ${index.scale}, result in units of ${scale}`)
  return c.make(x.shape, c.builder.table(index.tensor, lo, values.map((value) => round(value / scale))), scale, x.type)
}

/** x as an index of a table: as it is where it fits already. */
function fitting(c: Context, x: Quantity, unit: number, half: number): Quantity {
  const { lo, hi } = range(x.tensor.bounds)
  const fits = lo >= -half && hi < half
  return fits && x.scale >= unit ? x : c.rescale(x, unit, -half, half - 1)
}

const largestOf = ([min, max]: readonly [number, number]): number => Math.max(Math.abs(min), Math.abs(max))
