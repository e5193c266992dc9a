import * as Field from '../field.js'
import type { LinearCombination } from '../r1cs/linear-combination.js'
import { type Constraint, read, type Side } from '../r1cs/r1cs-file.js'

/**
 * The same constraints over a field so small that every assignment of wires can be tried. A gadget's soundness argument
 * uses only that its numbers do not wrap, so if it holds for a prime larger than all of them, it holds for BN254's.
 */
export interface SmallSystem {
  prime: number
  wireCount: number
  constraints: readonly SmallConstraint[]
}

type Terms = readonly (readonly [wire: number, coefficient: number])[]
type SmallConstraint = readonly [Terms, Terms, Terms]

/** Reduces an `.r1cs` file: a coefficient stands for the integer of smallest absolute value. */
export function reduce(r1cs: Uint8Array, prime: number): SmallSystem {
  const { wireCount, constraints } = read(r1cs)
  const side = ({ wires, coefficients }: Side): Terms =>
    wires.map((wire, i) => {
      const coefficient = coefficients[i]!
      const centred = coefficient > Field.r / 2n ? coefficient - Field.r : coefficient
      return [wire, modulo(Number(centred % BigInt(prime)), prime)] as const
    })
  return { prime, wireCount, constraints: constraints.map(([a, b, c]: Constraint) => [side(a), side(b), side(c)] as const) }
}

/** Calls `visit` with every assignment that satisfies all constraints and gives the fixed wires their values; returns their number. */
export function solve(system: SmallSystem, fixed: ReadonlyMap<number, number>, visit: (wires: readonly number[]) => void): number {
  const { prime, wireCount, constraints } = system
  const wires = Array.from<number | undefined>({ length: wireCount })
  wires[0] = 1
  for (const [wire, value] of fixed) wires[wire] = modulo(value, prime)
  const free = Array.from({ length: wireCount }, (_, i) => i).filter((wire) => wires[wire] === undefined)
  // A constraint can be judged as soon as its last free wire has a value.
  const order = new Map(free.map((wire, i) => [wire, i]))
  const due: SmallConstraint[][] = free.map(() => [])
  const atOnce: SmallConstraint[] = []
  for (const constraint of constraints) {
    const last = Math.max(-1, ...constraint.flatMap((terms) => terms.map(([wire]) => order.get(wire) ?? -1)))
    ;(last < 0 ? atOnce : due[last]!).push(constraint)
  }
  const holds = ([a, b, c]: SmallConstraint) => (evaluate(a, wires, prime) * evaluate(b, wires, prime) - evaluate(c, wires, prime)) % prime === 0
  if (!atOnce.every(holds)) return 0
  let found = 0
  const descend = (depth: number): void => {
    if (depth === free.length) {
      found++
      visit(wires as number[])
      return
    }
    for (let value = 0; value < prime; value++) {
      wires[free[depth]!] = value
      if (due[depth]!.every(holds)) descend(depth + 1)
    }
    wires[free[depth]!] = undefined
  }
  descend(0)
  return found
}

/** Value of a combination under an assignment, as the integer of smallest absolute value. */
export function valueOf({ wires: indices, coefficients }: LinearCombination, wires: readonly number[], prime: number): number {
  const total = indices.reduce((sum, wire, i) => modulo(sum + modulo(Number(coefficients[i]), prime) * wires[wire]!, prime), 0)
  return total > prime / 2 ? total - prime : total
}

function evaluate(terms: Terms, wires: readonly (number | undefined)[], prime: number): number {
  let total = 0
  for (const [wire, coefficient] of terms) total = (total + coefficient * wires[wire]!) % prime
  return total
}

const modulo = (value: number, prime: number): number => ((value % prime) + prime) % prime
