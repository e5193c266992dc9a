import { type Division, assignDivide, constrainDivide } from '../../gadgets/divide.js'
import { assignLookup, constrainLookup, type Lookup, lookup } from '../../gadgets/lookup.js'
import { constant, subtract } from '../../r1cs/linear-combination.js'
import { type Bounds, bitLength, bounds, range } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/** table[x - first], for x in first .. first + table.length - 1. */
export interface Table {
  first: number
  table: Float64Array
}

/** Most entries of a table: 2^12 cost 181 constraints an element. */
export const TABLE_MAX = 2 ** 12

const lookups = new WeakMap<Float64Array, Lookup>()

/** The polynomial of a table, filled up to a power of two with its last entry, which no admissible x reaches. */
function lookupOf({ table }: Table): Lookup {
  let known = lookups.get(table)
  if (!known) {
    const size = 2 ** Math.max(1, Math.ceil(Math.log2(table.length)))
    known = lookup(Float64Array.from({ length: size }, (_, i) => table[Math.min(i, table.length - 1)]!))
    lookups.set(table, known)
  }
  return known
}

/** Any function of few values; see gadgets/lookup.ts. Keep x short. */
export const table: Operation<Table> = {
  name: 'table',
  arity: 1,
  size: (_attributes, [size]) => size!,

  bound({ first, table }, [x]) {
    const size = x!.lo.length
    const lo = new Float64Array(size)
    const hi = new Float64Array(size)
    for (let i = 0; i < size; i++) {
      const reached = table.subarray(x!.lo[i]! - first, x!.hi[i]! - first + 1)
      if (x!.lo[i]! < first || x!.hi[i]! - first >= table.length) throw new RangeError('a table is narrower than its input')
      lo[i] = reached.reduce((a, b) => Math.min(a, b))
      hi[i] = reached.reduce((a, b) => Math.max(a, b))
    }
    // Each coefficient is a signed sum of entries, each partial sum one of 2^6 coefficients: 2^31·2^12·2^6 < 2^50.
    if (table.some((value) => Math.abs(value) > 2 ** 31)) throw new RangeError('a table holds at most 32 bits an entry')
    return bounds(lo, hi, new Uint8Array(size))
  },

  constrain(system, attributes, [x]) {
    const polynomial = lookupOf(attributes)
    return x!.map((term) => constrainLookup(system, subtract(term, constant(attributes.first)), polynomial))
  },

  evaluate(attributes, [x], wires) {
    const polynomial = lookupOf(attributes)
    return x!.map((value) => {
      assignLookup(wires, value - attributes.first, polynomial)
      return attributes.table[value - attributes.first]!
    })
  },

  twin(graph, { first, table }, [x]) {
    const at = first === 0 ? x! : graph.node('Sub', [x!, graph.integer(first)])
    return graph.node('Gather', [graph.integers(table), at])
  },

  encode(out, { first, table }) {
    out.int(first)
    out.ints(table)
  },

  decode(from) {
    const attributes = { first: from.int(), table: from.ints() }
    if (attributes.table.length < 1 || attributes.table.length > TABLE_MAX) throw malformedProgram('a table of a size that nobody wrote')
    return attributes
  },
}

/** A division, with what its user knows beyond the intervals of n and d: a larger d or a smaller quotient than these show. */
export interface Divide extends Division {
  divisorLeast: number
  quotientMost: number
}

/** Widths for dividing. What is known must hold for all admissible inputs: a wrong claim costs completeness, not soundness. */
export function planDivide(n: Bounds, d: Bounds, known: { divisorLeast: number; quotientMost: number }): Divide {
  const divisorLeast = Math.max(range(d).lo, known.divisorLeast)
  if (range(n).lo < 0 || divisorLeast < 1) throw new RangeError('division is of non-negative by positive integers')
  const quotientMost = Math.min(Math.floor(range(n).hi / divisorLeast), known.quotientMost)
  return { divisorLeast, quotientMost, quotientBits: Math.max(1, bitLength(quotientMost)), divisorBits: bitLength(range(d).hi) }
}

/** floor(n / d), element by element; see gadgets/divide.ts. */
export const divide: Operation<Divide> = {
  name: 'divide',
  arity: 2,
  size: (_attributes, [size]) => size!,

  bound({ quotientBits, divisorBits, quotientMost }, [n, d]) {
    const size = n!.lo.length
    const lo = Float64Array.from({ length: size }, (_, i) => Math.min(quotientMost, Math.floor(n!.lo[i]! / d!.hi[i]!)))
    return bounds(lo, new Float64Array(size).fill(quotientMost), new Uint8Array(size), 2 ** Math.max(quotientBits, divisorBits))
  },

  constrain: (system, division, [n, d]) => n!.map((term, i) => constrainDivide(system, term, d![i]!, division)),
  evaluate: (division, [n, d], wires) => n!.map((value, i) => assignDivide(wires, value, d![i]!, division)),
  twin: (graph, _attributes, [n, d]) => graph.node('Div', [n!, d!]),

  encode(out, { quotientBits, divisorBits, divisorLeast, quotientMost }) {
    for (const value of [quotientBits, divisorBits, divisorLeast, quotientMost]) out.uint(value)
  },

  decode(from, [left, right]) {
    const division = { quotientBits: from.uint(), divisorBits: from.uint(), divisorLeast: from.uint(), quotientMost: from.uint() }
    if (left !== right || division.quotientBits > 52 || division.divisorBits > 52) throw malformedProgram('a division that nobody wrote')
    return division
  },
}
