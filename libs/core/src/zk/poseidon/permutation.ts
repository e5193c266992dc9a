import * as Field from '../field.js'
import type { WireSink } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type Coefficient, type LinearCombination, add, constant, fromMap } from '../r1cs/linear-combination.js'
import { isFull, type Parameters, roundsOf } from './parameters.js'

/** The permutation on field elements; the wires of `constrainPermutation` go to the sink. */
export function permute(parameters: Parameters, state: readonly bigint[], wires: WireSink): bigint[] {
  let lanes = state
  for (let round = 0; round < roundsOf(parameters); round++) {
    const full = isFull(parameters, round)
    const mixed = lanes.map((lane, i) => {
      const x = lane + parameters.constants[round]![i]!
      return full || i === 0 ? fifthPower(x % Field.r, wires) : x
    })
    lanes = parameters.matrix.map((row) => row.reduce((sum, factor, i) => sum + factor * mixed[i]!, 0n) % Field.r)
  }
  return [...lanes]
}

function fifthPower(x: bigint, wires: WireSink): bigint {
  const square = (x * x) % Field.r
  const fourth = (square * square) % Field.r
  const fifth = (fourth * x) % Field.r
  wires.element(square)
  wires.element(fourth)
  wires.element(fifth)
  return fifth
}

/**
 * The permutation on combinations of wires. Constraints: 3 for each S-box, width·8 + partial rounds of them; additions of
 * constants and the matrix are free. Sound: every wire is a product of earlier ones.
 */
export function constrainPermutation(system: ConstraintSystem, parameters: Parameters, state: readonly LinearCombination[]): LinearCombination[] {
  let lanes = state
  for (let round = 0; round < roundsOf(parameters); round++) {
    const full = isFull(parameters, round)
    const mixed = lanes.map((lane, i) => {
      const x = add(lane, constant(parameters.constants[round]![i]!))
      return full || i === 0 ? constrainFifthPower(system, x) : x
    })
    lanes = parameters.matrix.map((row) => reducedSum(row, mixed))
  }
  return [...lanes]
}

function constrainFifthPower(system: ConstraintSystem, x: LinearCombination): LinearCombination {
  const [square, fourth, fifth] = [system.wire(), system.wire(), system.wire()]
  system.product(x, x, square)
  system.product(square, square, fourth)
  system.product(fourth, x, fifth)
  return fifth
}

/** Σ factor·term with coefficients reduced, or they would double in length with every round. */
function reducedSum(factors: readonly bigint[], terms: readonly LinearCombination[]): LinearCombination {
  const total = new Map<number, bigint>()
  for (const [i, { wires, coefficients }] of terms.entries()) {
    for (let j = 0; j < wires.length; j++) total.set(wires[j]!, (total.get(wires[j]!) ?? 0n) + factors[i]! * BigInt(coefficients[j]!))
  }
  const reduced = new Map<number, Coefficient>()
  for (const [wire, value] of total) reduced.set(wire, Field.mod(value))
  return fromMap(reduced)
}
