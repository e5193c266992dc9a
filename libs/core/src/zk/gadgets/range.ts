import { bitLength } from '../ir/bounds.js'
import type { WireSink } from '../ir/operation.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, sum, zero } from '../r1cs/linear-combination.js'
import { assignBits, constrainBits } from './bits.js'

/**
 * Proves 0 ≤ value ≤ most for a constant `most` ≥ 1. Constraints: the bits of `most`, and for a `most` that is not one less
 * than a power of two at most as many again.
 *
 * Sound: read from the top, value > most exactly if at some zero bit of `most` all higher one bits of `most` are set in
 * value and this bit is too. `prefix` is the product of those higher bits; prefix·(sum of the run of bits) = 0 forbids it.
 */
export function constrainRange(system: ConstraintSystem, value: LinearCombination, most: number): void {
  const width = bitLength(most)
  const bits = constrainBits(system, value, width)
  let prefix: LinearCombination | undefined
  for (const run of runs(most, width)) {
    if (run.bit === 0) system.product(prefix!, sum(run.at.map((i) => [1, bits[i]!] as const)), zero)
    else if (run.last) return
    else {
      for (const i of run.at) {
        if (!prefix) prefix = bits[i]!
        else {
          const next = system.wire()
          system.product(prefix, bits[i]!, next)
          prefix = next
        }
      }
    }
  }
}

/** Wires of `constrainRange`. */
export function assignRange(wires: WireSink, value: number, most: number): void {
  const width = bitLength(most)
  assignBits(wires, value, width)
  let prefix: number | undefined
  for (const run of runs(most, width)) {
    if (run.bit === 0) continue
    if (run.last) return
    for (const i of run.at) {
      const bit = Math.floor(value / 2 ** i) % 2
      if (prefix === undefined) prefix = bit
      else wires.small((prefix *= bit))
    }
  }
}

/** Runs of equal bits of a number, highest first; the top one is a run of ones. */
function runs(value: number, width: number): { bit: number; at: number[]; last: boolean }[] {
  const out: { bit: number; at: number[]; last: boolean }[] = []
  for (let i = width - 1; i >= 0; i--) {
    const bit = Math.floor(value / 2 ** i) % 2
    const current = out.at(-1)
    if (current?.bit === bit) current.at.push(i)
    else out.push({ bit, at: [i], last: false })
  }
  out.at(-1)!.last = true
  return out
}
