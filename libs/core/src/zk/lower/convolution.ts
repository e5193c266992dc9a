import type { Context } from './context.js'
import { product } from './linear.js'
import { indexMap, place, type Shape, sizeOf } from './shape.js'
import type { Quantity, Value } from './value.js'
import { outputSizes, positions, readWindow, type Window } from './window.js'

/** Convolution as matrix products: each group's windows become rows. Costs no constraint. */
export function convolution(c: Context): Value[] {
  const { reader } = c
  const weights = c.constant(1, 'the kernel')
  const bias = c.constant(2, 'the bias')
  if (!weights) throw reader.invalid('has no kernel')
  const x = c.quantity(0)
  checkRanks(c, x, weights)
  const groups = reader.int('group', 1)
  const kernel = weights.shape.slice(2)
  const declared = reader.ints('kernel_shape')
  if (declared?.some((dim, i) => dim !== kernel[i])) throw reader.invalid('kernel_shape is not the shape of the kernel')
  const from = x.shape.slice(2)
  const window = readWindow(c, from, kernel)
  const to = outputSizes(window, from)
  return [convolve(c, x, groups, window, to, weights.shape[0]!, weights.values, bias?.values)]
}

/** [n, channels, ...from] and [outputs, channels, ...kernel]. */
function checkRanks(c: Context, x: Quantity, kernel: { shape: Shape }): void {
  c.ranked(x, 3)
  c.ranked(kernel, x.shape.length, x.shape.length)
}

/** x [n, channels, ...from] with kernels [outputs, channels / groups, ...kernel]. */
function convolve(c: Context, x: Quantity, groups: number, window: Window, to: Shape, outputs: number, kernels: Float64Array, bias: Float64Array | undefined): Quantity {
  const [batch, channels] = x.shape as [number, number]
  const from = x.shape.slice(2)
  const perGroup = { channels: channels / groups, outputs: outputs / groups }
  const kernelSize = sizeOf(window.kernel)
  if (groups < 1 || !Number.isInteger(perGroup.channels) || !Number.isInteger(perGroup.outputs)) throw c.reader.invalid('channels do not divide into groups')
  if (kernels.length !== outputs * perGroup.channels * kernelSize) throw c.reader.invalid('the kernel does not fit the channels')
  if (bias && bias.length !== outputs) throw c.reader.invalid(`a bias of ${bias.length} for ${outputs} channels`)
  const inner = perGroup.channels * kernelSize
  const windows = positions(window, from, to)
  const rows = batch * sizeOf(to)
  c.spend(sizeOf([groups, rows, inner]))
  const narrow = c.narrow(x, c.inputName(0))
  const parts = Array.from({ length: groups }, (_, group) => {
    const unrolled = c.builder.gather([narrow.tensor], unroll(windows, kernelSize, { batch, channels, size: sizeOf(from), group, perGroup: perGroup.channels }))
    const matrix = new Float64Array(inner * perGroup.outputs)
    for (let k = 0; k < inner; k++) for (let o = 0; o < perGroup.outputs; o++) matrix[k * perGroup.outputs + o] = kernels[(group * perGroup.outputs + o) * inner + k]!
    const summand = bias?.slice(group * perGroup.outputs, (group + 1) * perGroup.outputs) ?? new Float64Array(perGroup.outputs)
    const unrolledQuantity = { ...narrow, shape: [rows, inner], tensor: unrolled }
    const { tensor, scale } = product(c, unrolledQuantity, c.inputName(0), rows, { inner, columns: perGroup.outputs, weights: matrix, bias: summand })
    return c.make([rows, perGroup.outputs], tensor, scale)
  })
  return arrange(c, parts, batch, to, outputs)
}

/** Places of all windows' elements of one group: rows are batch and position, columns channel and kernel place. */
function unroll(windows: Int32Array, kernelSize: number, of: { batch: number; channels: number; size: number; group: number; perGroup: number }): Int32Array {
  const spots = windows.length / kernelSize
  const index = new Int32Array(of.batch * windows.length * of.perGroup)
  let at = 0
  for (let n = 0; n < of.batch; n++) {
    for (let spot = 0; spot < spots; spot++) {
      for (let channel = 0; channel < of.perGroup; channel++) {
        const start = (n * of.channels + of.group * of.perGroup + channel) * of.size
        for (let k = 0; k < kernelSize; k++) {
          const inside = windows[spot * kernelSize + k]!
          index[at++] = inside < 0 ? -1 : start + inside
        }
      }
    }
  }
  return index
}

