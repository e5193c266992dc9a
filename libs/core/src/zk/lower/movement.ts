import type { Context } from './context.js'
import { numbers } from '../graph/graph.js'
import { DataType } from '../onnx/index.js'
import { isPowerOfTwo, lowestExponent, round } from './number.js'
import { axisOf, broadcast, indexMap, place, type Shape, sizeOf, spread, strides } from './shape.js'
import { towardsZero } from './arithmetic.js'
import { type Constant, constantOf, type Quantity, type Value } from './value.js'

/** The same elements in the same order under another shape. */
export function reshaped(c: Context, value: Value, shape: Shape): Value {
  if (sizeOf(value.shape) !== sizeOf(shape)) throw c.reader.invalid(`cannot make [${shape}] of [${value.shape}]`)
  return { ...value, shape }
}

/** Elements of input i elsewhere; constants stay constants. */
function moved(c: Context, i: number, shape: Shape, index: Int32Array): Value {
  const value = c.input(i)
  const size = sizeOf(value.shape)
  if (index.some((at) => at < 0 || at >= size)) throw c.reader.invalid(`takes an element that [${value.shape}] does not have`)
  if (value.kind === 'constant') return { ...value, shape, values: Float64Array.from(index, (at) => value.values[at]!) }
  return c.move(valueOf(c, i), shape, index)
}

/** A quantity that may be quantised: moving integers needs no scale. */
function valueOf(c: Context, i: number): Quantity {
  const value = c.input(i)
  return value.kind === 'quantity' ? value : c.quantity(i)
}

function axis(c: Context, value: number, rank: number): number {
  const found = axisOf(value, rank)
  if (found === undefined) throw c.reader.invalid(`axis ${value} of a tensor of rank ${rank}`)
  return found
}

export const identity = (c: Context): Value[] => [c.input(0)]

export function dropout(c: Context): Value[] {
  c.reader.ignore('seed', 'ratio')
  if (c.constant(2, 'training_mode')?.values[0]) throw c.reader.refuse('is in training mode; export for inference')
  if (c.reader.node.outputs[1]) throw c.reader.refuse('gives its mask; export for inference')
  return [c.input(0)]
}

export function constant(c: Context): Value[] {
  const { reader } = c
  const tensor = reader.tensor('value')
  if (tensor) return [{ kind: 'constant', type: tensor.type, shape: tensor.shape, values: numbers(tensor) }]
  const ints = reader.ints('value_ints')
  if (ints) return [constantOf([ints.length], Float64Array.from(ints), DataType.INT64)]
  const floats = reader.floats('value_floats')
  if (floats) return [constantOf([floats.length], Float64Array.from(floats))]
  if (reader.has('value_int')) return [constantOf([], Float64Array.of(reader.int('value_int', 0)), DataType.INT64)]
  if (reader.has('value_float')) return [constantOf([], Float64Array.of(reader.float('value_float', 0)))]
  throw reader.refuse('holds no numbers')
}

export function constantOfShape(c: Context): Value[] {
  const shape = c.integers(0, 'the shape') ?? []
  const fill = c.reader.tensor('value')
  return [constantOf(shape, new Float64Array(sizeOf(shape)).fill(fill ? numbers(fill)[0]! : 0), fill?.type ?? DataType.FLOAT)]
}

export function shape(c: Context): Value[] {
  const dims = c.input(0).shape
  const [start, end] = [c.reader.int('start', 0), c.reader.int('end', dims.length)]
  const part = dims.slice(start, end)
  return [constantOf([part.length], Float64Array.from(part), DataType.INT64)]
}

export function reshape(c: Context): Value[] {
  const value = c.input(0)
  const wanted = c.integers(1, 'the shape') ?? []
  const keepsZero = c.reader.int('allowzero', 0) === 1
  const dims = wanted.map((dim, i) => (dim === 0 && !keepsZero ? (value.shape[i] ?? 0) : dim))
  const open = dims.indexOf(-1)
  if (open >= 0) dims[open] = sizeOf(value.shape) / sizeOf(dims.toSpliced(open, 1))
  return [reshaped(c, value, dims)]
}

