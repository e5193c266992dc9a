import { refusal } from '../error.js'

/**
 * What is known of a tensor of integers at compile time, element by element: lo ≤ x ≤ hi, and 2^twos divides x.
 * `magnitude` bounds every intermediate value of computing it too, in any order of summation.
 *
 * Bounds are kept in doubles, and are exact: no bound or intermediate value may exceed 2^50, every operation on them is a
 * sum or product of integers, and a sum of magnitudes that passed 2^53 by rounding would still be seen to pass 2^50.
 * So no wire that stands for a number comes within 200 bits of the field's size (2^253), no double in the witness generator
 * rounds, and no 64-bit integer in the twin wraps.
 */
export interface Bounds {
  readonly lo: Float64Array
  readonly hi: Float64Array
  readonly twos: Uint8Array
  readonly magnitude: number
}

/** Largest absolute value of any number in a circuit, intermediate sums included. */
export const MAGNITUDE_MAX = 2 ** 50

/** More factors of two than any bounded non-zero number has; stands for "zero". */
export const TWOS_MAX = 60

/** Bounds from their parts; refuses with `zk.bound-exceeded` what could exceed 2^50. `beyond` adds intermediate values. */
export function bounds(lo: Float64Array, hi: Float64Array, twos: Uint8Array, beyond = 0): Bounds {
  let magnitude = beyond
  for (let i = 0; i < lo.length; i++) magnitude = Math.max(magnitude, Math.abs(lo[i]!), Math.abs(hi[i]!))
  if (!(magnitude <= MAGNITUDE_MAX)) {
    throw refusal('zk.bound-exceeded', `a value may reach 2^${Math.log2(magnitude).toFixed(1)}, and 2^50 is the most; requantise earlier or use smaller weights`)
  }
  return { lo, hi, twos, magnitude }
}

/** The same range for all elements. */
export const uniform = (size: number, lo: number, hi: number, beyond = 0): Bounds =>
  bounds(new Float64Array(size).fill(lo), new Float64Array(size).fill(hi), new Uint8Array(size), beyond)

/** Smallest and largest value that any element can take. */
export function range({ lo, hi }: Bounds): { lo: number; hi: number } {
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < lo.length; i++) {
    least = Math.min(least, lo[i]!)
    most = Math.max(most, hi[i]!)
  }
  return { lo: least, hi: most }
}

/** Exponent of the largest power of two that divides an integer. */
export function twosOf(value: number): number {
  if (value === 0) return TWOS_MAX
  let twos = 0
  for (let rest = Math.abs(value); rest % 2 === 0; rest /= 2) twos++
  return twos
}

/** Bits of an unsigned integer: the least w with value < 2^w. */
export function bitLength(value: number): number {
  let bits = 0
  for (let power = 1; power <= value; power *= 2) bits++
  return bits
}

/** Least w with -2^(w-1) ≤ lo and hi < 2^(w-1): the width of a two's complement integer that holds the range. */
export const signedWidth = (lo: number, hi: number): number => 1 + Math.max(bitLength(hi < 0 ? 0 : hi), lo < 0 ? bitLength(-lo - 1) : 0)
