import { assert } from '../../../errors.js'
import { assignRange, constrainRange } from '../../gadgets/range.js'
import { type LinearCombination, constant, subtract } from '../../r1cs/linear-combination.js'
import { bounds } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/** Integers from outside, each within its own lo..hi. */
export interface Input {
  lo: Float64Array
  hi: Float64Array
}

/** One wire for each element, proven to lie in its range. Constraints: the bits of hi - lo, a little more for odd ranges. */
export const input: Operation<Input> = {
  name: 'input',
  arity: 0,
  size: ({ lo }) => lo.length,
  bound: ({ lo, hi }) => bounds(lo, hi, new Uint8Array(lo.length)),

  constrain(system, { lo, hi }) {
    return Array.from(lo, (least, i) => {
      const value: LinearCombination = system.wire()
      if (hi[i] === least) system.equal(value, constant(least))
      else constrainRange(system, subtract(value, constant(least)), hi[i]! - least)
      return value
    })
  },

  evaluate({ lo, hi }, [values], wires) {
    assert(values?.length === lo.length, 'as many values as the input has elements')
    for (let i = 0; i < lo.length; i++) {
      assert(Number.isInteger(values[i]) && values[i]! >= lo[i]! && values[i]! <= hi[i]!, 'an input lies in its range')
      wires.small(values[i]!)
      if (hi[i] !== lo[i]) assignRange(wires, values[i]! - lo[i]!, hi[i]! - lo[i]!)
    }
    return values
  },

  twin: (_graph, _attributes, [name]) => name!,

  encode(out, { lo, hi }) {
    out.runs(lo)
    out.runs(hi)
  },

  decode(from) {
    const lo = from.runs()
    const hi = from.runs()
    if (hi.length !== lo.length || lo.some((least, i) => least > hi[i]!)) throw malformedProgram('an input has no range')
    return { lo, hi }
  },
}
