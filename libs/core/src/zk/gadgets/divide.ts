import type { WireSink } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, add, constant, subtract } from '../r1cs/linear-combination.js'
import { assignBits, assignFreeBits, constrainBits, constrainFreeBits } from './bits.js'

/** Widths of a division: of the quotient, and of the divisor (and so of the remainder). */
export interface Division {
  quotientBits: number
  divisorBits: number
}

/**
 * y = floor(n / d) for n ≥ 0, 1 ≤ d < 2^divisorBits, n / d < 2^quotientBits: y·d = n - rest with 0 ≤ rest ≤ d - 1.
 * Constraints: quotientBits + 2·divisorBits + 1. Keep d short.
 *
 * Sound: y and rest are bounded by their bits, d by its interval, so y·d + rest < 2^104 does not wrap, and integer division
 * with remainder is unique. d = 0 admits no rest at all.
 */
export function constrainDivide(system: ConstraintSystem, n: LinearCombination, d: LinearCombination, { quotientBits, divisorBits }: Division): LinearCombination {
  const y = system.wire()
  constrainBits(system, y, quotientBits)
  const rest = constrainFreeBits(system, divisorBits)
  constrainBits(system, subtract(d, add(rest, constant(1))), divisorBits)
  system.product(y, d, subtract(n, rest))
  return y
}

/** Wires of `constrainDivide`; answers y. */
export function assignDivide(wires: WireSink, n: number, d: number, { quotientBits, divisorBits }: Division): number {
  const y = Math.floor(n / d)
  const rest = n - y * d
  wires.small(y)
  assignBits(wires, y, quotientBits)
  assignFreeBits(wires, rest, divisorBits)
  assignBits(wires, d - 1 - rest, divisorBits)
  return y
}
