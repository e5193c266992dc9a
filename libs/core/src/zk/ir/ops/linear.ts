import { assert } from '../../../errors.js'
import { type LinearCombination, combine as combineCombinations, constant, sum as sumCombinations, zero } from '../../r1cs/linear-combination.js'
import { type Bounds, bounds, TWOS_MAX, twosOf } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/** x [rows, inner] times constant weights [inner, columns], plus a constant bias for each column. */
export interface Dense {
  rows: number
  inner: number
  columns: number
  weights: Float64Array
  bias: Float64Array
}

/** Matrix product by a constant: no constraint, whatever its size. */
export const dense: Operation<Dense> = {
  name: 'dense',
  arity: 1,
  size: ({ rows, columns }) => rows * columns,

  bound({ rows, inner, columns, weights, bias }, [x]) {
    const size = rows * columns
    const lo = new Float64Array(size)
    const hi = new Float64Array(size)
    const twos = new Uint8Array(size)
    const columnTwos = Uint8Array.from({ length: columns }, (_, c) => twosOf(bias[c]!))
    const weightTwos = Uint8Array.from(weights, twosOf)
    let beyond = 0
    for (let row = 0; row < rows; row++) {
      const magnitude = Float64Array.from(bias, Math.abs)
      const start = row * columns
      lo.set(bias, start)
      hi.set(bias, start)
      twos.set(columnTwos, start)
      for (let k = 0; k < inner; k++) {
        const least = x!.lo[row * inner + k]!
        const most = x!.hi[row * inner + k]!
        const largest = Math.max(Math.abs(least), Math.abs(most))
        const shared = x!.twos[row * inner + k]!
        for (let c = 0; c < columns; c++) {
          const weight = weights[k * columns + c]!
          if (weight === 0) continue
          lo[start + c]! += weight > 0 ? weight * least : weight * most
          hi[start + c]! += weight > 0 ? weight * most : weight * least
          magnitude[c]! += Math.abs(weight) * largest
          twos[start + c] = Math.min(twos[start + c]!, weightTwos[k * columns + c]! + shared)
        }
      }
      for (const value of magnitude) beyond = Math.max(beyond, value)
    }
    return bounds(lo, hi, twos, beyond)
  },

  constrain(system, { rows, inner, columns, weights, bias }, [x]) {
    const totals = new Float64Array(system.wireCount)
    const out: LinearCombination[] = []
    for (let row = 0; row < rows; row++) {
      const terms = x!.slice(row * inner, (row + 1) * inner)
      const touched = [...new Set([0, ...terms.flatMap((term) => term.wires)])].sort((a, b) => a - b)
      for (let c = 0; c < columns; c++) {
        for (const wire of touched) totals[wire] = 0
        totals[0] = bias[c]!
        for (let k = 0; k < inner; k++) {
          const weight = weights[k * columns + c]!
          if (weight === 0) continue
          const { wires, coefficients } = terms[k]!
          for (let i = 0; i < wires.length; i++) {
            const product = weight * (coefficients[i] as number)
            const total = (totals[wires[i]!]! += product)
            assert(Math.max(Math.abs(product), Math.abs(total)) <= Number.MAX_SAFE_INTEGER, 'a dense coefficient stays a safe integer')
          }
        }
        const wires = touched.filter((wire) => totals[wire] !== 0)
        out.push({ wires, coefficients: wires.map((wire) => totals[wire]!) })
      }
    }
    return out
  },

  evaluate({ rows, inner, columns, weights, bias }, [x]) {
    const out = new Float64Array(rows * columns)
    for (let row = 0; row < rows; row++) {
      const start = row * columns
      out.set(bias, start)
      for (let k = 0; k < inner; k++) {
        const value = x![row * inner + k]!
        if (value === 0) continue
        const from = k * columns
        for (let c = 0; c < columns; c++) out[start + c]! += value * weights[from + c]!
      }
    }
    return out
  },

  twin(graph, { rows, inner, columns, weights, bias }, [x]) {
    const matrix = graph.reshape(x!, [rows, inner])
    const product = graph.node('MatMul', [matrix, graph.integers(weights, [inner, columns])])
    const biased = bias.some((value) => value !== 0) ? graph.node('Add', [product, graph.integers(bias)]) : product
    return graph.reshape(biased, [-1])
  },

  encode(out, { rows, inner, columns, weights, bias }) {
    out.uint(rows)
    out.uint(inner)
    out.uint(columns)
    out.ints(weights)
    out.ints(bias)
  },

  decode(from, [size]) {
    const attributes = { rows: from.uint(), inner: from.uint(), columns: from.uint(), weights: from.ints(), bias: from.ints() }
    const { rows, inner, columns, weights, bias } = attributes
    if (rows * inner !== size || weights.length !== inner * columns || bias.length !== columns) throw malformedProgram('a dense layer does not fit its input')
    return attributes
  },
}

