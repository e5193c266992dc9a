import { refusal } from '../error.js'
import type { Context } from './context.js'
import { indexMap, place, type Shape, sizeOf } from './shape.js'

/** Geometry of a sliding window over the axes after batch and channel. */
export interface Window {
  kernel: readonly number[]
  strides: readonly number[]
  dilations: readonly number[]
  /** Padding before and after each axis. */
  before: readonly number[]
  after: readonly number[]
}

/** Reads a window's attributes; `from` are the sizes of the axes it slides over. */
export function readWindow(c: Context, from: Shape, kernel: readonly number[]): Window {
  const { reader } = c
  const rank = kernel.length
  const strides = reader.ints('strides') ?? kernel.map(() => 1)
  const dilations = reader.ints('dilations') ?? kernel.map(() => 1)
  const pads = reader.ints('pads') ?? [...kernel, ...kernel].map(() => 0)
  if (strides.length !== rank || dilations.length !== rank || pads.length !== 2 * rank || from.length !== rank) throw reader.invalid('window attributes of the wrong rank')
  if ([...strides, ...dilations, ...kernel].some((value) => value < 1) || pads.some((value) => value < 0)) throw reader.refuse('strides, dilations or pads that are not positive')
  const automatic = reader.string('auto_pad', 'NOTSET')
  const window = { kernel, strides, dilations, before: pads.slice(0, rank), after: pads.slice(rank) }
  if (automatic === 'NOTSET') return window
  if (automatic === 'VALID') return { ...window, before: kernel.map(() => 0), after: kernel.map(() => 0) }
  if (automatic !== 'SAME_UPPER' && automatic !== 'SAME_LOWER') throw reader.refuse(`auto_pad ${automatic}`)
  return samePadding(window, from, automatic === 'SAME_UPPER')
}

/** Padding that makes the output ceil(input / stride), the odd element after (upper) or before (lower). */
function samePadding(window: Window, from: Shape, upper: boolean): Window {
  const total = from.map((dim, i) => Math.max(0, (Math.ceil(dim / window.strides[i]!) - 1) * window.strides[i]! + extent(window, i) - dim))
  const less = total.map((value) => Math.floor(value / 2))
  const more = total.map((value, i) => value - less[i]!)
  return upper ? { ...window, before: less, after: more } : { ...window, before: more, after: less }
}

/** Elements from the first to the last that a window covers along an axis. */
export const extent = ({ kernel, dilations }: Window, axis: number): number => (kernel[axis]! - 1) * dilations[axis]! + 1

/** Sizes of the result. */
export function outputSizes(window: Window, from: Shape, ceil = false): number[] {
  const sizes = from.map((dim, i) => {
    const span = dim + window.before[i]! + window.after[i]! - extent(window, i)
    const steps = ceil ? Math.ceil(span / window.strides[i]!) : Math.floor(span / window.strides[i]!)
    // With ceil, a window that would begin in the padding after the input is left out, as onnxruntime does.
    const last = steps * window.strides[i]! >= dim + window.before[i]! ? steps - 1 : steps
    return (ceil ? last : steps) + 1
  })
  if (sizes.some((size) => size < 1)) throw refusal('zk.model-invalid', `a window of [${window.kernel}] is larger than what it slides over, [${from}]`)
  return sizes
}

/** For every window position the places of its elements within one channel, outside ones -1; row-major by position. */
export function positions(window: Window, from: Shape, to: Shape): Int32Array {
  const rank = from.length
  return indexMap([...to, ...window.kernel], (at) => {
    const where = from.map((_, axis) => at[axis]! * window.strides[axis]! + at[rank + axis]! * window.dilations[axis]! - window.before[axis]!)
    return place(from, where)
  })
}

/** A window's element count, kernel places outside the input included. */
export const windowSize = ({ kernel }: Window): number => sizeOf(kernel)
