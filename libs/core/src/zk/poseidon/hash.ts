import type { WireSink } from '../ir/operation.js'
import { nowhere } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, constant, zero } from '../r1cs/linear-combination.js'
import { parameters } from './parameters.js'
import { constrainPermutation, permute } from './permutation.js'

/** Elements taken at a time: as many as there are, rounded up to one of these. */
const RATES = [1, 2, 4, 8, 16] as const

const rateFor = (count: number): number => RATES.find((rate) => rate >= count) ?? 16

/**
 * Poseidon of a fixed number of field elements: with h the tag at first, h ← permutation(h, next elements, zeros)[0].
 * The tag says what is hashed and how many elements there are, so that padding has one meaning. With tag 0 and a number of
 * elements that is a rate, this is circomlib's `Poseidon`.
 */
export function hash(tag: bigint, elements: readonly bigint[], wires: WireSink = nowhere): bigint {
  const rate = rateFor(elements.length)
  let h = tag
  for (const block of blocks(elements, rate)) {
    const state = [h, ...block, ...Array<bigint>(rate - block.length).fill(0n)]
    h = permute(parameters(rate + 1), state, wires)[0]!
  }
  return h
}

/** The same in constraints. About 38 for each element of 16, down to 240 for one. */
export function constrainHash(system: ConstraintSystem, tag: bigint, elements: readonly LinearCombination[]): LinearCombination {
  const rate = rateFor(elements.length)
  let h = constant(tag)
  for (const block of blocks(elements, rate)) {
    const state = [h, ...block, ...Array<LinearCombination>(rate - block.length).fill(zero)]
    h = constrainPermutation(system, parameters(rate + 1), state)[0]!
  }
  return h
}

function blocks<T>(elements: readonly T[], rate: number): T[][] {
  return Array.from({ length: Math.max(1, Math.ceil(elements.length / rate)) }, (_, i) => elements.slice(i * rate, (i + 1) * rate))
}
