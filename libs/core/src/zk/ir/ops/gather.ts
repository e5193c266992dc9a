import { type LinearCombination, constant as constantCombination } from '../../r1cs/linear-combination.js'
import { bounds, TWOS_MAX, twosOf } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/** Result i is element index[i] of the inputs laid one after another; -1 is `fill`. */
export interface Gather {
  index: Int32Array
  fill: number
}

/** Every movement of data: reshape, transpose, slice, pad, concatenate, im2col. Free. */
export const gather: Operation<Gather> = {
  name: 'gather',
  arity: undefined,
  size: ({ index }) => index.length,

  bound({ index, fill }, inputs) {
    const lo = new Float64Array(index.length)
    const hi = new Float64Array(index.length)
    const twos = new Uint8Array(index.length)
    const find = locate(inputs.map((input) => input.lo.length))
    for (let i = 0; i < index.length; i++) {
      const from = index[i]! < 0 ? undefined : find(index[i]!)
      const source = from && inputs[from.input]!
      lo[i] = source ? source.lo[from.at]! : fill
      hi[i] = source ? source.hi[from.at]! : fill
      twos[i] = source ? source.twos[from.at]! : twosOf(fill)
    }
    return bounds(lo, hi, twos)
  },

  constrain(_system, { index, fill }, inputs) {
    const filler = constantCombination(fill)
    const find = locate(inputs.map((input) => input.length))
    return Array.from(index, (at): LinearCombination => {
      if (at < 0) return filler
      const from = find(at)
      return inputs[from.input]![from.at]!
    })
  },

  evaluate({ index, fill }, inputs) {
    const out = new Float64Array(index.length)
    const flat = inputs.length === 1 ? inputs[0]! : concatenate(inputs)
    for (let i = 0; i < index.length; i++) out[i] = index[i]! < 0 ? fill : flat[index[i]!]!
    return out
  },

  twin(graph, { index, fill }, inputs) {
    const padded = index.some((at) => at < 0)
    const parts = padded ? [...inputs, graph.integers([fill])] : inputs
    const flat = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: { kind: 'int', value: 0 } })
    // ONNX reads index -1 as the last element, which is the fill.
    return graph.node('Gather', [flat, graph.indices(index)])
  },

  encode(out, { index, fill }) {
    out.deltas(index)
    out.int(fill)
  },

  decode(from, sizes) {
    const index = from.deltas()
    const total = sizes.reduce((sum, size) => sum + size, 0)
    if (index.some((at) => at < -1 || at >= total)) throw malformedProgram('an index points outside its inputs')
    return { index, fill: from.int() }
  },
}

/** Constants that the graph itself supplies. */
export const constant: Operation<{ values: Float64Array }> = {
  name: 'constant',
  arity: 0,
  size: ({ values }) => values.length,
  bound: ({ values }) => bounds(values, values, Uint8Array.from(values, (value) => Math.min(TWOS_MAX, twosOf(value)))),
  constrain: (_system, { values }) => Array.from(values, constantCombination),
  evaluate: ({ values }) => values,
  twin: (graph, { values }) => graph.integers(values),
  encode: (out, { values }) => out.ints(values),
  decode: (from) => ({ values: from.ints() }),
}

function locate(sizes: readonly number[]): (at: number) => { input: number; at: number } {
  return (at) => {
    let input = 0
    let rest = at
    while (rest >= sizes[input]!) rest -= sizes[input++]!
    return { input, at: rest }
  }
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((total, part) => total + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
