import { assignFreeBits, constrainBits, constrainFreeBits, assignBits } from '../../gadgets/bits.js'
import { assignIsZero, constrainIsZero } from '../../gadgets/compare.js'
import { type LinearCombination, add, combine, constant, subtract } from '../../r1cs/linear-combination.js'
import { type Bounds, bounds, range, signedWidth } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'
import { floorTwin } from './requantise.js'

/** x / 2^shift to the nearest integer, ties to the even one: ONNX's Round. */
export interface RoundEven {
  shift: number
  /** Two's complement width of x + 2^(shift-1), the same for all elements. */
  width: number
}

export function planRoundEven(shift: number, x: Bounds): RoundEven {
  const { lo, hi } = range(x)
  const half = 2 ** (shift - 1)
  return { shift, width: Math.max(signedWidth(lo + half, hi + half), shift + 2) }
}

/**
 * Rounds half up, then takes one off where the remainder says "a tie" and the result is odd.
 * Constraints: width + 4. Sound: remainder and quotient are unique as in floor-clamp; the correction is a product of bits.
 */
export const roundEven: Operation<RoundEven> = {
  name: 'round-even',
  arity: 1,
  size: (_attributes, [size]) => size!,

  bound({ shift, width }, [x]) {
    return bounds(x!.lo.map((lo) => halfEven(lo, shift)), x!.hi.map((hi) => halfEven(hi, shift)), new Uint8Array(x!.lo.length), 2 ** width)
  },

  constrain(system, { shift, width }, [x]) {
    return x!.map((term): LinearCombination => {
      const Q = system.wire()
      const remainder = constrainFreeBits(system, shift)
      const start = 2 ** (width - 1) + 2 ** (shift - 1)
      system.equal(add(remainder, combine(2 ** shift, Q, -start, constant(1))), term)
      const [lowest] = constrainBits(system, Q, width - shift)
      const tie = constrainIsZero(system, remainder)
      const correction = system.wire()
      system.product(tie, lowest!, correction)
      return subtract(subtract(Q, constant(2 ** (width - 1 - shift))), correction)
    })
  },

  evaluate({ shift, width }, [x], wires) {
    return x!.map((value) => {
      const u = value + 2 ** (width - 1) + 2 ** (shift - 1)
      const Q = Math.floor(u / 2 ** shift)
      const remainder = u - Q * 2 ** shift
      wires.small(Q)
      assignFreeBits(wires, remainder, shift)
      assignBits(wires, Q, width - shift)
      const correction = assignIsZero(wires, remainder) * (Q % 2)
      wires.small(correction)
      return Q - 2 ** (width - 1 - shift) - correction
    })
  },

  twin(graph, { shift, width }, [x]) {
    const power = graph.integer(2 ** shift)
    const moved = graph.node('Add', [x!, graph.integer(2 ** (shift - 1))])
    const quotient = floorTwin(graph, moved, shift, 2 ** (width - 1))
    const tie = graph.cast(graph.node('Equal', [moved, graph.node('Mul', [quotient, power])]))
    const odd = graph.node('Mod', [quotient, graph.integer(2)])
    return graph.node('Sub', [quotient, graph.node('Mul', [tie, odd])])
  },

  encode(out, { shift, width }) {
    out.uint(shift)
    out.uint(width)
  },

  decode(from) {
    const attributes = { shift: from.uint(), width: from.uint() }
    if (attributes.shift < 1 || attributes.width > 52 || attributes.width < attributes.shift + 2) throw malformedProgram('a rounding that nobody wrote')
    return attributes
  },
}

function halfEven(value: number, shift: number): number {
  const up = Math.floor((value + 2 ** (shift - 1)) / 2 ** shift)
  const tie = up * 2 ** shift === value + 2 ** (shift - 1)
  return tie && up % 2 !== 0 ? up - 1 : up
}
