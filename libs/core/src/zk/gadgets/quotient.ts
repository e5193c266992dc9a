import * as Field from '../field.js'

const inverses = new Map<number, bigint>()

/** Most inverses kept: the divisors are multiples of powers of two below 2^30 or so, and few. */
const KEPT_MAX = 2 ** 14

/** a / b in the field, for a hint; 0 where a is 0. A pure function that remembers inverses. */
export function quotient(a: number, b: number): bigint {
  if (a === 0) return 0n
  let inverse = inverses.get(b)
  if (inverse === undefined) {
    inverse = Field.inverse(BigInt(b))
    if (inverses.size < KEPT_MAX) inverses.set(b, inverse)
  }
  return Field.mod(BigInt(a) * inverse)
}