/** multiplier·x + offset, element by element; an array of one stands for all elements. */
export interface Affine {
  multiplier: Float64Array
  offset: Float64Array
}

const spread = (values: Float64Array, i: number): number => values[values.length === 1 ? 0 : i]!

export const affine: Operation<Affine> = {
  name: 'affine',
  arity: 1,
  size: (_attributes, [size]) => size!,

  bound({ multiplier, offset }, [x]) {
    return mapBounds(x!, (i) => {
      const m = spread(multiplier, i)
      const b = spread(offset, i)
      const ends = [m * x!.lo[i]! + b, m * x!.hi[i]! + b] as const
      return { lo: Math.min(...ends), hi: Math.max(...ends), twos: Math.min(m === 0 ? TWOS_MAX : twosOf(m) + x!.twos[i]!, twosOf(b)), magnitude: Math.abs(m) * Math.max(Math.abs(x!.lo[i]!), Math.abs(x!.hi[i]!)) + Math.abs(b) }
    })
  },

  constrain: (_system, { multiplier, offset }, [x]) => x!.map((term, i) => combineCombinations(spread(multiplier, i), term, 1, constant(spread(offset, i)))),
  evaluate: ({ multiplier, offset }, [x]) => x!.map((value, i) => spread(multiplier, i) * value + spread(offset, i)),

  twin(graph, { multiplier, offset }, [x]) {
    const scaled = multiplier.every((m) => m === 1) ? x! : graph.node('Mul', [x!, graph.integers(multiplier)])
    return offset.every((b) => b === 0) ? scaled : graph.node('Add', [scaled, graph.integers(offset)])
  },

  encode(out, { multiplier, offset }) {
    out.runs(multiplier)
    out.runs(offset)
  },

  decode(from, [size]) {
    const attributes = { multiplier: from.runs(), offset: from.runs() }
    for (const { length } of [attributes.multiplier, attributes.offset]) if (length !== 1 && length !== size) throw malformedProgram('an affine map does not fit its input')
    return attributes
  },
}

/** alpha·x + beta·y. */
export interface Combine {
  alpha: number
  beta: number
}

export const combine: Operation<Combine> = {
  name: 'combine',
  arity: 2,
  size: (_attributes, [size]) => size!,

  bound({ alpha, beta }, [x, y]) {
    return mapBounds(x!, (i) => {
      const a = [alpha * x!.lo[i]!, alpha * x!.hi[i]!] as const
      const b = [beta * y!.lo[i]!, beta * y!.hi[i]!] as const
      const twos = Math.min(alpha === 0 ? TWOS_MAX : twosOf(alpha) + x!.twos[i]!, beta === 0 ? TWOS_MAX : twosOf(beta) + y!.twos[i]!)
      return { lo: Math.min(...a) + Math.min(...b), hi: Math.max(...a) + Math.max(...b), twos, magnitude: Math.max(...a.map(Math.abs)) + Math.max(...b.map(Math.abs)) }
    })
  },

  constrain: (_system, { alpha, beta }, [x, y]) => x!.map((term, i) => combineCombinations(alpha, term, beta, y![i]!)),
  evaluate: ({ alpha, beta }, [x, y]) => x!.map((value, i) => alpha * value + beta * y![i]!),

  twin(graph, { alpha, beta }, [x, y]) {
    const scaled = (name: string, factor: number) => (factor === 1 ? name : graph.node('Mul', [name, graph.integer(factor)]))
    return graph.node('Add', [scaled(x!, alpha), scaled(y!, beta)])
  },

  encode(out, { alpha, beta }) {
    out.int(alpha)
    out.int(beta)
  },

  decode(from, [left, right]) {
    if (left !== right) throw malformedProgram('a sum of tensors of two sizes')
    return { alpha: from.int(), beta: from.int() }
  },
}