export function flatten(c: Context): Value[] {
  const value = c.input(0)
  const at = c.reader.int('axis', 1)
  const split = at < 0 ? at + value.shape.length : at
  return [reshaped(c, value, [sizeOf(value.shape.slice(0, split)), sizeOf(value.shape.slice(split))])]
}

export function squeeze(c: Context): Value[] {
  const value = c.input(0)
  const axes = c.integers(1, 'the axes')?.map((at) => axis(c, at, value.shape.length))
  if (axes?.some((at) => value.shape[at] !== 1)) throw c.reader.invalid('squeezes an axis that is not 1')
  return [reshaped(c, value, value.shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)))]
}

export function unsqueeze(c: Context): Value[] {
  const value = c.input(0)
  const axes = c.integers(1, 'the axes') ?? []
  const rank = value.shape.length + axes.length
  const inserted = new Set(axes.map((at) => axis(c, at, rank)))
  const rest = [...value.shape]
  return [reshaped(c, value, Array.from({ length: rank }, (_, i) => (inserted.has(i) ? 1 : rest.shift()!)))]
}

export function transpose(c: Context): Value[] {
  const from = c.input(0).shape
  const order = c.reader.ints('perm') ?? from.map((_, i) => from.length - 1 - i)
  if (order.length !== from.length || new Set(order).size !== from.length || order.some((at) => axisOf(at, from.length) !== at)) throw c.reader.invalid(`a permutation [${order}] of a tensor of [${from}]`)
  const step = strides(from)
  const to = order.map((at) => from[at]!)
  return [moved(c, 0, to, indexMap(to, (at) => at.reduce((index, i, axis) => index + i * step[order[axis]!]!, 0)))]
}

export function expand(c: Context): Value[] {
  const from = c.input(0).shape
  const to = broadcast(from, c.integers(1, 'the shape') ?? [])
  if (!to) throw c.reader.invalid('does not broadcast')
  return [moved(c, 0, to, spread(from, to))]
}

export function tile(c: Context): Value[] {
  const from = c.input(0).shape
  const repeats = c.integers(1, 'the repeats') ?? []
  if (repeats.length !== from.length) throw c.reader.invalid(`${repeats.length} repeats for a tensor of [${from}]`)
  const to = from.map((dim, i) => dim * repeats[i]!)
  return [moved(c, 0, to, indexMap(to, (at) => place(from, at.map((i, axis) => i % from[axis]!))))]
}

export function slice(c: Context): Value[] {
  const from = c.input(0).shape
  const [starts, ends] = [c.integers(1, 'starts') ?? [], c.integers(2, 'ends') ?? []]
  const axes = (c.integers(3, 'axes') ?? starts.map((_, i) => i)).map((at) => axis(c, at, from.length))
  const steps = c.integers(4, 'steps') ?? starts.map(() => 1)
  if ([ends, axes, steps].some((list) => list.length !== starts.length)) throw c.reader.invalid('starts, ends, axes and steps of different lengths')
  const to = [...from]
  const first = from.map(() => 0)
  const step = from.map(() => 1)
  for (const [i, at] of axes.entries()) {
    const by = steps[i]!
    if (by === 0) throw c.reader.invalid('a step of zero')
    const dim = from[at]!
    const start = clamp(starts[i]! < 0 ? starts[i]! + dim : starts[i]!, 0, by < 0 ? dim - 1 : dim)
    const end = clamp(ends[i]! < 0 ? ends[i]! + dim : ends[i]!, by < 0 ? -1 : 0, dim)
    to[at] = Math.max(0, Math.ceil((end - start) / by))
    first[at] = start
    step[at] = by
  }
  return [moved(c, 0, to, indexMap(to, (at) => place(from, at.map((i, axis) => first[axis]! + i * step[axis]!))))]
}

