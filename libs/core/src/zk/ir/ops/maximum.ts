import { assignSign, constrainSign } from '../../gadgets/compare.js'
import { assignFloorClamp, constrainFloorClamp, type FloorClamp } from '../../gadgets/floor-clamp.js'
import { type LinearCombination, add, combine, constant, subtract, zero } from '../../r1cs/linear-combination.js'
import { type Bounds, bounds, range, signedWidth } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'
import { decodeGroups, encodeGroups, type Groups } from './linear.js'

/** Largest element of each group. */
export interface Maximum extends Groups {
  /** For each entry of `index`: two's complement width of element - largest so far; 0 for the group's first and absent ones. */
  widths: Float64Array
}

export function planMaximum({ index, group }: Groups, x: Bounds): Maximum {
  const widths = new Float64Array(index.length)
  eachGroup({ index, group }, (positions) => {
    let [lo, hi] = [0, 0]
    for (const [order, position] of positions.entries()) {
      const at = index[position]!
      if (order > 0) widths[position] = signedWidth(x.lo[at]! - hi, x.hi[at]! - lo)
      lo = order === 0 ? x.lo[at]! : Math.max(lo, x.lo[at]!)
      hi = order === 0 ? x.hi[at]! : Math.max(hi, x.hi[at]!)
    }
  })
  return { index, group, widths }
}

/**
 * largest ← largest + relu(element - largest), one element after another. Constraints: width + 2 for each element but the
 * first. Equal elements need no choice, so none is hinted.
 */
export const maximum: Operation<Maximum> = {
  name: 'maximum',
  arity: 1,
  size: ({ index, group }) => index.length / group,

  bound({ index, group, widths }, [x]) {
    const lo = new Float64Array(index.length / group)
    const hi = new Float64Array(index.length / group)
    eachGroup({ index, group }, (positions, i) => {
      lo[i] = Math.max(...positions.map((position) => x!.lo[index[position]!]!))
      hi[i] = Math.max(...positions.map((position) => x!.hi[index[position]!]!))
    })
    return bounds(lo, hi, new Uint8Array(lo.length), 2 ** widths.reduce((most, width) => Math.max(most, width), 0))
  },

  constrain(system, { index, group, widths }, [x]) {
    const out: LinearCombination[] = []
    eachGroup({ index, group }, (positions) => {
      let largest = zero
      for (const [order, position] of positions.entries()) {
        const term = x![index[position]!]!
        largest = order === 0 ? term : add(largest, constrainFloorClamp(system, subtract(term, largest), relu(widths[position]!)))
      }
      out.push(largest)
    })
    return out
  },

  evaluate({ index, group, widths }, [x], wires) {
    const out = new Float64Array(index.length / group)
    eachGroup({ index, group }, (positions, i) => {
      for (const [order, position] of positions.entries()) {
        const value = x![index[position]!]!
        out[i] = order === 0 ? value : out[i]! + assignFloorClamp(wires, value - out[i]!, relu(widths[position]!))
      }
    })
    return out
  },

  twin(graph, { index, group }, [x]) {
    const complete = Int32Array.from(index)
    // An absent element repeats the group's first present one.
    eachGroup({ index, group }, (positions, i) => {
      for (let j = 0; j < group; j++) if (index[i * group + j]! < 0) complete[i * group + j] = index[positions[0]!]!
    })
    const grouped = graph.node('Gather', [x!, graph.indices(complete, [index.length / group, group])])
    return graph.node('ReduceMax', [grouped], { axes: { kind: 'ints', value: [1] }, keepdims: { kind: 'int', value: 0 } })
  },

  encode(out, attributes) {
    encodeGroups(out, attributes)
    out.runs(attributes.widths)
  },

  decode(from, sizes) {
    const groups = decodeGroups(from, sizes)
    const widths = from.runs()
    if (widths.length !== groups.index.length) throw malformedProgram('widths do not fit their groups')
    return { ...groups, widths }
  },
}

const relu = (width: number): FloorClamp => ({ width, signed: true, shift: 0, lower: true, most: undefined })

/** Positions of the present elements of each group; a group has at least one. */
function eachGroup({ index, group }: Groups, visit: (positions: number[], i: number) => void): void {
  for (let i = 0; i < index.length / group; i++) {
    const positions: number[] = []
    for (let j = i * group; j < (i + 1) * group; j++) if (index[j]! >= 0) positions.push(j)
    if (positions.length === 0) throw malformedProgram('a group has no element')
    visit(positions, i)
  }
}

/** Index of the largest element of each row. */
export interface ArgMax {
  rows: number
  columns: number
  /** Which of several equal elements: the last (1) or the first (0). */
  last: number
  /** Two's complement width of element - largest so far - 1. */
  width: number
}

export function planArgMax(shape: { rows: number; columns: number; last: number }, x: Bounds): ArgMax {
  const { lo, hi } = range(x)
  return { ...shape, width: signedWidth(lo - hi - 1, hi - lo) }
}

/**
 * Walks along a row: b = [element > largest] (or ≥), largest ← largest + b·(element - largest), index ← index + b·(i - index).
 * Constraints: width + 3 for each element but the first.
 */
export const argMax: Operation<ArgMax> = {
  name: 'argmax',
  arity: 1,
  size: ({ rows }) => rows,
  bound: ({ rows, columns, width }) => bounds(new Float64Array(rows), new Float64Array(rows).fill(columns - 1), new Uint8Array(rows), 2 ** width),

  constrain(system, { rows, columns, last, width }, [x]) {
    return Array.from({ length: rows }, (_, row) => {
      let largest = x![row * columns]!
      let index = zero
      for (let i = 1; i < columns; i++) {
        const strict = constant(last ? 0 : 1)
        const { t, positive } = constrainSign(system, subtract(subtract(x![row * columns + i]!, largest), strict), width)
        const raise = system.wire()
        system.product(positive, add(t, strict), raise)
        largest = add(largest, raise)
        const move = system.wire()
        system.product(positive, combine(-1, index, i, constant(1)), move)
        index = add(index, move)
      }
      return index
    })
  },

  evaluate({ rows, columns, last, width }, [x], wires) {
    const out = new Float64Array(rows)
    for (let row = 0; row < rows; row++) {
      let largest = x![row * columns]!
      let index = 0
      for (let i = 1; i < columns; i++) {
        const more = x![row * columns + i]! - largest
        const positive = assignSign(wires, more - (last ? 0 : 1), width)
        wires.small(positive * more)
        largest += positive * more
        wires.small(positive * (i - index))
        index += positive * (i - index)
      }
      out[row] = index
    }
    return out
  },

  twin(graph, { rows, columns, last }, [x]) {
    const found = graph.node('ArgMax', [graph.reshape(x!, [rows, columns])], {
      axis: { kind: 'int', value: 1 },
      keepdims: { kind: 'int', value: 0 },
      select_last_index: { kind: 'int', value: last },
    })
    return graph.cast(found)
  },

  encode(out, { rows, columns, last, width }) {
    for (const value of [rows, columns, last, width]) out.uint(value)
  },

  decode(from, [size]) {
    const attributes = { rows: from.uint(), columns: from.uint(), last: from.uint(), width: from.uint() }
    if (attributes.rows * attributes.columns !== size || attributes.last > 1 || attributes.width > 52) throw malformedProgram('an argmax does not fit its input')
    return attributes
  },
}
