import { type LinearCombination, sum } from '../../r1cs/linear-combination.js'
import { bounds } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/** x·y, element by element. Constraints: 1; keep both short. */
export const multiply: Operation<null> = {
  name: 'multiply',
  arity: 2,
  size: (_attributes, [size]) => size!,

  bound(_attributes, [x, y]) {
    const size = x!.lo.length
    const lo = new Float64Array(size)
    const hi = new Float64Array(size)
    const twos = new Uint8Array(size)
    for (let i = 0; i < size; i++) {
      const corners = [x!.lo[i]! * y!.lo[i]!, x!.lo[i]! * y!.hi[i]!, x!.hi[i]! * y!.lo[i]!, x!.hi[i]! * y!.hi[i]!]
      lo[i] = Math.min(...corners)
      hi[i] = Math.max(...corners)
    }
    return bounds(lo, hi, twos)
  },

  constrain(system, _attributes, [x, y]) {
    return x!.map((term, i): LinearCombination => {
      const product = system.wire()
      system.product(term, y![i]!, product)
      return product
    })
  },

  evaluate(_attributes, [x, y], wires) {
    return x!.map((value, i) => {
      wires.small(value * y![i]!)
      return value * y![i]!
    })
  },

  twin: (graph, _attributes, [x, y]) => graph.node('Mul', [x!, y!]),
  encode: () => {},

  decode(_from, [left, right]) {
    if (left !== right) throw malformedProgram('a product of tensors of two sizes')
    return null
  },
}

/** x [rows, inner] times y [inner, columns], both variable. */
export interface MatMul {
  rows: number
  inner: number
  columns: number
}

/** Constraints: rows·inner·columns; keep both short. */
export const matmul: Operation<MatMul> = {
  name: 'matmul',
  arity: 2,
  size: ({ rows, columns }) => rows * columns,

  bound({ rows, inner, columns }, [x, y]) {
    const lo = new Float64Array(rows * columns)
    const hi = new Float64Array(rows * columns)
    const magnitude = new Float64Array(rows * columns)
    forEachTerm({ rows, inner, columns }, (at, i, j) => {
      const corners = [x!.lo[i]! * y!.lo[j]!, x!.lo[i]! * y!.hi[j]!, x!.hi[i]! * y!.lo[j]!, x!.hi[i]! * y!.hi[j]!]
      lo[at]! += Math.min(...corners)
      hi[at]! += Math.max(...corners)
      magnitude[at]! += Math.max(...corners.map(Math.abs))
    })
    return bounds(lo, hi, new Uint8Array(rows * columns), magnitude.reduce((most, value) => Math.max(most, value), 0))
  },

  constrain(system, attributes, [x, y]) {
    const terms: [number, LinearCombination][][] = Array.from({ length: attributes.rows * attributes.columns }, () => [])
    forEachTerm(attributes, (at, i, j) => {
      const product = system.wire()
      system.product(x![i]!, y![j]!, product)
      terms[at]!.push([1, product])
    })
    return terms.map(sum)
  },

  evaluate(attributes, [x, y], wires) {
    const out = new Float64Array(attributes.rows * attributes.columns)
    forEachTerm(attributes, (at, i, j) => {
      const product = x![i]! * y![j]!
      wires.small(product)
      out[at]! += product
    })
    return out
  },

  twin(graph, { rows, inner, columns }, [x, y]) {
    return graph.reshape(graph.node('MatMul', [graph.reshape(x!, [rows, inner]), graph.reshape(y!, [inner, columns])]), [-1])
  },

  encode(out, { rows, inner, columns }) {
    out.uint(rows)
    out.uint(inner)
    out.uint(columns)
  },

  decode(from, [left, right]) {
    const attributes = { rows: from.uint(), inner: from.uint(), columns: from.uint() }
    if (attributes.rows * attributes.inner !== left || attributes.inner * attributes.columns !== right) throw malformedProgram('a matrix product does not fit its inputs')
    return attributes
  },
}

/** Every product of a matrix product: place of the result, of the left and of the right factor. */
function forEachTerm({ rows, inner, columns }: MatMul, visit: (at: number, i: number, j: number) => void): void {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let k = 0; k < inner; k++) visit(row * columns + column, row * inner + k, k * columns + column)
    }
  }
}

/** The same values, each as one wire: keeps combinations short. Constraints: 1. */
export const rewire: Operation<null> = {
  name: 'rewire',
  arity: 1,
  size: (_attributes, [size]) => size!,
  // The combination may have been divisible by its coefficients; the new wire's coefficient is one.
  bound: (_attributes, [x]) => bounds(x!.lo, x!.hi, new Uint8Array(x!.lo.length), x!.magnitude),

  constrain(system, _attributes, [x]) {
    return x!.map((term): LinearCombination => {
      const same = system.wire()
      system.equal(same, term)
      return same
    })
  },

  evaluate(_attributes, [x], wires) {
    for (const value of x!) wires.small(value)
    return x!
  },

  twin: (_graph, _attributes, [x]) => x!,
  encode: () => {},
  decode: () => null,
}