export function split(c: Context): Value[] {
  const from = c.input(0).shape
  const at = axis(c, c.reader.int('axis', 0), from.length)
  const parts = c.reader.node.outputs.length
  c.reader.ignore('num_outputs')
  const even = Math.ceil(from[at]! / parts)
  const sizes = c.integers(1, 'the sizes') ?? Array.from({ length: parts }, (_, i) => Math.min(even, from[at]! - i * even))
  if (sizes.length !== parts || sizes.reduce((total, size) => total + size, 0) !== from[at]) throw c.reader.invalid(`parts of [${sizes}] do not make up axis ${at} of [${from}]`)
  let start = 0
  return sizes.map((size) => {
    const to = from.with(at, size)
    const offset = start
    start += size
    return moved(c, 0, to, indexMap(to, (where) => place(from, where.with(at, where[at]! + offset))))
  })
}

export function gather(c: Context): Value[] {
  const from = c.input(0).shape
  const indices = c.constant(1, 'the index')
  if (!indices) throw c.reader.invalid('has no indices')
  const at = axis(c, c.reader.int('axis', 0), from.length)
  const to = [...from.slice(0, at), ...indices.shape, ...from.slice(at + 1)]
  const rank = indices.shape.length
  const index = indexMap(to, (where) => {
    const chosen = indices.values[place(indices.shape, where.slice(at, at + rank))!]!
    if (!Number.isInteger(chosen)) throw c.reader.invalid('an index is no integer')
    return place(from, [...where.slice(0, at), chosen < 0 ? chosen + from[at]! : chosen, ...where.slice(at + rank)])
  })
  if (index.includes(-1)) throw c.reader.invalid('an index lies outside')
  return [moved(c, 0, to, index)]
}

export function concat(c: Context): Value[] {
  const parts = c.reader.node.inputs.map((_, i) => c.input(i))
  const rank = parts[0]!.shape.length
  const at = axis(c, c.reader.int('axis', 0), rank)
  const to = parts[0]!.shape.with(at, parts.reduce((total, part) => total + part.shape[at]!, 0))
  if (parts.some(({ shape }) => shape.length !== rank || shape.some((dim, i) => i !== at && dim !== to[i]))) throw c.reader.invalid('joins tensors that differ along another axis')
  const index = concatenation(parts.map((part) => part.shape), at, to)
  if (parts.every((part) => part.kind === 'constant')) {
    const flat = parts.flatMap((part) => [...part.values])
    return [{ ...parts[0]!, shape: to, values: Float64Array.from(index, (i) => flat[i]!) }]
  }
  c.spend(sizeOf(to))
  const { scale, quantities } = common(c, parts.map((_, i) => c.quantity(i)))
  return [{ ...quantities[0]!, scale, shape: to, tensor: c.builder.gather(quantities.map(({ tensor }) => tensor), index) }]
}

/** For each element of the result, its place among the parts laid one after another. */
function concatenation(shapes: readonly Shape[], at: number, to: Shape): Int32Array {
  const starts: number[] = []
  let offset = 0
  const owner: { part: number; first: number }[] = []
  let first = 0
  for (const [part, shape] of shapes.entries()) {
    starts.push(offset)
    offset += sizeOf(shape)
    for (let i = 0; i < shape[at]!; i++) owner.push({ part, first })
    first += shape[at]!
  }
  return indexMap(to, (where) => {
    const { part, first } = owner[where[at]!]!
    return starts[part]! + place(shapes[part]!, where.with(at, where[at]! - first))!
  })
}

/** Several quantities in one unit. */
export function common(c: Context, parts: readonly Quantity[]): { scale: number; quantities: Quantity[] } {
  let scale = Math.min(...parts.map((part) => part.scale))
  if (!parts.every((part) => isPowerOfTwo(part.scale / scale))) {
    if (c.exact) throw c.inexact('units whose ratio is no power of two')
    scale /= 2 ** 8
  }
  const quantities = parts.map((part) => {
    const factor = round(part.scale / scale)
    return { ...part, scale, tensor: c.builder.affine(part.tensor, { multiplier: Float64Array.of(factor), offset: Float64Array.of(0) }) }
  })
  return { scale, quantities }
}

