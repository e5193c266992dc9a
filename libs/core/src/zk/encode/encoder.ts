import { refusal } from '../error.js'
import { type Decoder, type Encoder as Writer, malformedProgram } from '../ir/codec.js'
import { DataType } from '../onnx/index.js'
import type { TwinGraph } from '../twin/twin-graph.js'

/**
 * How a model's raw input becomes the circuit's integers, outside the circuit: a chain of float32 operations, each correctly
 * rounded as IEEE 754 demands, so that JavaScript and onnxruntime agree to the bit. A statement with a public input
 * covers it, because anyone can run it; with a hidden input the statement is about the encoded integers.
 */
export interface Encoder {
  /** Name of the model's input. */
  name: string
  /** ONNX element type of the model's input. */
  type: number
  /** Shape with the batch dimension set to 1. */
  shape: readonly number[]
  steps: readonly EncodeStep[]
}

export type EncodeStep =
  | { kind: 'arithmetic'; operator: Arithmetic; operand: Float64Array; swapped: boolean }
  | { kind: 'round' | 'floor' | 'ceil' }
  | { kind: 'clip'; lo: number; hi: number }
  /** Replaces each feature by the number of its thresholds that it exceeds; thresholds ascend. */
  | { kind: 'rank'; thresholds: readonly Float64Array[] }

export const ARITHMETICS = ['Add', 'Sub', 'Mul', 'Div'] as const
export type Arithmetic = (typeof ARITHMETICS)[number]

const apply: Record<Arithmetic, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1)

/** Integers of a raw input. Refuses with `zk.input-invalid` a wrong length, NaN and infinities. */
export function encodeInput({ name, shape, steps }: Encoder, raw: ArrayLike<number>): Float64Array {
  if (raw.length !== sizeOf(shape)) throw refusal('zk.input-invalid', `"${name}" takes ${sizeOf(shape)} values, not ${raw.length}`)
  let values: Float64Array = Float64Array.from(raw, Math.fround)
  for (const step of steps) values = runStep(step, values)
  const wrong = values.findIndex((value) => !Number.isInteger(value))
  if (wrong >= 0) throw refusal('zk.input-invalid', `value ${wrong} of "${name}" is not a finite number`)
  return values
}

/** Double arithmetic rounded once to float32 is float32 arithmetic for these four operators (53 ≥ 2·24 + 2). */
function runStep(step: EncodeStep, values: Float64Array): Float64Array {
  switch (step.kind) {
    case 'arithmetic': {
      const { operand, swapped } = step
      const operate = apply[step.operator]
      return values.map((value, i) => {
        const other = operand[operand.length === 1 ? 0 : i]!
        return Math.fround(swapped ? operate(other, value) : operate(value, other))
      })
    }
    case 'round':
      return values.map(roundHalfEven)
    case 'floor':
      return values.map(Math.floor)
    case 'ceil':
      return values.map(Math.ceil)
    case 'clip':
      return values.map((value) => (Number.isNaN(value) ? value : Math.min(Math.max(value, step.lo), step.hi)))
    case 'rank':
      return values.map((value, i) => (Number.isNaN(value) ? value : countBelow(step.thresholds[i]!, value)))
  }
}

/** IEEE 754 roundToIntegralTiesToEven, ONNX's Round. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

const countBelow = (thresholds: Float64Array, value: number): number => {
  let count = 0
  while (count < thresholds.length && thresholds[count]! < value) count++
  return count
}

/** Nodes that do the same to a graph input; answers the name of the flat integer tensor. */
export function twinInput(graph: TwinGraph, { name, type, shape, steps }: Encoder): string {
  graph.inputs.push({ name, type, shape })
  let value = graph.reshape(type === DataType.FLOAT ? name : graph.cast(name, DataType.FLOAT), [-1])
  for (const step of steps) value = twinStep(graph, step, value)
  return graph.cast(value)
}

function twinStep(graph: TwinGraph, step: EncodeStep, value: string): string {
  switch (step.kind) {
    case 'arithmetic': {
      const operand = graph.floats(step.operand)
      return graph.node(step.operator, step.swapped ? [operand, value] : [value, operand])
    }
    case 'round':
      return graph.node('Round', [value])
    case 'floor':
      return graph.node('Floor', [value])
    case 'ceil':
      return graph.node('Ceil', [value])
    case 'clip':
      return graph.node('Clip', [value, graph.floats([step.lo], []), graph.floats([step.hi], [])])
    case 'rank':
      return twinRank(graph, step.thresholds, value)
  }
}

/** Compares every threshold with its feature and counts by a matrix product. */
function twinRank(graph: TwinGraph, thresholds: readonly Float64Array[], value: string): string {
  const feature = thresholds.flatMap((list, i) => Array.from(list, () => i))
  const spread = graph.node('Gather', [value, graph.indices(feature)])
  const exceeded = graph.cast(graph.node('Greater', [spread, graph.floats(thresholds.flatMap((list) => [...list]))]))
  const owner = new Float64Array(feature.length * thresholds.length)
  for (const [i, at] of feature.entries()) owner[i * thresholds.length + at] = 1
  const counted = graph.node('MatMul', [graph.reshape(exceeded, [1, feature.length]), graph.integers(owner, [feature.length, thresholds.length])])
  return graph.cast(graph.reshape(counted, [-1]), DataType.FLOAT)
}

const KINDS = ['arithmetic', 'round', 'floor', 'ceil', 'clip', 'rank'] as const

export function writeEncoder(out: Writer, { name, type, shape, steps }: Encoder): void {
  out.text(name)
  out.uint(type)
  out.ints(shape)
  out.uint(steps.length)
  for (const step of steps) {
    out.uint(KINDS.indexOf(step.kind))
    if (step.kind === 'arithmetic') {
      out.uint(ARITHMETICS.indexOf(step.operator))
      out.uint(step.swapped ? 1 : 0)
      out.floats(step.operand)
    } else if (step.kind === 'clip') {
      out.float(step.lo)
      out.float(step.hi)
    } else if (step.kind === 'rank') {
      out.uint(step.thresholds.length)
      for (const list of step.thresholds) out.floats(list)
    }
  }
}

export function readEncoder(from: Decoder): Encoder {
  const name = from.text()
  const type = from.uint()
  const shape = [...from.ints()]
  const steps: EncodeStep[] = []
  const size = sizeOf(shape)
  for (let left = from.uint(); left > 0; left--) steps.push(readStep(from, size))
  return { name, type, shape, steps }
}

function readStep(from: Decoder, size: number): EncodeStep {
  const kind = KINDS[from.uint()]
  switch (kind) {
    case 'arithmetic': {
      const operator = ARITHMETICS[from.uint()]
      const swapped = from.uint() === 1
      const operand = from.floats()
      if (!operator || (operand.length !== 1 && operand.length !== size)) throw malformedProgram('an encoder step does not fit its input')
      return { kind, operator, operand, swapped }
    }
    case 'clip':
      return { kind, lo: from.float(), hi: from.float() }
    case 'rank': {
      const thresholds: Float64Array[] = []
      for (let left = from.uint(); left > 0; left--) thresholds.push(from.floats())
      if (thresholds.length !== size) throw malformedProgram('ranks do not fit their input')
      return { kind, thresholds }
    }
    case undefined:
      throw malformedProgram('an encoder step that is not known')
    default:
      return { kind }
  }
}