/** From groups of [batch·positions, outputs / groups] to [batch, outputs, ...to], in one unit. */
function arrange(c: Context, parts: readonly Quantity[], batch: number, to: Shape, outputs: number): Quantity {
  const { scale, quantities } = sameUnit(c, parts)
  const spots = sizeOf(to)
  const perGroup = outputs / parts.length
  const index = indexMap([batch, outputs, spots], ([n, o, spot]) => {
    const group = Math.floor(o! / perGroup)
    return group * batch * spots * perGroup + (n! * spots + spot!) * perGroup + (o! % perGroup)
  })
  return c.make([batch, outputs, ...to], c.builder.gather(quantities.map(({ tensor }) => tensor), index), scale)
}

/** Groups choose their units apart; all of them are powers of two of one. */
function sameUnit(c: Context, parts: readonly Quantity[]): { scale: number; quantities: readonly Quantity[] } {
  const scale = Math.min(...parts.map((part) => part.scale))
  const quantities = parts.map((part) => ({ ...part, tensor: c.builder.affine(part.tensor, { multiplier: Float64Array.of(part.scale / scale), offset: Float64Array.of(0) }) }))
  return { scale, quantities }
}

/** Transposed convolution: the input spread with zeros between its elements, convolved with the mirrored kernel. */
export function transposedConvolution(c: Context): Value[] {
  const { reader } = c
  const weights = c.constant(1, 'the kernel')
  const bias = c.constant(2, 'the bias')
  if (!weights) throw reader.invalid('has no kernel')
  const x = c.quantity(0)
  checkRanks(c, x, weights)
  const groups = reader.int('group', 1)
  const kernel = weights.shape.slice(2)
  reader.ignore('kernel_shape')
  if (reader.string('auto_pad', 'NOTSET') !== 'NOTSET' || reader.has('output_shape')) throw reader.refuse('export with explicit pads and output_padding')
  const rank = kernel.length
  const from = x.shape.slice(2)
  const strides = reader.ints('strides') ?? kernel.map(() => 1)
  const dilations = reader.ints('dilations') ?? kernel.map(() => 1)
  const pads = reader.ints('pads') ?? [...kernel, ...kernel].map(() => 0)
  const extra = reader.ints('output_padding') ?? kernel.map(() => 0)
  if ([strides, dilations, extra].some((list) => list.length !== rank) || pads.length !== 2 * rank) throw reader.invalid('window attributes of the wrong rank')
  if ([...strides, ...dilations].some((value) => value < 1) || [...pads, ...extra].some((value) => value < 0)) throw reader.refuse('strides, dilations or pads that are not positive')
  if (groups < 1 || x.shape[1]! % groups !== 0 || weights.shape[0] !== x.shape[1]) throw reader.invalid('channels do not divide into groups')
  const reach = kernel.map((size, i) => (size - 1) * dilations[i]!)
  const before = reach.map((size, i) => size - pads[i]!)
  const after = reach.map((size, i) => size - pads[rank + i]! + extra[i]!)
  if ([...before, ...after].some((value) => value < 0)) throw reader.refuse('pads larger than the kernel')
  const spaced = from.map((dim, i) => (dim - 1) * strides[i]! + 1)
  const apart = c.move(x, [...x.shape.slice(0, 2), ...spaced], indexMap([...x.shape.slice(0, 2), ...spaced], (at) => apartFrom(at, x.shape, strides)))
  const window: Window = { kernel, strides: kernel.map(() => 1), dilations, before, after }
  const outputs = weights.shape[1]! * groups
  const mirrored = mirror(weights.values, weights.shape, groups)
  return [convolve(c, apart, groups, window, outputSizes(window, spaced), outputs, mirrored, bias?.values)]
}

/** Where an element of the spread input comes from; undefined is one of the zeros. */
function apartFrom(at: readonly number[], shape: Shape, strides: readonly number[]): number | undefined {
  if (at.some((i, axis) => axis >= 2 && i % strides[axis - 2]! !== 0)) return undefined
  return place(shape, at.map((i, axis) => (axis < 2 ? i : i / strides[axis - 2]!)))
}

/** Kernel [channels, outputs / groups, ...k] to [outputs, channels / groups, ...k], each turned end to end. */
function mirror(values: Float64Array, shape: Shape, groups: number): Float64Array {
  const [channels, perGroup] = shape as [number, number]
  const kernel = shape.slice(2)
  const inputs = channels / groups
  const index = indexMap([groups * perGroup, inputs, ...kernel], ([o, i, ...k]) => {
    const group = Math.floor(o! / perGroup)
    return place(shape, [group * inputs + i!, o! % perGroup, ...k.map((value, axis) => kernel[axis]! - 1 - value)])
  })
  return Float64Array.from(index, (at) => values[at]!)
}
