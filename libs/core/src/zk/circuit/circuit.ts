import type { Instruction } from '../ir/builder.js'
import { bitLength, range } from '../ir/bounds.js'
import { isExternal } from '../ir/program.js'
import type { Thermometer } from '../ir/ops/thermometer.js'
import { ConstraintSystem } from '../r1cs/constraint-system.js'
import { type LinearCombination, sum, wire } from '../r1cs/linear-combination.js'
import type { Packing } from './packing.js'
import { constrainReveal, type Part, type PartLayout, signalCount, type Visibility } from './statement.js'

/** What of a program's steps belongs to which part of the statement. */
export interface Roles {
  /** External instructions that are the request's input, and those that are private weights; by place. */
  inputs: readonly number[]
  weights: readonly number[]
  outputs: readonly number[]
}

export interface Circuit {
  r1cs: Uint8Array
  parts: PartLayout[]
  wireCount: number
  constraintCount: number
  publicCount: number
  /** Constraints by what they are for. */
  costs: Readonly<Record<string, number>>
}

/** Layout of the public signals: output, input, model where there is one, and last the context. */
function layout(instructions: readonly Instruction[], roles: Roles, visibility: { input: Visibility; output: Visibility }): PartLayout[] {
  const externals = (places: readonly number[]) => joined(places.map((place) => externalPacking(instructions[place]!)))
  const outputs = joined(roles.outputs.map((place) => uniformPacking(instructions[place]!)))
  const parts: PartLayout[] = [
    { part: 'output', visibility: visibility.output, packing: outputs },
    { part: 'input', visibility: visibility.input, packing: externals(roles.inputs) },
  ]
  if (roles.weights.length > 0) parts.push({ part: 'model', visibility: 'hidden', packing: externals(roles.weights) })
  return parts
}

/**
 * Builds the whole circuit. Wires: one, public signals, salts of hidden parts, then those of the instructions in their
 * order, then those of the hashes. The context is a public wire in no constraint; the set-up binds every public signal.
 */
export function constrain(instructions: readonly Instruction[], roles: Roles, visibility: { input: Visibility; output: Visibility }): Circuit {
  const parts = layout(instructions, roles, visibility)
  const publicCount = parts.reduce((total, part) => total + signalCount(part), 1)
  const system = new ConstraintSystem(publicCount)
  const salts = parts.map((part) => (part.visibility === 'hidden' ? system.wire() : undefined))
  const costs: Record<string, number> = {}
  const count = (what: string, before: number) => {
    const cost = system.constraintCount - before
    if (cost > 0) costs[what] = (costs[what] ?? 0) + cost
  }
  const results = constrainInstructions(system, instructions, count)
  const shown: Record<Part, LinearCombination[]> = {
    output: roles.outputs.flatMap((place) => results[place]!),
    input: roles.inputs.flatMap((place) => externalValues(instructions[place]!, results[place]!)),
    model: roles.weights.flatMap((place) => externalValues(instructions[place]!, results[place]!)),
  }
  let signal = 1
  for (const [i, part] of parts.entries()) {
    const before = system.constraintCount
    const at = Array.from({ length: signalCount(part) }, () => wire(signal++))
    constrainReveal(system, part, shown[part.part], salts[i], at)
    count(`${part.part} ${part.visibility}`, before)
  }
  return { r1cs: system.finish(), parts, wireCount: system.wireCount, constraintCount: system.constraintCount, publicCount, costs }
}

function constrainInstructions(system: ConstraintSystem, instructions: readonly Instruction[], count: (what: string, before: number) => void): LinearCombination[][] {
  const results = new Map<number, LinearCombination[]>()
  const inOrder: LinearCombination[][] = []
  for (const { operation, attributes, inputs, result } of instructions) {
    const before = system.constraintCount
    const out = operation.constrain(system, attributes, inputs.map((x) => results.get(x.id)!), result.bounds)
    count(operation.name, before)
    results.set(result.id, out)
    inOrder.push(out)
  }
  return inOrder
}

/** An external's integers: its elements, or the ranks that its thermometers show. */
function externalValues({ operation, attributes }: Instruction, result: readonly LinearCombination[]): LinearCombination[] {
  if (operation.name !== 'thermometer') return [...result]
  let at = 0
  return Array.from((attributes as Thermometer).levels, (level) => {
    at += level
    return sum(result.slice(at - level, at).map((bit) => [1, bit] as const))
  })
}

function externalPacking({ operation, attributes, result }: Instruction): Packing {
  if (!isExternal(operation)) throw new TypeError('only external instructions are inputs')
  if (operation.name === 'thermometer') {
    const { levels } = attributes as Thermometer
    return { lo: new Float64Array(levels.length), bits: levels.map(bitLength) }
  }
  return { lo: result.bounds.lo, bits: result.bounds.hi.map((hi, i) => bitLength(hi - result.bounds.lo[i]!)) }
}

/** One range for all elements of an output, so that whoever reads it needs two numbers. */
function uniformPacking({ result }: Instruction): Packing {
  const { lo, hi } = range(result.bounds)
  return { lo: new Float64Array(result.size).fill(lo), bits: new Float64Array(result.size).fill(bitLength(hi - lo)) }
}

function joined(packings: readonly Packing[]): Packing {
  return { lo: packings.flatMap(({ lo }) => Array.from(lo)), bits: packings.flatMap(({ bits }) => Array.from(bits)) }
}
