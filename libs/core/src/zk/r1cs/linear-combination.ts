import { assert } from '../../errors.js'

/** A coefficient: a safe integer where it is one, a bigint where it is a field element. Never zero in a combination. */
export type Coefficient = number | bigint

/** A sum of wires times coefficients. Wire 0 is the constant one. Wires are strictly ascending. */
export interface LinearCombination {
  readonly wires: readonly number[]
  readonly coefficients: readonly Coefficient[]
}

export const zero: LinearCombination = { wires: [], coefficients: [] }

export const one: LinearCombination = { wires: [0], coefficients: [1] }

export const constant = (value: Coefficient): LinearCombination => (Number(value) === 0 ? zero : { wires: [0], coefficients: [value] })

export const wire = (index: number): LinearCombination => ({ wires: [index], coefficients: [1] })

/** α·a + β·b. */
export function combine(alpha: Coefficient, a: LinearCombination, beta: Coefficient, b: LinearCombination): LinearCombination {
  const wires: number[] = []
  const coefficients: Coefficient[] = []
  const push = (index: number, value: Coefficient) => {
    if (value === 0 || value === 0n) return
    wires.push(index)
    coefficients.push(value)
  }
  let i = 0
  let j = 0
  while (i < a.wires.length || j < b.wires.length) {
    const left = a.wires[i] ?? Number.POSITIVE_INFINITY
    const right = b.wires[j] ?? Number.POSITIVE_INFINITY
    if (left < right) push(left, multiply(alpha, a.coefficients[i++]!))
    else if (right < left) push(right, multiply(beta, b.coefficients[j++]!))
    else push(left, plus(multiply(alpha, a.coefficients[i++]!), multiply(beta, b.coefficients[j++]!)))
  }
  return { wires, coefficients }
}

export const add = (a: LinearCombination, b: LinearCombination): LinearCombination => combine(1, a, 1, b)

export const subtract = (a: LinearCombination, b: LinearCombination): LinearCombination => combine(1, a, -1, b)

export const scale = (factor: Coefficient, a: LinearCombination): LinearCombination => combine(factor, a, 0, zero)

/** Σ factor·term, for many terms. */
export function sum(terms: readonly (readonly [Coefficient, LinearCombination])[]): LinearCombination {
  const total = new Map<number, Coefficient>()
  for (const [factor, { wires, coefficients }] of terms) {
    for (let i = 0; i < wires.length; i++) {
      const term = multiply(factor, coefficients[i]!)
      const before = total.get(wires[i]!)
      total.set(wires[i]!, before === undefined ? term : plus(before, term))
    }
  }
  return fromMap(total)
}

/** A combination from wires in any order; zeros are dropped. */
export function fromMap(terms: ReadonlyMap<number, Coefficient>): LinearCombination {
  const kept = [...terms].filter(([, value]) => value !== 0 && value !== 0n).sort(([a], [b]) => a - b)
  return { wires: kept.map(([index]) => index), coefficients: kept.map(([, value]) => value) }
}

/** Divides every coefficient by a power of two that divides them all. */
export function shiftRight(a: LinearCombination, bits: number): LinearCombination {
  if (bits === 0) return a
  const coefficients = a.coefficients.map((value) => {
    const shifted = Number(value) / 2 ** bits
    assert(Number.isSafeInteger(shifted), 'a combination is divisible by the power of two that its interval says')
    return shifted
  })
  return { wires: a.wires, coefficients }
}

function multiply(a: Coefficient, b: Coefficient): Coefficient {
  if (typeof a === 'number' && typeof b === 'number') return safe(a * b)
  return BigInt(a) * BigInt(b)
}

function plus(a: Coefficient, b: Coefficient): Coefficient {
  if (typeof a === 'number' && typeof b === 'number') return safe(a + b)
  return BigInt(a) + BigInt(b)
}

function safe(value: number): number {
  assert(Number.isSafeInteger(value), 'a small coefficient stays a safe integer')
  return value
}
