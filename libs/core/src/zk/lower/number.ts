import { refusal } from '../error.js'

/** Exact handling of binary floating-point numbers. What is infinite or no number is a model's fault, and refused. */

/** Largest e with x / 2^e an odd integer; Infinity for zero. */
export function lowestExponent(x: number): number {
  if (!Number.isFinite(x)) throw refusal('zk.model-invalid', `a constant is ${x}`)
  if (x === 0) return Number.POSITIVE_INFINITY
  let exponent = 0
  let rest = Math.abs(x)
  while (!Number.isInteger(rest)) {
    rest *= 2
    exponent--
  }
  while (rest % 2 === 0) {
    rest /= 2
    exponent++
  }
  return exponent
}

/** floor(log2 x) for x > 0, exactly. */
export function floorLog2(x: number): number {
  if (!(x > 0 && x < Number.POSITIVE_INFINITY)) throw refusal('zk.model-invalid', `a magnitude of ${x} came out of the model's constants`)
  let exponent = Math.floor(Math.log2(x))
  // The logarithm may be off by one next to a power of two.
  while (2 ** exponent > x) exponent--
  while (2 ** (exponent + 1) <= x) exponent++
  return exponent
}

/** Whether x is an integer power of two. */
export const isPowerOfTwo = (x: number): boolean => x > 0 && 2 ** floorLog2(x) === x

/** Nearest integer, ties to the even one. */
export function round(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/**
 * multiplier / 2^shift nearest to a positive ratio, with at most `bits` bits in the multiplier; exact for a power of two.
 */
export function asFraction(ratio: number, bits: number): { multiplier: number; shift: number } {
  const exponent = floorLog2(ratio)
  if (isPowerOfTwo(ratio)) return exponent <= 0 ? { multiplier: 1, shift: -exponent } : { multiplier: 2 ** exponent, shift: 0 }
  let shift = bits - 1 - exponent
  let multiplier = round(ratio * 2 ** shift)
  while (multiplier % 2 === 0 && shift > 0) {
    multiplier /= 2
    shift--
  }
  if (shift < 0) {
    multiplier = round(ratio)
    shift = 0
  }
  return { multiplier, shift }
}
