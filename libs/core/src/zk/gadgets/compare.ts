import type { WireSink } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, add, constant, one, subtract, zero } from '../r1cs/linear-combination.js'
import { assignBits, constrainBits } from './bits.js'
import { quotient } from './quotient.js'

/**
 * t = Q - 2^(width-1) with Q a wire of `width` bits: t held as a short combination, with the bit [t ≥ 0].
 * Constraints: width + 1.
 */
export function constrainSign(system: ConstraintSystem, t: LinearCombination, width: number): { t: LinearCombination; positive: LinearCombination } {
  const Q = system.wire()
  system.equal(Q, add(t, constant(2 ** (width - 1))))
  const bits = constrainBits(system, Q, width)
  return { t: subtract(Q, constant(2 ** (width - 1))), positive: bits[width - 1]! }
}

/** Wires of `constrainSign`; answers [t ≥ 0]. */
export function assignSign(wires: WireSink, t: number, width: number): number {
  const Q = t + 2 ** (width - 1)
  wires.small(Q)
  assignBits(wires, Q, width)
  return t >= 0 ? 1 : 0
}

/**
 * z = [t = 0], by t·h = 1 - z and t·z = 0: for t = 0 the first gives z = 1, else the second gives z = 0.
 * Constraints: 2; t stands on the A side and should be short.
 */
export function constrainIsZero(system: ConstraintSystem, t: LinearCombination): LinearCombination {
  const z = system.wire()
  const h = system.wire()
  system.product(t, h, subtract(one, z))
  system.product(t, z, zero)
  return z
}

/** Wires of `constrainIsZero`; answers z. */
export function assignIsZero(wires: WireSink, t: number): number {
  const z = t === 0 ? 1 : 0
  wires.small(z)
  wires.element(t === 0 ? 0n : quotient(1, t))
  return z
}
