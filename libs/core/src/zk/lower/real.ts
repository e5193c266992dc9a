/**
 * Transcendental functions for tables, in 160-bit fixed point on bigints. `Math.exp` and its kind may differ in the last
 * bit between engines, and a table is part of a circuit's identity.
 */
const BITS = 160n
const ONE = 1n << BITS

/** round(ln 2 · 2^160) and round(2/√π · 2^160). */
const LN2 = 0xb17217f7d1cf79abc9e3b39803f2f6af40f34326n
const TWO_OVER_ROOT_PI = 0x120dd750429b6d11ae3a914fed7fd8688281341d7n

/** The fixed-point number of a double, rounded down at 2^-160. */
function fixed(x: number): bigint {
  let exponent = 0
  let rest = x
  while (!Number.isInteger(rest)) {
    rest *= 2
    exponent++
  }
  return (BigInt(rest) << BITS) >> BigInt(exponent)
}

/** The double nearest to a fixed-point number, within one part in 2^53 or so: always the same one. */
const toNumber = (x: bigint): number => Number(x) / 2 ** Number(BITS)

const multiply = (a: bigint, b: bigint): bigint => (a * b) >> BITS

const divide = (a: bigint, b: bigint): bigint => (a << BITS) / b

/** e^x: x = k·ln 2 + r with 0 ≤ r < ln 2, Taylor's series for r. */
function exponential(x: bigint): bigint {
  let k = x / LN2
  if (x < k * LN2) k -= 1n
  const r = x - k * LN2
  let term = ONE
  let sum = ONE
  for (let n = 1n; term > 0n; n++) {
    term = multiply(term, r) / n
    sum += term
  }
  return k >= 0n ? sum << k : sum >> -k
}

/** ln x for x > 0: y ← y + 2·(x - e^y)/(x + e^y), which triples the correct digits each time. */
function logarithm(x: bigint): bigint {
  let y = fixed(Math.fround(Math.log2(Number(x)) - Number(BITS)))
  y = multiply(y, LN2)
  for (let i = 0; i < 6; i++) {
    const power = exponential(y)
    y += divide(2n * (x - power), x + power)
  }
  return y
}

/** erf by its series, 2/√π·Σ (-1)^n x^(2n+1) / (n!·(2n+1)), for |x| ≤ 6; ±1 beyond, where it differs by less than 2^-54. */
function errorFunction(x: bigint): bigint {
  if (x < 0n) return -errorFunction(-x)
  if (x > 6n * ONE) return ONE
  const square = multiply(x, x)
  let power = x
  let sum = x
  for (let n = 1n; power !== 0n; n++) {
    power = -(multiply(power, square) / n)
    sum += power / (2n * n + 1n)
  }
  return multiply(sum, TWO_OVER_ROOT_PI)
}

const sigmoidFixed = (x: bigint): bigint => divide(ONE, ONE + exponential(-x))

const tanhFixed = (x: bigint): bigint => 2n * sigmoidFixed(2n * x) - ONE

export const exp = (x: number): number => toNumber(exponential(fixed(x)))

export const sigmoid = (x: number): number => toNumber(sigmoidFixed(fixed(x)))

export const tanh = (x: number): number => toNumber(tanhFixed(fixed(x)))

export const erf = (x: number): number => toNumber(errorFunction(fixed(x)))

/** ln(1 + e^x). */
export const softplus = (x: number): number => toNumber(logarithm(ONE + exponential(fixed(x))))

/** x/2·(1 + erf(x/√2)). */
export const gelu = (x: number): number => (x / 2) * (1 + toNumber(errorFunction(fixed(x * Math.SQRT1_2))))

/** The approximation x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))). */
export const geluTanh = (x: number): number => (x / 2) * (1 + toNumber(tanhFixed(fixed(0.7978845608028654 * (x + 0.044715 * x * x * x)))))