export function pad(c: Context): Value[] {
  const mode = c.reader.string('mode', 'constant')
  const from = c.input(0).shape
  const pads = c.integers(1, 'the pads') ?? []
  const axes = (c.integers(3, 'the axes') ?? from.map((_, i) => i)).map((at) => axis(c, at, from.length))
  if (pads.length !== 2 * axes.length) throw c.reader.invalid(`${pads.length} pads for ${axes.length} axes`)
  const before = from.map(() => 0)
  const after = from.map(() => 0)
  for (const [i, at] of axes.entries()) {
    before[at] = pads[i]!
    after[at] = pads[i + axes.length]!
  }
  const to = from.map((dim, i) => dim + before[i]! + after[i]!)
  const wrap = wrapping(mode)
  if (!wrap) throw c.reader.refuse(`mode ${mode}; use constant, edge or reflect`)
  const index = indexMap(to, (at) => place(from, at.map((i, axis) => wrap(i - before[axis]!, from[axis]!))))
  const fill = c.constant(2, 'the padding')?.values[0] ?? 0
  const value = c.input(0)
  if (value.kind === 'constant') return [{ ...value, shape: to, values: Float64Array.from(index, (at) => (at < 0 ? fill : value.values[at]!)) }]
  const x = c.exact ? refined(c, c.quantity(0), fill) : c.quantity(0)
  return [{ ...x, shape: to, tensor: c.builder.gather([x.tensor], index, round(fill / x.scale)) }]
}

/** x in a unit in which a constant is whole. */
function refined(c: Context, x: Quantity, constant: number): Quantity {
  const scale = Math.min(x.scale, 2 ** lowestExponent(constant))
  return { ...x, scale, tensor: c.builder.affine(x.tensor, { multiplier: Float64Array.of(x.scale / scale), offset: Float64Array.of(0) }) }
}

function wrapping(mode: string): ((i: number, dim: number) => number) | undefined {
  if (mode === 'constant') return (i) => i
  if (mode === 'edge') return (i, dim) => clamp(i, 0, dim - 1)
  if (mode === 'reflect') return (i, dim) => (i < 0 ? -i : i >= dim ? 2 * dim - 2 - i : i)
  return undefined
}

