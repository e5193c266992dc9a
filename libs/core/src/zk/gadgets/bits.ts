import { assert } from '../../errors.js'
import type { WireSink } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, fromMap, subtract, sum } from '../r1cs/linear-combination.js'

/** Widest number that is split; far below the field's 253 bits, so that bits have one value only. */
export const WIDTH_MAX = 52

/**
 * Bits of `value`, lowest first, which proves 0 ≤ value < 2^width. Every bit but the lowest is a wire; the lowest is what
 * remains, so that no constraint is spent on saying that the bits add up. Constraints: width.
 *
 * Sound: all bits are 0 or 1 and value = Σ 2^i·bit by construction; width < 253, so the sum does not wrap.
 */
export function constrainBits(system: ConstraintSystem, value: LinearCombination, width: number): LinearCombination[] {
  assert(width >= 1 && width <= WIDTH_MAX, 'a width of 1 to 52 bits')
  const upper = Array.from({ length: width - 1 }, () => system.wire())
  const lowest = subtract(value, weighted(upper, 1))
  const bits = [lowest, ...upper]
  for (const bit of bits) system.boolean(bit)
  return bits
}

/** Wires of `constrainBits`. */
export function assignBits(wires: WireSink, value: number, width: number): void {
  let rest = Math.floor(value / 2)
  for (let i = 1; i < width; i++) {
    const bit = rest % 2
    wires.small(bit)
    rest = (rest - bit) / 2
  }
}

/** Σ 2^(from+i)·bits[i]. */
export function weighted(bits: readonly LinearCombination[], from: number): LinearCombination {
  return sum(bits.map((bit, i) => [2 ** (from + i), bit] as const))
}

/** Wires of all bits of an unsigned number, each boolean, and their sum. Constraints: width; none says what the number is. */
export function constrainFreeBits(system: ConstraintSystem, width: number): LinearCombination {
  const terms = new Map<number, number>()
  for (let i = 0; i < width; i++) {
    const bit = system.wire()
    system.boolean(bit)
    terms.set(bit.wires[0]!, 2 ** i)
  }
  return fromMap(terms)
}

/** Wires of `constrainFreeBits`. */
export function assignFreeBits(wires: WireSink, value: number, width: number): void {
  let rest = value
  for (let i = 0; i < width; i++) {
    const bit = rest % 2
    wires.small(bit)
    rest = (rest - bit) / 2
  }
}
