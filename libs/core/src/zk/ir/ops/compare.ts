import { assignIsZero, assignSign, constrainIsZero, constrainSign } from '../../gadgets/compare.js'
import { constant } from '../../r1cs/linear-combination.js'
import { type Bounds, bounds, signedWidth, uniform } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/** [x ≥ 0], element by element. */
export interface Step {
  /** Two's complement width of each element; 0 where the sign is known. */
  widths: Float64Array
}

export const planStep = (x: Bounds): Step => ({ widths: x.lo.map((lo, i) => (lo >= 0 || x.hi[i]! < 0 ? 0 : signedWidth(lo, x.hi[i]!))) })

/** Constraints: width + 1. */
export const step: Operation<Step> = {
  name: 'step',
  arity: 1,
  size: (_attributes, [size]) => size!,
  bound: ({ widths }, [x]) => bounds(x!.lo.map((lo) => (lo >= 0 ? 1 : 0)), x!.hi.map((hi) => (hi >= 0 ? 1 : 0)), new Uint8Array(x!.lo.length), 2 ** Math.max(0, ...widths)),
  constrain: (system, { widths }, [x], bound) => x!.map((term, i) => (widths[i] === 0 ? constant(bound.lo[i]!) : constrainSign(system, term, widths[i]!).positive)),
  evaluate: ({ widths }, [x], wires) => x!.map((value, i) => (widths[i] === 0 ? (value >= 0 ? 1 : 0) : assignSign(wires, value, widths[i]!))),
  twin: (graph, _attributes, [x]) => graph.cast(graph.node('GreaterOrEqual', [x!, graph.integer(0)])),
  encode: (out, { widths }) => out.runs(widths),

  decode(from, [size]) {
    const widths = from.runs()
    if (widths.length !== size) throw malformedProgram('widths do not fit their input')
    return { widths }
  },
}

/** [x = 0], element by element. Constraints: 2; keep x short. */
export const isZero: Operation<null> = {
  name: 'is-zero',
  arity: 1,
  size: (_attributes, [size]) => size!,
  bound: (_attributes, [x]) => uniform(x!.lo.length, 0, 1),
  constrain: (system, _attributes, [x]) => x!.map((term) => constrainIsZero(system, term)),
  evaluate: (_attributes, [x], wires) => x!.map((value) => assignIsZero(wires, value)),
  twin: (graph, _attributes, [x]) => graph.cast(graph.node('Equal', [x!, graph.integer(0)])),
  encode: () => {},
  decode: () => null,
}
