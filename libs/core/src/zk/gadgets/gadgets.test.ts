import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import * as Field from '../field.js'
import { signedWidth, uniform } from '../ir/bounds.js'
import type { WireSink } from '../ir/operation.js'
import { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, wire } from '../r1cs/linear-combination.js'
import { read, violated } from '../r1cs/r1cs-file.js'
import { mutateEach } from '../testing/mutation.js'
import { reduce, solve, valueOf } from '../testing/small-field.js'
import { assignBits, constrainBits } from './bits.js'
import { assignIsZero, assignSign, constrainIsZero, constrainSign } from './compare.js'
import { assignDivide, constrainDivide } from './divide.js'
import { assignFloorClamp, constrainFloorClamp, type FloorClamp } from './floor-clamp.js'
import { assignLookup, constrainLookup, lookup } from './lookup.js'
import { assignRange, constrainRange } from './range.js'

/**
 * Each gadget is built with public inputs and tried three ways. Over BN254: every admissible input has a witness, made by
 * `assign`, that satisfies all constraints and gives the expected output. Over a small prime, where all assignments can be
 * enumerated: for every field element as input, satisfying assignments exist exactly for admissible ones, and all of them
 * have the expected output: the gadget is sound, whatever the prover writes on its wires.
 */
interface Case {
  name: string
  /** Larger than every number the gadget works with. */
  prime: number
  inputs: readonly (readonly number[])[]
  constrain: (system: ConstraintSystem, inputs: readonly LinearCombination[]) => LinearCombination | undefined
  assign: (wires: WireSink, inputs: readonly number[]) => number | void
  /** By hand, from the definition; undefined where the input must be refused. */
  expected: (inputs: readonly number[]) => number | undefined
}

const from = (lo: number, hi: number): number[] => Array.from({ length: hi - lo + 1 }, (_, i) => lo + i)
const single = (values: readonly number[]) => values.map((value) => [value])
const pairs = (a: readonly number[], b: readonly number[]) => a.flatMap((x) => b.map((y) => [x, y] as const))
const clamp = (value: number, lo: number, hi: number) => Math.min(Math.max(value, lo), hi)

const floorClamp = (spec: FloorClamp, prime: number): Case => {
  const lo = spec.signed ? -(2 ** (spec.width - 1)) : 0
  const hi = spec.signed ? 2 ** (spec.width - 1) - 1 : 2 ** spec.width - 1
  return {
    name: `floor-clamp ${JSON.stringify(spec)}`,
    prime,
    inputs: single(from(-Math.floor(prime / 2), Math.floor(prime / 2))),
    constrain: (system, [t]) => constrainFloorClamp(system, t!, spec),
    assign: (wires, [t]) => assignFloorClamp(wires, t!, spec),
    expected: ([t]) => (t! < lo || t! > hi ? undefined : clamp(Math.floor(t! / 2 ** spec.shift), spec.lower ? 0 : -Infinity, spec.most ?? Infinity)),
  }
}

const squares = lookup([0, 1, 4, 9, 16, 25, 36, 49])
const odd = lookup([3, -1, 3, -1])

