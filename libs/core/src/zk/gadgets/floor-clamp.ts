import { bitLength } from '../ir/bounds.js'
import type { WireSink } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, add, combine, constant, one, scale, subtract } from '../r1cs/linear-combination.js'
import { assignBits, assignFreeBits, constrainBits, constrainFreeBits, weighted } from './bits.js'
import { quotient } from './quotient.js'

/** y = floor(t / 2^shift), then negative results to 0 and results above `most` to `most`. */
export interface FloorClamp {
  /** Signed: -2^(width-1) ≤ t < 2^(width-1). Unsigned: 0 ≤ t < 2^width. Must exceed `shift`. */
  width: number
  signed: boolean
  shift: number
  /** Whether negative results become 0. */
  lower: boolean
  /** Largest result; undefined where no admissible t exceeds it. A signed t needs `lower` with it. */
  most: number | undefined
}

/**
 * This one gadget is ReLU, saturation, truncation and requantisation.
 *
 * With u = t + 2^(width-1), or u = t if t is unsigned: wires for the remainder's bits, for Q = floor(u / 2^shift) and for
 * Q's bits; one equation says u = remainder + 2^shift·Q, and being on the C side it may be as long as it likes. The signed
 * quotient q is Q - 2^(width-1-shift); `sign` = [t ≥ 0] is Q's top bit, or 1.
 *
 * - no clamp: q itself, no wire more. Constraints: width + 1
 * - lower: y = sign·q. Constraints: width + 2
 * - most = 2^k - 1: with v the low k bits of q and e = q - v, which is 0 exactly if 0 ≤ q ≤ most: e·(y - most·sign) = 0
 *   and e·h = y - v for a free h. For e = 0 the second gives y = v; for e ≠ 0 the first gives y, and h follows.
 *   Constraints: width + 3
 * - any other most: z = sign·q, then y = most - relu(most - z). Constraints: 2·width - shift + 3
 *
 * Sound: the bits give the only remainder and Q with 0 ≤ remainder < 2^shift and 0 ≤ Q < 2^(width-shift), and so the only q.
 */
export function constrainFloorClamp(system: ConstraintSystem, t: LinearCombination, spec: FloorClamp): LinearCombination {
  const { width, shift, most } = spec
  const Q = system.wire()
  const remainder = constrainFreeBits(system, shift)
  system.equal(add(remainder, combine(2 ** shift, Q, 1, constant(-start(spec)))), t)
  const bits = constrainBits(system, Q, width - shift)
  const q = subtract(Q, constant(middle(spec)))
  const sign = spec.signed ? bits.at(-1)! : one
  if (!saturates(spec)) return spec.signed && spec.lower ? multiply(system, sign, q) : q
  if (!isMask(most!)) return atMost(system, spec.signed ? multiply(system, sign, q) : q, spec)
  const k = maskBits(most!)
  const e = subtract(weighted(bits.slice(k), k), constant(middle(spec)))
  const y = system.wire()
  const h = system.wire()
  system.product(e, subtract(y, scale(most!, sign)), constant(0))
  system.product(e, h, subtract(y, subtract(q, e)))
  return y
}

/** Wires of `constrainFloorClamp`; answers y. */
export function assignFloorClamp(wires: WireSink, t: number, spec: FloorClamp): number {
  const { width, shift, most } = spec
  const u = t + start(spec)
  const Q = Math.floor(u / 2 ** shift)
  wires.small(Q)
  assignFreeBits(wires, u - Q * 2 ** shift, shift)
  assignBits(wires, Q, width - shift)
  const q = Q - middle(spec)
  const raised = spec.signed && spec.lower ? Math.max(q, 0) : q
  if (!saturates(spec) || !isMask(most!)) {
    if (spec.signed && spec.lower) wires.small(raised)
    return saturates(spec) ? assignAtMost(wires, raised, spec) : raised
  }
  const y = Math.min(raised, most!)
  const v = Q % (most! + 1)
  wires.small(y)
  wires.element(quotient(y - v, q - v))
  return y
}

/** What is added to t to make it unsigned. */
const start = ({ signed, width }: FloorClamp): number => (signed ? 2 ** (width - 1) : 0)

/** What is therefore subtracted from the quotient. */
const middle = ({ signed, width, shift }: FloorClamp): number => (signed ? 2 ** (width - 1 - shift) : 0)

/** Largest quotient that the width admits. */
const largest = ({ signed, width, shift }: FloorClamp): number => 2 ** (width - shift - (signed ? 1 : 0)) - 1

const saturates = (spec: FloorClamp): boolean => spec.most !== undefined && spec.most < largest(spec)

/** min(z, most) for 0 ≤ z ≤ largest, by the sign of most - z. */
function atMost(system: ConstraintSystem, z: LinearCombination, spec: FloorClamp): LinearCombination {
  const width = spareWidth(spec)
  const spare = subtract(constant(spec.most!), z)
  const bits = constrainBits(system, add(spare, constant(2 ** (width - 1))), width)
  return subtract(constant(spec.most!), multiply(system, bits.at(-1)!, spare))
}

function assignAtMost(wires: WireSink, z: number, spec: FloorClamp): number {
  const width = spareWidth(spec)
  const spare = spec.most! - z
  assignBits(wires, spare + 2 ** (width - 1), width)
  wires.small(Math.max(spare, 0))
  return Math.min(z, spec.most!)
}

/** Width of most - z: both lie in 0..largest. */
const spareWidth = (spec: FloorClamp): number => 1 + Math.log2(largest(spec) + 1)

function multiply(system: ConstraintSystem, a: LinearCombination, b: LinearCombination): LinearCombination {
  const product = system.wire()
  system.product(a, b, product)
  return product
}

/** Whether a number is all ones in binary. Not by logarithms: they round 2^49 - 2 to a mask. */
const isMask = (value: number): boolean => 2 ** bitLength(value) - 1 === value

const maskBits = (value: number): number => bitLength(value)
