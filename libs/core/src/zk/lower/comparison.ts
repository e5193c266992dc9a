import { DataType } from '../onnx/index.js'
import type { Tensor } from '../ir/builder.js'
import { spreadConstant, sumOf } from './arithmetic.js'
import type { Context } from './context.js'
import { axisOf, broadcast, indexMap, place, type Shape, sizeOf } from './shape.js'
import { type Constant, constantOf, type Quantity, type Value } from './value.js'

type Relation = 'less' | 'less-or-equal' | 'greater' | 'greater-or-equal' | 'equal'

const holds: Record<Relation, (a: number, b: number) => boolean> = {
  less: (a, b) => a < b,
  'less-or-equal': (a, b) => a <= b,
  greater: (a, b) => a > b,
  'greater-or-equal': (a, b) => a >= b,
  equal: (a, b) => a === b,
}

/** The same relation with its sides exchanged. */
const MIRRORED: Record<Relation, Relation> = { less: 'greater', 'less-or-equal': 'greater-or-equal', greater: 'less', 'greater-or-equal': 'less-or-equal', equal: 'equal' }

export const compare = (relation: Relation) => (c: Context): Value[] => {
  const [a, b] = [c.input(0), c.input(1)]
  const shape = broadcast(a.shape, b.shape)
  if (!shape) throw c.reader.invalid('does not broadcast')
  if (a.kind === 'constant' && b.kind === 'constant') {
    const [left, right] = [spreadConstant(a, shape), spreadConstant(b, shape)]
    return [constantOf(shape, left.map((value, i) => (holds[relation](value, right[i]!) ? 1 : 0)), DataType.BOOL)]
  }
  const bit = (tensor: Tensor) => [c.make(shape, tensor, 1, DataType.BOOL)]
  if (b.kind === 'constant') return bit(withConstant(c, relation, c.spread(c.quantity(0), shape), spreadConstant(b, shape)))
  if (a.kind === 'constant') return bit(withConstant(c, MIRRORED[relation], c.spread(c.quantity(1), shape), spreadConstant(a, shape)))
  const difference = sumOf(c, c.spread(c.quantity(0), shape), -1, c.spread(c.quantity(1), shape))
  return bit(sign(c, relation, difference.tensor))
}

/** x compared with constants: integer·scale < k exactly if integer < k / scale. */
function withConstant(c: Context, relation: Relation, x: Quantity, constants: Float64Array): Tensor {
  const limits = constants.map((value) => value / x.scale)
  if (relation === 'equal' && !limits.every(Number.isInteger)) throw c.reader.refuse('compares for equality with a number between two units')
  // From here on against an integer: above k is above floor(k), at least k is at least ceil(k).
  const up = relation === 'less' || relation === 'greater-or-equal'
  const whole = limits.map(up ? Math.ceil : Math.floor)
  return sign(c, relation, c.builder.affine(x.tensor, { multiplier: Float64Array.of(1), offset: whole.map((value) => -value) }))
}

/** The relation of a difference with zero. */
function sign(c: Context, relation: Relation, difference: Tensor): Tensor {
  const affine = (x: Tensor, multiplier: number, offset: number) => c.builder.affine(x, { multiplier: Float64Array.of(multiplier), offset: Float64Array.of(offset) })
  switch (relation) {
    case 'equal':
      return c.builder.isZero(difference)
    case 'greater-or-equal':
      return c.builder.step(difference)
    case 'greater':
      return c.builder.step(affine(difference, 1, -1))
    case 'less-or-equal':
      return c.builder.step(affine(difference, -1, 0))
    case 'less':
      return c.builder.step(affine(difference, -1, -1))
  }
}

type Logic = 'and' | 'or' | 'xor'

/** What is no bit would make of these formulas something else. */
function demandBits(c: Context, { type }: Value): void {
  if (type !== DataType.BOOL) throw c.reader.invalid('takes booleans, and gets numbers')
}