const cases: Case[] = [
  {
    name: 'bits of width 4',
    prime: 37,
    inputs: single(from(-18, 18)),
    constrain: (system, [x]) => constrainBits(system, x!, 4)[2],
    assign: (wires, [x]) => {
      assignBits(wires, x!, 4)
      return (x! >> 2) & 1
    },
    expected: ([x]) => (x! < 0 || x! > 15 ? undefined : (x! >> 2) & 1),
  },
  ...from(1, 31).map(
    (most): Case => ({
      name: `range 0..${most}`,
      prime: 67,
      inputs: single(from(-33, 33)),
      constrain: (system, [x]) => {
        constrainRange(system, x!, most)
        return x
      },
      assign: (wires, [x]) => {
        assignRange(wires, x!, most)
        return x!
      },
      expected: ([x]) => (x! < 0 || x! > most ? undefined : x),
    }),
  ),
  // Truncation, ReLU, ReLU saturated at a power of two less one and at another number; signed and not; with and without shift.
  ...[0, 2].flatMap((shift) => [
    floorClamp({ width: 5, signed: true, shift, lower: false, most: undefined }, 37),
    floorClamp({ width: 5, signed: true, shift, lower: true, most: undefined }, 37),
    floorClamp({ width: 6, signed: true, shift, lower: true, most: 3 }, 67),
    floorClamp({ width: 6, signed: true, shift, lower: true, most: 1 }, 67),
    floorClamp({ width: 6, signed: true, shift, lower: true, most: 5 }, 67),
    floorClamp({ width: 5, signed: false, shift, lower: true, most: undefined }, 67),
    floorClamp({ width: 5, signed: false, shift, lower: true, most: 3 }, 67),
    floorClamp({ width: 5, signed: false, shift, lower: true, most: 5 }, 67),
    floorClamp({ width: 6, signed: true, shift, lower: true, most: 0 }, 67),
  ]),
  {
    name: 'sign of width 4',
    prime: 37,
    inputs: single(from(-18, 18)),
    constrain: (system, [x]) => constrainSign(system, x!, 4).positive,
    assign: (wires, [x]) => assignSign(wires, x!, 4),
    expected: ([x]) => (x! < -8 || x! > 7 ? undefined : x! >= 0 ? 1 : 0),
  },
  {
    name: 'is-zero',
    prime: 37,
    inputs: single(from(-18, 18)),
    constrain: (system, [x]) => constrainIsZero(system, x!),
    assign: (wires, [x]) => assignIsZero(wires, x!),
    expected: ([x]) => (x === 0 ? 1 : 0),
  },
  {
    name: 'lookup of eight squares',
    prime: 127,
    inputs: single(from(-63, 63)),
    constrain: (system, [x]) => constrainLookup(system, x!, squares),
    assign: (wires, [x]) => {
      assignLookup(wires, x!, squares)
      return x! ** 2
    },
    expected: ([x]) => (x! < 0 || x! > 7 ? undefined : x! ** 2),
  },
  {
    name: 'lookup of a table that one bit decides',
    prime: 17,
    inputs: single(from(-8, 8)),
    constrain: (system, [x]) => constrainLookup(system, x!, odd),
    assign: (wires, [x]) => {
      assignLookup(wires, x!, odd)
      return x! % 2 ? -1 : 3
    },
    expected: ([x]) => (x! < 0 || x! > 3 ? undefined : x! % 2 ? -1 : 3),
  },
  {
    // n within 0..15 and d within 0..3, as their producers prove: the prime exceeds 15·3 + 3 + 15.
    name: 'division of 0..15 by 0..3',
    prime: 67,
    inputs: pairs(from(0, 15), from(0, 3)),
    constrain: (system, [n, d]) => constrainDivide(system, n!, d!, { quotientBits: 4, divisorBits: 2 }),
    assign: (wires, [n, d]) => assignDivide(wires, n!, d!, { quotientBits: 4, divisorBits: 2 }),
    expected: ([n, d]) => (d === 0 ? undefined : Math.floor(n! / d!)),
  },
]

/** What a wire is changed by: small steps, a bit's weight, and something beyond every bound. */
const DELTAS = [1n, -1n, 2n, 8n, 2n ** 200n]
const mutated = { gadgets: 0, wires: 0, mutations: 0 }

afterAll(() => console.log(`${mutated.gadgets} gadgets, ${mutated.wires} wires, ${mutated.mutations} single changes of a wire, survivors 0`))

