import type { EncodeStep } from '../encode/encoder.js'
import type { Tensor } from '../ir/builder.js'
import { DataType } from '../onnx/index.js'
import type { Shape } from './shape.js'

/** What a name in the ONNX graph stands for while it is lowered. */
export type Value = Constant | Raw | Quantity

/** Known at compile time. */
export interface Constant {
  kind: 'constant'
  /** ONNX element type. */
  type: number
  shape: Shape
  values: Float64Array
}

/** A model input that is still floating point: so far it goes through an encoder outside the circuit. */
export interface Raw {
  kind: 'raw'
  name: string
  type: number
  shape: Shape
  steps: readonly EncodeStep[]
}

/** In the circuit: real number = integer · scale. */
export interface Quantity {
  kind: 'quantity'
  /** ONNX element type that the model gives this value. */
  type: number
  shape: Shape
  tensor: Tensor
  scale: number
  /** Set between QuantizeLinear and DequantizeLinear: the integer of the model is this tensor's plus the zero point. */
  zeroPoint?: number
}

export const constantOf = (shape: Shape, values: Float64Array, type: number = DataType.FLOAT): Constant => ({ kind: 'constant', type, shape, values })

/** Range of the integers that a raw input has become, if rounding and clipping made it integers within a range. */
export function settled({ type, steps }: Raw): { lo: number; hi: number } | undefined {
  const natural = NATURAL_RANGE[type]
  let integral = natural !== undefined || type === DataType.INT32 || type === DataType.INT64
  let [lo, hi] = natural ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (const step of steps) {
    if (step.kind === 'clip') {
      integral &&= Number.isInteger(step.lo) && Number.isInteger(step.hi)
      lo = Math.max(lo, step.lo)
      hi = Math.min(hi, step.hi)
    } else if (step.kind === 'arithmetic' || step.kind === 'rank') {
      integral = false
      lo = Number.NEGATIVE_INFINITY
      hi = Number.POSITIVE_INFINITY
    } else {
      integral = true
      // Rounding is monotonic, and the ends of a finite range are rounded outwards to be safe.
      lo = Math.floor(lo)
      hi = Math.ceil(hi)
    }
  }
  return integral && Number.isFinite(lo) && Number.isFinite(hi) && lo <= hi ? { lo, hi } : undefined
}

const NATURAL_RANGE: Readonly<Record<number, readonly [number, number]>> = {
  [DataType.BOOL]: [0, 1],
  [DataType.UINT8]: [0, 255],
  [DataType.INT8]: [-128, 127],
  [DataType.UINT16]: [0, 0xffff],
  [DataType.INT16]: [-0x8000, 0x7fff],
}
