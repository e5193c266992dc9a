import { type Decoder, type Encoder, malformedProgram } from './codec.js'
import type { Instruction, Tensor } from './builder.js'
import type { Operation, WireSink } from './operation.js'
import { operations } from './operations.js'

/** An instruction as a program keeps it: without bounds, with places instead of tensors. */
export interface Step {
  operation: Operation<unknown>
  attributes: unknown
  inputs: readonly number[]
  size: number
}

/** What is left of a builder's instructions when only these tensors are wanted, and where they are now. */
export function prune(instructions: readonly Instruction[], wanted: readonly Tensor[]): { kept: Instruction[]; places: ReadonlyMap<Tensor, number> } {
  const needed = new Set<Tensor>(wanted)
  for (const { result, inputs } of instructions.toReversed()) if (needed.has(result)) for (const x of inputs) needed.add(x)
  const kept = instructions.filter(({ result }) => needed.has(result))
  return { kept, places: new Map(kept.map(({ result }, place) => [result, place])) }
}

/** Results of all steps. Steps without inputs take the external tensors in their order, except constants. */
export function evaluate(steps: readonly Step[], externals: readonly Float64Array[], wires: WireSink): Float64Array[] {
  const results: Float64Array[] = []
  let external = 0
  for (const { operation, attributes, inputs } of steps) {
    const from = isExternal(operation) ? [externals[external++]!] : inputs.map((place) => results[place]!)
    results.push(operation.evaluate(attributes, from, wires))
  }
  return results
}

/** Whether an operation takes its values from outside the program. */
export const isExternal = (operation: Operation<never> | Operation<unknown>): boolean => operation.name === 'input' || operation.name === 'thermometer'

export function encodeSteps(out: Encoder, steps: readonly Step[]): void {
  out.uint(steps.length)
  for (const { operation, attributes, inputs } of steps) {
    out.uint(operations.indexOf(operation))
    out.uint(inputs.length)
    for (const place of inputs) out.uint(place)
    operation.encode(out, attributes)
  }
}

/** Steps in the order in which they can be run; every place points backwards. */
export function decodeSteps(from: Decoder): Step[] {
  const steps: Step[] = []
  for (let left = from.uint(); left > 0; left--) {
    const operation = operations[from.uint()] ?? refuse('an operation that is not known')
    const inputs: number[] = []
    for (let more = from.uint(); more > 0; more--) {
      const place = from.uint()
      if (place >= steps.length) refuse('a step uses a later one')
      inputs.push(place)
    }
    if (operation.arity === undefined ? inputs.length === 0 : inputs.length !== operation.arity) refuse('a step has another number of inputs')
    const sizes = inputs.map((place) => steps[place]!.size)
    const attributes: unknown = operation.decode(from, sizes)
    steps.push({ operation, attributes, inputs, size: operation.size(attributes, sizes) })
  }
  return steps
}

function refuse(why: string): never {
  throw malformedProgram(why)
}