describe.each(cases)('$name', ({ prime, inputs, constrain, assign, expected }) => {
  const count = inputs[0]!.length
  const system = new ConstraintSystem(count)
  const output = constrain(system, from(1, count).map(wire))!
  const file = system.finish()

  it('has a witness for every admissible input', () => {
    const r1cs = read(file)
    let admitted = 0
    for (const input of inputs) {
      const wanted = expected(input)
      if (wanted === undefined) continue
      const witness: bigint[] = [1n, ...input.map(toField)]
      const sink: WireSink = { small: (value) => void witness.push(toField(value)), element: (value) => void witness.push(value) }
      const result = assign(sink, input)
      expect(witness.length).toBe(r1cs.wireCount)
      expect(violated(r1cs, witness), `input ${input}`).toBeUndefined()
      if (result !== undefined) expect(result, `input ${input}`).toBe(wanted)
      admitted++
    }
    expect(admitted).toBeGreaterThan(1)
  })

  it('is violated when any one of its own wires is changed', () => {
    const r1cs = read(file)
    for (const input of inputs) {
      if (expected(input) === undefined) continue
      const witness: bigint[] = [1n, ...input.map(toField)]
      assign({ small: (value) => void witness.push(toField(value)), element: (value) => void witness.push(value) }, input)
      const { tried, survivors } = mutateEach(r1cs, witness, DELTAS)
      // Another input may be admissible with the same hints, and is then another statement; of the gadget's own wires none is free.
      expect(survivors.filter(([at]) => at! > count), `input ${input}`).toEqual([])
      mutated.mutations += tried
    }
    mutated.gadgets++
    mutated.wires += r1cs.wireCount - 1 - count
  })

  it('forces its output and refuses every other input, whatever is written on its wires', () => {
    const small = reduce(file, prime)
    for (const input of inputs) {
      const wanted = expected(input)
      const outputs = new Set<number>()
      const found = solve(small, new Map(input.map((value, i) => [i + 1, value])), (wires) => outputs.add(valueOf(output, wires, prime)))
      expect([...outputs], `input ${input}`).toEqual(wanted === undefined ? [] : [wanted])
      expect(found > 0, `input ${input}`).toBe(wanted !== undefined)
    }
  })

  it('needs every one of its constraints', () => {
    const small = reduce(file, prime)
    for (const dropped of small.constraints.keys()) {
      const weaker = { ...small, constraints: small.constraints.filter((_, i) => i !== dropped) }
      const broken = inputs.some((input) => {
        const outputs = new Set<number>()
        solve(weaker, new Map(input.map((value, i) => [i + 1, value])), (wires) => outputs.add(valueOf(output, wires, prime)))
        return outputs.size !== (expected(input) === undefined ? 0 : 1)
      })
      expect(broken, `without constraint ${dropped}`).toBe(true)
    }
  })
})

const toField = (value: number): bigint => (value < 0 ? 21888242871839275222246405745257275088548364400416034343698204186575808495617n + BigInt(value) : BigInt(value))

describe('at the widths of real models', () => {
  const spec = fc
    .record({ width: fc.integer({ min: 2, max: 50 }), signed: fc.boolean(), shift: fc.nat(49), clamps: fc.boolean(), most: fc.option(fc.nat(2 ** 20), { nil: undefined }) })
    .filter(({ width, shift }) => shift < width - 1)
    .map(({ clamps, most, ...rest }): FloorClamp => ({ ...rest, lower: clamps || most !== undefined, most }))

  it('a floor with its clamps has a witness for every number of its width, and gives what its definition says', () => {
    fc.assert(
      fc.property(spec, fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1, -1), (gadget, position, step) => {
        const lo = gadget.signed ? -(2 ** (gadget.width - 1)) : 0
        const span = 2 ** gadget.width - 1
        // Anywhere, or at a multiple of the divisor and next to it, where a floor is decided.
        const near = Math.round((position * span) / 2 ** gadget.shift) * 2 ** gadget.shift + step
        const t = lo + clamp(step === 0 ? Math.round(position * span) : near, 0, span)
        const system = new ConstraintSystem(1)
        const output = constrainFloorClamp(system, wire(1), gadget)
        const witness: bigint[] = [1n, toField(t)]
        const y = assignFloorClamp({ small: (value) => void witness.push(toField(value)), element: (value) => void witness.push(value) }, t, gadget)
        const r1cs = read(system.finish())
        expect(violated(r1cs, witness)).toBeUndefined()
        expect(y).toBe(clamp(Math.floor(t / 2 ** gadget.shift), gadget.lower ? 0 : -Infinity, gadget.most ?? Infinity))
        const written = output.wires.reduce((total, at, i) => total + witness[at]! * BigInt(output.coefficients[i]!), 0n)
        expect((written - toField(y)) % Field.r).toBe(0n)
        expect(mutateEach(r1cs, witness, [1n, -(2n ** BigInt(gadget.shift))]).survivors.filter(([at]) => at !== 1)).toEqual([])
      }),
      { numRuns: 300, seed: 4 },
    )
  })
})