/** a ∧ b = ab, a ∨ b = a + b - ab, a ⊕ b = a + b - 2ab. */
export const logic = (operator: Logic) => (c: Context): Value[] => {
  demandBits(c, c.input(0))
  demandBits(c, c.input(1))
  const [a, b] = [c.quantity(0), c.quantity(1)]
  const shape = broadcast(a.shape, b.shape)
  if (!shape) throw c.reader.invalid('does not broadcast')
  const [x, y] = [c.spread(a, shape).tensor, c.spread(b, shape).tensor]
  const both = c.builder.multiply(x, y)
  if (operator === 'and') return [c.make(shape, both, 1, DataType.BOOL)]
  const either = c.builder.combine(1, x, 1, y)
  return [c.make(shape, c.builder.combine(1, either, operator === 'or' ? -1 : -2, both), 1, DataType.BOOL)]
}

export function not(c: Context): Value[] {
  demandBits(c, c.input(0))
  const x = c.quantity(0)
  return [{ ...x, tensor: c.builder.affine(x.tensor, { multiplier: Float64Array.of(-1), offset: Float64Array.of(1) }) }]
}

/** Where: b + condition·(a - b), or mere movement where the condition is constant. */
export function where(c: Context): Value[] {
  const condition = c.input(0)
  demandBits(c, condition)
  const choices = broadcast(c.input(1).shape, c.input(2).shape)
  const shape = choices && broadcast(condition.shape, choices)
  if (!shape) throw c.reader.invalid('does not broadcast')
  const [a, b] = [c.input(1), c.input(2)]
  if (condition.kind === 'constant' && a.kind === 'constant' && b.kind === 'constant') return [chooseConstant(spreadConstant(condition, shape), a, b, shape)]
  const [x, y] = [c.spread(c.quantity(1), shape), c.spread(c.quantity(2), shape)]
  const { scale, alpha, beta } = c.align(x.scale, y.scale)
  const scaled = (tensor: Tensor, factor: number) => c.builder.affine(tensor, { multiplier: Float64Array.of(factor), offset: Float64Array.of(0) })
  const [left, right] = [scaled(x.tensor, alpha), scaled(y.tensor, beta)]
  const size = sizeOf(shape)
  if (condition.kind === 'constant') {
    const chosen = spreadConstant(condition, shape)
    return [c.make(shape, c.builder.gather([left, right], Int32Array.from({ length: size }, (_, i) => (chosen[i] ? i : size + i))), scale, x.type)]
  }
  const bit = c.spread(c.quantity(0), shape).tensor
  const chosen = c.builder.multiply(bit, c.builder.combine(1, left, -1, right))
  return [c.make(shape, c.builder.combine(1, right, 1, chosen), scale, x.type)]
}

function chooseConstant(condition: Float64Array, a: Constant, b: Constant, shape: Shape): Constant {
  const [x, y] = [spreadConstant(a, shape), spreadConstant(b, shape)]
  return { ...a, shape, values: condition.map((bit, i) => (bit ? x[i]! : y[i]!)) }
}

export const argMax = (c: Context): Value[] => [argExtreme(c, 1)]
export const argMin = (c: Context): Value[] => [argExtreme(c, -1)]

function argExtreme(c: Context, direction: 1 | -1): Quantity {
  const { reader } = c
  const x = c.quantity(0)
  const axis = axisOf(reader.int('axis', 0), x.shape.length)
  if (axis === undefined) throw reader.invalid('an axis beyond the rank')
  const last = reader.int('select_last_index', 0)
  const keeps = reader.int('keepdims', 1) === 1
  const rest = x.shape.toSpliced(axis, 1)
  const columns = x.shape[axis]!
  const rows = c.move(x, [...rest, columns], indexMap([...rest, columns], (at) => place(x.shape, at.slice(0, -1).toSpliced(axis, 0, at.at(-1)!))))
  const signed = direction === 1 ? rows.tensor : c.builder.affine(rows.tensor, { multiplier: Float64Array.of(-1), offset: Float64Array.of(0) })
  const index = c.builder.argMax(signed, { rows: sizeOf(rest), columns, last })
  return c.make(keeps ? x.shape.with(axis, 1) : rest, index, 1, DataType.INT64)
}
