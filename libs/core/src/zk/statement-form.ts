import { assert } from '../errors.js'
import { reveal, VISIBILITIES, type Part, type PartLayout } from './circuit/statement.js'
import { encodeInput, type Encoder, type EncodeStep } from './encode/encoder.js'
import { refusal } from './error.js'
import { DataType } from './onnx/index.js'
import type { Program } from './witness/program.js'

/**
 * How a circuit's public signals say what was asked and answered: what a client needs to hold a proof against its own
 * request and answer, without the model. It is the head of a witness program; that it belongs to a verification key is its
 * publisher's word, which anybody checks by compiling the model again.
 */
export interface StatementForm {
  encoders: readonly Encoder[]
  outputs: readonly { name: string; type: number; shape: readonly number[]; scale: number }[]
  parts: readonly PartLayout[]
}

/** The form of a program's statements. */
export const formOf = ({ encoders, outputs, parts }: Program): StatementForm => ({
  encoders,
  outputs: outputs.map(({ name, type, shape, scale }) => ({ name, type, shape, scale })),
  parts,
})

/**
 * Public signals of a request and its answer, as anybody computes them: outputs, input, context. Throws `zk.input-invalid`
 * for an input or answer the circuit cannot be about, and for a form that hides a part, whose salt only its owner knows.
 */
export function stateSignals(form: StatementForm, said: { inputs: Readonly<Record<string, ArrayLike<number>>>; outputs: Readonly<Record<string, ArrayLike<number>>>; context: bigint }): bigint[] {
  const values: Partial<Record<Part, number[]>> = {
    input: form.encoders.flatMap((encoder) => Array.from(encodeInput(encoder, own(said.inputs, encoder.name)))),
    output: form.outputs.flatMap((output) => integersOf(output, own(said.outputs, output.name))),
  }
  return [...form.parts.flatMap((part) => signalsOf(part, values[part.part])), said.context]
}

function signalsOf(layout: PartLayout, values: number[] | undefined): bigint[] {
  if (!values || layout.visibility === 'hidden') throw refusal('zk.input-invalid', `the ${layout.part} is hidden`)
  const { lo, bits } = layout.packing
  const outside = values.length !== bits.length || values.some((value, i) => !Number.isInteger(value) || value < lo[i]! || value - lo[i]! >= 2 ** bits[i]!)
  if (outside) throw refusal('zk.input-invalid', `the ${layout.part} leaves the range its circuit is for`)
  return reveal(layout, values, undefined)
}

/** The circuit's integers of an output's numbers; the scale is a power of two wherever the arithmetic is exact. */
function integersOf({ name, type, shape, scale }: StatementForm['outputs'][number], values: ArrayLike<number>): number[] {
  const size = shape.reduce((product, dim) => product * dim, 1)
  if (values.length !== size) throw refusal('zk.input-invalid', `"${name}" has ${size} values, not ${values.length}`)
  const float = type === DataType.FLOAT || type === DataType.DOUBLE || type === DataType.FLOAT16
  return Array.from(values, (value) => {
    const integer = float ? Math.round(value / scale) : value
    if (float && Math.fround(Math.fround(integer) * Math.fround(scale)) !== value) throw refusal('zk.input-invalid', `"${name}" is not a multiple of its unit`)
    return integer
  })
}

function own(values: Readonly<Record<string, ArrayLike<number>>>, name: string): ArrayLike<number> {
  const found = Object.hasOwn(values, name) ? values[name] : undefined
  if (!found) throw refusal('zk.input-invalid', `"${name}" is missing`)
  return found
}

/** Bytes of a form: JSON, typed arrays as lists, and infinities, which JSON would make null, as text. */
export const encodeForm = (form: StatementForm): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify(form, (_name, value: unknown) => {
      if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array)
      return value === Infinity || value === -Infinity ? String(value) : value
    }),
  )

/** Reads a form. Throws `zk.program-malformed`. */
export function decodeForm(bytes: Uint8Array): StatementForm {
  try {
    const form = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as StatementForm
    const known = form.parts.every(({ part, visibility, packing }) => ['output', 'input', 'model'].includes(part) && VISIBILITIES.includes(visibility) && packing.lo.length === packing.bits.length)
    assert(known && form.encoders.length > 0 && form.outputs.length > 0, 'a form names its parts')
    return { ...form, encoders: form.encoders.map((encoder) => ({ ...encoder, steps: encoder.steps.map(step) })) }
  } catch (cause) {
    throw refusal('zk.program-malformed', `not a statement form: ${(cause as Error).message}`)
  }
}

function step(read: EncodeStep): EncodeStep {
  if (read.kind === 'arithmetic') return { ...read, operand: Float64Array.from(read.operand, number) }
  if (read.kind === 'rank') return { ...read, thresholds: read.thresholds.map((list) => Float64Array.from(list, number)) }
  if (read.kind === 'clip') return { ...read, lo: number(read.lo), hi: number(read.hi) }
  return read
}

/** A number as `encodeForm` writes it. What else JSON may hold would count as zero further on. */
function number(value: unknown): number {
  if (value === 'Infinity' || value === '-Infinity') return Number(value)
  assert(typeof value === 'number', 'a step has numbers')
  return value
}
