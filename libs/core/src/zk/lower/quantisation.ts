import { DataType } from '../onnx/index.js'
import { spreadConstant } from './arithmetic.js'
import type { Context } from './context.js'
import { roundHalfEven } from '../encode/encoder.js'
import { axisOf, type Shape } from './shape.js'
import { isFloat } from '../graph/graph.js'
import { type Constant, constantOf, type Quantity, settled, type Value } from './value.js'
import { floorLog2, isPowerOfTwo } from './number.js'

/** Range of the integer types that QuantizeLinear gives. */
const RANGES: Readonly<Record<number, readonly [number, number]>> = {
  [DataType.UINT8]: [0, 255],
  [DataType.INT8]: [-128, 127],
  [DataType.UINT16]: [0, 0xffff],
  [DataType.INT16]: [-0x8000, 0x7fff],
}

interface Parameters {
  scale: Constant
  zeroPoint: Constant
  /** Constants of every element. */
  spread(shape: Shape): { scales: Float64Array; zeroPoints: Float64Array }
}

/** round(x / scale) + zero point, saturated. The circuit keeps it without the zero point, as the number it stands for. */
export function quantize(c: Context): Value[] {
  const { scale, zeroPoint, spread } = parameters(c)
  c.reader.ignore('saturate', 'output_dtype')
  const limits = RANGES[zeroPoint.type]
  if (!limits) throw c.reader.refuse('quantises to a type that is not int8, uint8, int16 or uint16')
  const value = c.input(0)
  const [lo, hi] = limits
  if (value.kind === 'constant') {
    const { scales, zeroPoints } = spread(value.shape)
    const integers = value.values.map((v, i) => Math.min(Math.max(roundHalfEven(Math.fround(v / scales[i]!)) + zeroPoints[i]!, lo), hi))
    return [{ ...value, type: zeroPoint.type, values: integers }]
  }
  if (scale.values.length !== 1) throw c.reader.refuse('quantises an activation by channel; use one scale')
  const [unit, zero] = [scale.values[0]!, zeroPoint.values[0]!]
  const [lower, upper] = [lo - zero, hi - zero]
  const marked = { type: zeroPoint.type, zeroPoint: zero }
  if (value.kind === 'raw' && !settled(value)) {
    const raw = c.encoded(value, { kind: 'arithmetic', operator: 'Div', operand: Float64Array.of(unit), swapped: false }, { kind: 'round' }, { kind: 'clip', lo: lower, hi: upper })
    return [{ ...c.toQuantity(raw, c.inputName(0)), scale: unit, ...marked }]
  }
  const x = c.quantity(0)
  return [{ ...(c.exact ? exactly(c, x, unit, lower, upper) : c.rescale(x, unit, lower, upper)), ...marked }]
}

/** Ties go to the even integer, as ONNX demands; saturation comes after. */
function exactly(c: Context, x: Quantity, unit: number, lower: number, upper: number): Quantity {
  if (!isPowerOfTwo(x.scale / unit)) throw c.inexact('rescales by a ratio that is no power of two')
  const shift = floorLog2(unit / x.scale)
  const whole = shift > 0 ? c.builder.roundEven(x.tensor, shift) : c.builder.affine(x.tensor, { multiplier: Float64Array.of(2 ** -shift), offset: Float64Array.of(0) })
  return { ...x, scale: unit, tensor: c.builder.requantise(whole, { multiplier: 1, offset: 0, shift: 0, lower, upper }) }
}

/** (x - zero point) · scale. */
export function dequantize(c: Context): Value[] {
  const { scale, zeroPoint, spread } = parameters(c)
  const value = c.input(0)
  if (value.kind === 'constant') {
    const { scales, zeroPoints } = spread(value.shape)
    return [constantOf(value.shape, value.values.map((v, i) => (v - zeroPoints[i]!) * scales[i]!))]
  }
  if (scale.values.length !== 1) throw c.reader.refuse('dequantises an activation by channel; use one scale')
  const x = c.toQuantity(value, c.inputName(0))
  if (x.zeroPoint !== zeroPoint.values[0] || x.scale !== scale.values[0]) throw c.reader.refuse('does not undo a QuantizeLinear of the same scale and zero point')
  const { zeroPoint: _undone, ...plain } = x
  return [{ ...plain, type: DataType.FLOAT }]
}

function parameters(c: Context): Parameters {
  const scale = c.constant(1, 'the scale')
  if (!scale) throw c.reader.invalid('has no scale')
  if (!scale.values.every((value) => value > 0 && value < Number.POSITIVE_INFINITY)) throw c.reader.invalid('a scale that is not a positive number')
  if (c.reader.int('block_size', 0) !== 0) throw c.reader.refuse('quantises by blocks')
  const at = c.reader.int('axis', 1)
  const zeroPoint = c.constant(2, 'the zero point') ?? constantOf(scale.shape, new Float64Array(scale.values.length), DataType.UINT8)
  return {
    scale,
    zeroPoint,
    spread(shape) {
      const axis = axisOf(at, shape.length) ?? 0
      const along = (constant: Constant) => (constant.values.length === 1 ? new Float64Array(shape.reduce((a, b) => a * b, 1)).fill(constant.values[0]!) : spreadConstant({ ...constant, shape: shape.map((dim, i) => (i === axis ? dim : 1)) }, shape))
      return { scales: along(scale), zeroPoints: along(zeroPoint) }
    },
  }
}

/** Round, Floor, Ceil: in the encoder while the input is floating point, else of an integer multiple of a power of two. */
export const rounding = (kind: 'round' | 'floor' | 'ceil') => (c: Context): Value[] => {
  const value = c.input(0)
  if (value.kind === 'constant') return [{ ...value, values: value.values.map(kind === 'round' ? roundHalfEven : Math[kind]) }]
  if (value.kind === 'raw' && !settled(value) && isFloat(value.type)) return [c.encoded(value, { kind })]
  const x = c.quantity(0)
  if (Number.isInteger(x.scale)) return [x]
  const shift = Math.log2(1 / x.scale)
  if (!Number.isInteger(shift)) throw c.reader.refuse('rounds a number whose unit is no power of two')
  if (kind === 'round') return [c.make(x.shape, c.builder.roundEven(x.tensor, shift), 1, x.type)]
  const offset = kind === 'ceil' ? 2 ** shift - 1 : 0
  return [c.make(x.shape, c.builder.requantise(x.tensor, { multiplier: 1, offset, shift, lower: undefined, upper: undefined }), 1, x.type)]
}
