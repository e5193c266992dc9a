import { assert } from '../../../errors.js'
import { type LinearCombination, one, subtract, zero } from '../../r1cs/linear-combination.js'
import { uniform } from '../bounds.js'
import type { Operation } from '../operation.js'

/** Ranks from outside, the i-th within 0..levels[i]. */
export interface Thermometer {
  levels: Float64Array
}

/**
 * Each rank in unary: levels[i] wires, of which the first `rank` are 1. The result is these bits, all features one after
 * another; a bit says "the rank exceeds this level", so that a threshold comparison costs nothing more.
 * Constraints: 2 for each level (boolean, and no 1 after a 0), which is also the range check of the rank, their sum.
 */
export const thermometer: Operation<Thermometer> = {
  name: 'thermometer',
  arity: 0,
  size: ({ levels }) => levels.reduce((total, level) => total + level, 0),
  bound: ({ levels }) => uniform(levels.reduce((total, level) => total + level, 0), 0, 1, Math.max(0, ...levels)),

  constrain(system, { levels }) {
    const bits: LinearCombination[] = []
    for (const level of levels) {
      for (let i = 0; i < level; i++) {
        const bit = system.wire()
        system.boolean(bit)
        if (i > 0) system.product(bit, subtract(one, bits.at(-1)!), zero)
        bits.push(bit)
      }
    }
    return bits
  },

  evaluate({ levels }, [ranks], wires) {
    assert(ranks?.length === levels.length, 'as many ranks as there are features')
    const bits: number[] = []
    for (const [feature, level] of levels.entries()) {
      const rank = ranks[feature]!
      assert(Number.isInteger(rank) && rank >= 0 && rank <= level, 'a rank lies within its levels')
      for (let i = 0; i < level; i++) {
        const bit = i < rank ? 1 : 0
        wires.small(bit)
        bits.push(bit)
      }
    }
    return Float64Array.from(bits)
  },

  /** Compares each rank with the positions of its feature's levels. */
  twin(graph, { levels }, [ranks]) {
    const feature: number[] = []
    const position: number[] = []
    for (const [i, level] of levels.entries()) {
      for (let at = 0; at < level; at++) {
        feature.push(i)
        position.push(at)
      }
    }
    const spread = graph.node('Gather', [ranks!, graph.indices(feature)])
    return graph.cast(graph.node('Greater', [spread, graph.integers(position)]))
  },

  encode: (out, { levels }) => out.runs(levels),
  decode: (from) => ({ levels: from.runs() }),
}