/** Resize by nearest neighbour, for whole-numbered ratios of sizes. */
export function resize(c: Context): Value[] {
  const { reader } = c
  if (reader.string('mode', 'nearest') !== 'nearest') throw reader.refuse('only nearest is supported')
  const transformation = reader.string('coordinate_transformation_mode', 'half_pixel')
  const nearest = reader.string('nearest_mode', 'round_prefer_floor')
  reader.ignore('cubic_coeff_a', 'exclude_outside', 'extrapolation_value', 'antialias')
  if (reader.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch' || reader.has('axes')) throw reader.refuse('give scales or sizes of all axes')
  const from = c.input(0).shape
  const scales = c.constant(2, 'the scales')?.values
  const sizes = c.integers(3, 'the sizes')
  const factors = sizes?.length ? sizes : scales
  if (factors?.length !== from.length) throw reader.invalid('has not one scale or size for each axis')
  const to = sizes?.length ? sizes : from.map((dim, i) => Math.floor(dim * scales![i]!))
  if (to.some((dim, i) => dim % from[i]! !== 0 && from[i]! % dim !== 0)) throw reader.refuse('a size is neither a multiple nor a part of the other')
  const origin = coordinate(transformation)
  const pick = nearestOf(nearest)
  if (!origin || !pick) throw reader.refuse(`${transformation} with ${nearest} is not supported`)
  const index = indexMap(to, (at) => place(from, at.map((i, axis) => clamp(pick(origin(i, from[axis]!, to[axis]!)), 0, from[axis]! - 1))))
  return [moved(c, 0, to, index)]
}

/** Where an output coordinate lies in the input, by ONNX's names. */
function coordinate(name: string): ((i: number, from: number, to: number) => number) | undefined {
  if (name === 'asymmetric') return (i, from, to) => (i * from) / to
  if (name === 'half_pixel') return (i, from, to) => ((i + 0.5) * from) / to - 0.5
  if (name === 'pytorch_half_pixel') return (i, from, to) => (to > 1 ? ((i + 0.5) * from) / to - 0.5 : 0)
  if (name === 'align_corners') return (i, from, to) => (to > 1 ? (i * (from - 1)) / (to - 1) : 0)
  return undefined
}

function nearestOf(name: string): ((x: number) => number) | undefined {
  if (name === 'floor') return Math.floor
  if (name === 'ceil') return Math.ceil
  if (name === 'round_prefer_floor') return (x) => Math.ceil(x - 0.5)
  if (name === 'round_prefer_ceil') return (x) => Math.floor(x + 0.5)
  return undefined
}

export function depthToSpace(c: Context): Value[] {
  const size = c.reader.int('blocksize', 1)
  const columnRow = c.reader.string('mode', 'DCR') === 'CRD'
  const from = c.input(0).shape
  c.ranked({ shape: from }, 4, 4)
  if (size < 1) throw c.reader.invalid(`blocks of ${size}`)
  const [n, depth, height, width] = from as [number, number, number, number]
  const to = [n, depth / size ** 2, height * size, width * size]
  const index = indexMap(to, ([batch, channel, y, x]) => {
    const block = (y! % size) * size + (x! % size)
    const at = columnRow ? channel! * size ** 2 + block : block * to[1]! + channel!
    return place(from, [batch!, at, Math.floor(y! / size), Math.floor(x! / size)])
  })
  return [moved(c, 0, to, index)]
}

export function spaceToDepth(c: Context): Value[] {
  const size = c.reader.int('blocksize', 1)
  const from = c.input(0).shape
  c.ranked({ shape: from }, 4, 4)
  if (size < 1) throw c.reader.invalid(`blocks of ${size}`)
  const [n, depth, height, width] = from as [number, number, number, number]
  const to = [n, depth * size ** 2, height / size, width / size]
  const index = indexMap(to, ([batch, channel, y, x]) => {
    const block = Math.floor(channel! / depth)
    return place(from, [batch!, channel! % depth, y! * size + Math.floor(block / size), x! * size + (block % size)])
  })
  return [moved(c, 0, to, index)]
}

const CAST_TYPES: ReadonlySet<number> = new Set(Object.values(DataType))

/** Conversions between number types; what would change a number is refused. */
export function cast(c: Context): Value[] {
  const to = c.reader.int('to', DataType.FLOAT)
  c.reader.ignore('saturate')
  if (!CAST_TYPES.has(to)) throw c.reader.refuse(`casts to element type ${to}, which is not a number's`)
  const value = c.input(0)
  if (value.kind === 'constant') return [castConstant(value, to)]
  const toFloat = to === DataType.FLOAT || to === DataType.DOUBLE || to === DataType.FLOAT16
  if (toFloat || to === value.type) return [{ ...value, type: to }]
  const x = c.quantity(0)
  if (to === DataType.BOOL) {
    const isNotZero = c.builder.affine(c.builder.isZero(x.tensor), { multiplier: Float64Array.of(-1), offset: Float64Array.of(1) })
    return [c.make(x.shape, isNotZero, 1, to)]
  }
  if (Number.isInteger(x.scale)) return [{ ...x, type: to }]
  if (!Number.isInteger(1 / x.scale)) throw c.reader.refuse('would cut off a fraction in a unit that is no whole part of one; round explicitly before it')
  return [c.make(x.shape, towardsZero(c, x.tensor, 1 / x.scale), 1, to)]
}

function castConstant(value: Constant, to: number): Constant {
  const toFloat = to === DataType.FLOAT || to === DataType.DOUBLE
  const values = to === DataType.BOOL ? value.values.map((v) => (v === 0 ? 0 : 1)) : toFloat ? value.values : value.values.map(Math.trunc)
  return { ...value, type: to, values }
}

const clamp = (value: number, lo: number, hi: number): number => Math.min(Math.max(value, lo), hi)