describe('saturation at a bound near 2^49', () => {
  // log2 of these bounds plus one is 49 in doubles, though only 2^49 - 1 is a mask of ones.
  it.each([2 ** 49 - 2, 2 ** 49 - 1, 2 ** 49])('gives %i for what exceeds it', (most) => {
    const spec: FloorClamp = { width: 51, signed: true, shift: 0, lower: true, most }
    const system = new ConstraintSystem(1)
    constrainFloorClamp(system, wire(1), spec)
    const r1cs = read(system.finish())
    for (const t of [-1, most - 1, most, most + 1, 2 ** 50 - 1]) {
      const witness: bigint[] = [1n, toField(t)]
      const sink: WireSink = { small: (value) => void witness.push(toField(value)), element: (value) => void witness.push(value) }
      expect(assignFloorClamp(sink, t, spec)).toBe(clamp(t, 0, most))
      expect(violated(r1cs, witness), `input ${t}`).toBeUndefined()
    }
  })
})

describe('costs', () => {
  const cost = (spec: FloorClamp) => {
    const system = new ConstraintSystem(1)
    constrainFloorClamp(system, wire(1), spec)
    return system.constraintCount
  }

  it('a saturating ReLU of a 20-bit accumulator takes 23 constraints, as its comment says: width + 3', () => {
    expect(cost({ width: 20, signed: true, shift: 9, lower: true, most: 127 })).toBe(23)
    expect(cost({ width: 20, signed: true, shift: 9, lower: true, most: undefined })).toBe(22)
    expect(cost({ width: 20, signed: true, shift: 9, lower: false, most: undefined })).toBe(21)
    expect(cost({ width: 20, signed: true, shift: 9, lower: true, most: 100 })).toBe(2 * 20 - 9 + 3)
  })

  it('a lookup of 256 entries takes at most 45', () => {
    const system = new ConstraintSystem(1)
    constrainLookup(system, wire(1), lookup(Float64Array.from({ length: 256 }, (_, i) => (i * 7919) % 251)))
    expect(system.constraintCount).toBe(8 + 11 + 11 + 15)
  })
})

describe('bounds', () => {
  it('gives two’s complement widths', () => {
    // By hand: -128..127 is a signed byte; one more on either side needs nine bits.
    expect([signedWidth(-128, 127), signedWidth(-129, 127), signedWidth(-128, 128), signedWidth(0, 0), signedWidth(-1, 0), signedWidth(3, 5)]).toEqual([8, 9, 9, 1, 1, 4])
  })

  it('refuses what may exceed 2^50', () => {
    expect(() => uniform(1, 0, 2 ** 50)).not.toThrow()
    expect(() => uniform(1, 0, 2 ** 50 + 2)).toThrow(expect.objectContaining({ code: 'zk.bound-exceeded' }))
    expect(() => uniform(1, 0, Number.NaN)).toThrow(expect.objectContaining({ code: 'zk.bound-exceeded' }))
  })
})