/** Result i is the sum of elements index[i·group .. (i+1)·group); -1 is nothing. */
export interface Groups {
  index: Int32Array
  group: number
}

/** Sums of groups: pooling and reductions. Free. */
export const sum: Operation<Groups> = {
  name: 'sum',
  arity: 1,
  size: ({ index, group }) => index.length / group,

  bound({ index, group }, [x]) {
    const size = index.length / group
    const lo = new Float64Array(size)
    const hi = new Float64Array(size)
    const twos = new Uint8Array(size).fill(TWOS_MAX)
    let beyond = 0
    for (let i = 0; i < size; i++) {
      let magnitude = 0
      for (const at of index.subarray(i * group, (i + 1) * group)) {
        if (at < 0) continue
        lo[i]! += x!.lo[at]!
        hi[i]! += x!.hi[at]!
        magnitude += Math.max(Math.abs(x!.lo[at]!), Math.abs(x!.hi[at]!))
        twos[i] = Math.min(twos[i]!, x!.twos[at]!)
      }
      beyond = Math.max(beyond, magnitude)
    }
    return bounds(lo, hi, twos, beyond)
  },

  constrain(_system, { index, group }, [x]) {
    return Array.from({ length: index.length / group }, (_, i) =>
      sumCombinations(Array.from(index.subarray(i * group, (i + 1) * group), (at) => [1, at < 0 ? zero : x![at]!] as const)),
    )
  },

  evaluate({ index, group }, [x]) {
    const out = new Float64Array(index.length / group)
    for (let i = 0; i < index.length; i++) if (index[i]! >= 0) out[Math.floor(i / group)]! += x![index[i]!]!
    return out
  },

  twin(graph, { index, group }, [x]) {
    const padded = index.some((at) => at < 0)
    const flat = padded ? graph.node('Concat', [x!, graph.integers([0])], { axis: { kind: 'int', value: 0 } }) : x!
    const grouped = graph.node('Gather', [flat, graph.indices(index, [index.length / group, group])])
    return graph.node('ReduceSum', [grouped, graph.indices([1])], { keepdims: { kind: 'int', value: 0 } })
  },

  encode: encodeGroups,
  decode: decodeGroups,
}

export function encodeGroups(out: { deltas(values: ArrayLike<number>): void; uint(value: number): void }, { index, group }: Groups): void {
  out.deltas(index)
  out.uint(group)
}

export function decodeGroups(from: { deltas(): Int32Array; uint(): number }, [size]: readonly number[]): Groups {
  const index = from.deltas()
  const group = from.uint()
  if (group < 1 || index.length % group !== 0 || index.some((at) => at < -1 || at >= size!)) throw malformedProgram('groups do not fit their input')
  return { index, group }
}

/** Bounds element by element from a function of the position. */
function mapBounds(x: Bounds, of: (i: number) => { lo: number; hi: number; twos: number; magnitude: number }): Bounds {
  const size = x.lo.length
  const lo = new Float64Array(size)
  const hi = new Float64Array(size)
  const twos = new Uint8Array(size)
  let beyond = 0
  for (let i = 0; i < size; i++) {
    const at = of(i)
    lo[i] = at.lo
    hi[i] = at.hi
    twos[i] = Math.min(TWOS_MAX, at.twos)
    beyond = Math.max(beyond, at.magnitude)
  }
  return bounds(lo, hi, twos, beyond)
}
