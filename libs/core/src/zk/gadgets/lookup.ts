import type { WireSink } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type Coefficient, type LinearCombination, one, sum } from '../r1cs/linear-combination.js'
import { assignBits, constrainBits } from './bits.js'

/**
 * A table of 2^k integers as a polynomial in the k bits of its index: Σ coefficient[S]·Π bits in S over subsets S.
 * Subsets are split into a high and a low half, so that 2^(k/2) products cover them all.
 */
export interface Lookup {
  bits: number
  /** Coefficient of each subset, by the Möbius transform; index = subset of bits. */
  coefficients: Float64Array
}

/** The polynomial of a table whose length is a power of two. */
export function lookup(table: ArrayLike<number>): Lookup {
  const coefficients = Float64Array.from(table)
  for (let step = 1; step < coefficients.length; step *= 2) {
    for (let i = 0; i < coefficients.length; i++) if (i & step) coefficients[i]! -= coefficients[i ^ step]!
  }
  return { bits: Math.log2(table.length), coefficients }
}

const lowBits = (bits: number): number => Math.ceil(bits / 2)

/**
 * y = table[index]. The result is a combination of wires. Constraints: k for the bits (which prove 0 ≤ index < 2^k), 2^l - l - 1
 * and 2^h - h - 1 for the products of low and high bits, and at most 2^h - 1 for joining them: 45 for 256 entries.
 *
 * Sound: there is no hint but the bits; every other wire is a product of earlier ones.
 */
export function constrainLookup(system: ConstraintSystem, index: LinearCombination, { bits, coefficients }: Lookup): LinearCombination {
  const split = constrainBits(system, index, bits)
  const low = lowBits(bits)
  const lows = constrainMonomials(system, split.slice(0, low))
  const highs = constrainMonomials(system, split.slice(low))
  const total: [Coefficient, LinearCombination][] = []
  for (let high = 0; high < highs.length; high++) {
    const row = rowOf(coefficients, high, low)
    if (row.every((value) => value === 0)) continue
    const inner = sum(row.map((value, i) => [value, lows[i]!] as const))
    if (high === 0) total.push([1, inner])
    else if (isConstant(row)) total.push([row[0]!, highs[high]!])
    else {
      const product = system.wire()
      system.product(highs[high]!, inner, product)
      total.push([1, product])
    }
  }
  return sum(total)
}

/** Wires of `constrainLookup`. */
export function assignLookup(wires: WireSink, index: number, { bits, coefficients }: Lookup): void {
  assignBits(wires, index, bits)
  const low = lowBits(bits)
  const lowIndex = index % 2 ** low
  const highIndex = (index - lowIndex) / 2 ** low
  assignMonomials(wires, lowIndex, low)
  assignMonomials(wires, highIndex, bits - low)
  for (let high = 1; high < 2 ** (bits - low); high++) {
    const row = rowOf(coefficients, high, low)
    if (isConstant(row)) continue
    let value = 0
    // A monomial is 1 exactly if its subset is among the index's bits.
    if ((high & highIndex) === high) for (let i = 0; i < row.length; i++) if ((i & lowIndex) === i) value += row[i]!
    wires.small(value)
  }
}

/** Products of bits for every subset, as combinations: 1, the bits themselves, and a wire for each larger subset. */
function constrainMonomials(system: ConstraintSystem, bits: readonly LinearCombination[]): LinearCombination[] {
  const monomials: LinearCombination[] = [one]
  for (let subset = 1; subset < 2 ** bits.length; subset++) {
    const top = 31 - Math.clz32(subset)
    const rest = subset ^ (1 << top)
    if (rest === 0) monomials.push(bits[top]!)
    else {
      const product = system.wire()
      system.product(monomials[rest]!, bits[top]!, product)
      monomials.push(product)
    }
  }
  return monomials
}

function assignMonomials(wires: WireSink, index: number, bits: number): void {
  for (let subset = 1; subset < 2 ** bits; subset++) if (subset & (subset - 1)) wires.small((subset & index) === subset ? 1 : 0)
}

const rowOf = (coefficients: Float64Array, high: number, low: number): number[] => Array.from(coefficients.subarray(high * 2 ** low, (high + 1) * 2 ** low))

const isConstant = (row: readonly number[]): boolean => row.every((value, i) => i === 0 || value === 0)
