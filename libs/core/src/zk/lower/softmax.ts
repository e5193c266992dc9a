import { range } from '../ir/bounds.js'
import type { Context } from './context.js'
import { round } from './number.js'
import * as Real from './real.js'
import { axisOf, indexMap, place, sizeOf } from './shape.js'
import type { Quantity, Value } from './value.js'

/**
 * Distances to the maximum are taken up to 2^4 in units of 2^-8: twelve bits, of which the upper and the lower six index
 * a table of e^-x each. Beyond 16 a term is below 2^-23.
 */
const REACH = 16
const UNIT_BITS = 8
const HALF_BITS = 6
/** Fraction bits of the tables of the lower and the upper half. The lower one's entries are all close to 1. */
const FINE_BITS = 10
const COARSE_BITS = 14
/** Fraction bits of a probability. */
const RESULT_BITS = 15

/** e^(x-max) / Σ e^(x-max) along an axis. Differs from the real softmax by less than 2^-8. */
export function softmax(c: Context): Value[] {
  const x = c.quantity(0)
  const axis = axisOf(c.reader.int('axis', -1), x.shape.length)
  if (axis === undefined) throw c.reader.invalid('an axis beyond the rank')
  return [softmaxOf(c, x, axis)]
}

export function softmaxOf(c: Context, x: Quantity, axis: number): Quantity {
  const columns = x.shape[axis]!
  const rest = x.shape.toSpliced(axis, 1)
  const rows = sizeOf(rest)
  const inRows = indexMap([...rest, columns], (at) => place(x.shape, at.slice(0, -1).toSpliced(axis, 0, at.at(-1)!)))
  const moved = c.move(x, [rows, columns], inRows)
  const probabilities = rowwise(c, { ...moved, tensor: moved.tensor }, rows, columns)
  const back = new Int32Array(inRows.length)
  for (const [i, at] of inRows.entries()) back[at] = i
  c.notes.push(`${c.reader.operator} "${c.outputName()}": two tables of e^-x in units of 2^-${UNIT_BITS} up to ${REACH}, quotient in units of 2^-${RESULT_BITS}`)
  return c.make(x.shape, c.builder.gather([probabilities], back), 2 ** -RESULT_BITS, x.type)
}

function rowwise(c: Context, x: ReturnType<Context['move']>, rows: number, columns: number) {
  const { builder } = c
  const all = Int32Array.from({ length: rows * columns }, (_, i) => i)
  const each = Int32Array.from(all, (i) => Math.floor(i / columns))
  const largest = builder.maximum(x.tensor, { index: all, group: columns })
  const distance = { ...x, tensor: builder.combine(1, builder.gather([largest], each), -1, x.tensor) }
  const steps = c.rescale(distance, 2 ** -UNIT_BITS, 0, REACH * 2 ** UNIT_BITS - 1).tensor
  const upper = builder.requantise(steps, { multiplier: 1, offset: 0, shift: HALF_BITS, lower: undefined, upper: undefined })
  const lower = builder.combine(1, steps, -(2 ** HALF_BITS), upper)
  const table = (unit: number, bits: number) => Float64Array.from({ length: 2 ** HALF_BITS }, (_, i) => round(Real.exp(-i * unit) * 2 ** bits))
  const fine = builder.table(withinSixBits(c, lower), 0, table(2 ** -UNIT_BITS, FINE_BITS))
  const coarse = builder.table(upper, 0, table(2 ** (HALF_BITS - UNIT_BITS), COARSE_BITS))
  const terms = builder.multiply(coarse, fine)
  const total = builder.sum(terms, { index: all, group: columns })
  // (terms·2^k + total/2) / total, both sides doubled: rounded to nearest. The largest element's term is e^0, so no total is
  // less than that, and no term is more than its total.
  const known = { divisorLeast: 2 ** (FINE_BITS + COARSE_BITS + 1), quotientMost: 2 ** RESULT_BITS }
  const spreadTotal = builder.gather([total], each)
  return builder.divide(builder.combine(2 ** (RESULT_BITS + 1), terms, 1, spreadTotal), builder.affine(spreadTotal, { multiplier: Float64Array.of(2), offset: Float64Array.of(0) }), known)
}

/** steps mod 2^6 lies in 0..63, which intervals of steps and of its upper half cannot tell; a saturation says so. */
function withinSixBits(c: Context, lower: Parameters<Context['builder']['affine']>[0]) {
  const { lo, hi } = range(lower.bounds)
  if (lo >= 0 && hi < 2 ** HALF_BITS) return lower
  return c.builder.requantise(lower, { multiplier: 1, offset: 0, shift: 0, lower: 0, upper: 2 ** HALF_BITS - 1 })
}
