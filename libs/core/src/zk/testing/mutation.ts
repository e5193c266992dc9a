import * as Field from '../field.js'
import { type Constraint, evaluate, holds, type R1cs } from '../r1cs/r1cs-file.js'

/** What became of changed witnesses: how many were tried, and which wires could be changed without violating anything. */
export interface Survey {
  tried: number
  survivors: number[][]
}

/** For each wire the constraints in which it stands. */
export function constraintsByWire(r1cs: R1cs): Constraint[][] {
  const of: Constraint[][] = Array.from({ length: r1cs.wireCount }, () => [])
  for (const constraint of r1cs.constraints) {
    const wires = new Set(constraint.flatMap((side) => side.wires))
    for (const wire of wires) of[wire]!.push(constraint)
  }
  return of
}

/**
 * Whether a wire is a hint that is idle in this witness: it stands in one constraint only, alone on the B side, and the A side
 * is zero. Such a wire decides nothing: the gadgets' tests show that no value of it changes an output.
 */
export function isIdleHint(of: readonly Constraint[], wire: number, witness: readonly bigint[]): boolean {
  const [only] = of
  return of.length === 1 && only![1].wires.length === 1 && only![1].wires[0] === wire && evaluate(only![0], witness) % Field.r === 0n
}

/** Adds each delta to each wire but the constant one, in turn. Idle hints are not counted as survivors. */
export function mutateEach(r1cs: R1cs, witness: readonly bigint[], deltas: readonly bigint[], every = 1): Survey {
  const of = constraintsByWire(r1cs)
  const changed = [...witness]
  const survivors: number[][] = []
  let tried = 0
  for (let wire = 1; wire < r1cs.wireCount; wire += every) {
    const survives = deltas.some((delta) => {
      changed[wire] = Field.mod(witness[wire]! + delta)
      tried++
      return of[wire]!.every((constraint) => holds(constraint, changed))
    })
    if (survives && !isIdleHint(of[wire]!, wire, witness)) survivors.push([wire])
    changed[wire] = witness[wire]!
  }
  return { tried, survivors }
}

/**
 * Changes two wires of one constraint together, so that a linear one stays satisfied where it can: the second delta is
 * minus the first, once or scaled by the ratio of their coefficients. `pairs` of them, spread over the constraints.
 */
export function mutatePairs(r1cs: R1cs, witness: readonly bigint[], pairs: number): Survey {
  const of = constraintsByWire(r1cs)
  const changed = [...witness]
  const survivors: number[][] = []
  let tried = 0
  const stride = Math.max(1, Math.floor(r1cs.constraints.length / pairs))
  for (let at = 0; at < r1cs.constraints.length; at += stride) {
    const terms = new Map<number, bigint>()
    for (const { wires, coefficients } of r1cs.constraints[at]!) for (const [i, wire] of wires.entries()) if (wire !== 0) terms.set(wire, coefficients[i]!)
    const entries = [...terms]
    for (let i = 0; i < entries.length; i++) {
      const [first, a] = entries[i]!
      const [second, b] = entries[(i + 1) % entries.length]!
      if (first === second) continue
      for (const [x, y] of [[b, -a], [1n, -1n], [1n, 1n]] as const) {
        changed[first] = Field.mod(witness[first]! + x)
        changed[second] = Field.mod(witness[second]! + y)
        tried++
        const idle = isIdleHint(of[first]!, first, witness) && isIdleHint(of[second]!, second, witness)
        if (!idle && of[first]!.every((c) => holds(c, changed)) && of[second]!.every((c) => holds(c, changed))) survivors.push([first, second])
        changed[first] = witness[first]!
        changed[second] = witness[second]!
      }
    }
  }
  return { tried, survivors }
}
