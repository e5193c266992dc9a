import { type PartLayout, reveal, signalCount } from '../circuit/statement.js'
import { encodeInput } from '../encode/encoder.js'
import { refusal } from '../error.js'
import * as Field from '../field.js'
import { nowhere, type WireSink } from '../ir/operation.js'
import { evaluate, isExternal } from '../ir/program.js'
import { input as inputOperation } from '../ir/ops/input.js'
import type { Input } from '../ir/ops/input.js'
import type { Thermometer } from '../ir/ops/thermometer.js'
import { DataType } from '../onnx/index.js'
import { Assignment } from './assignment.js'
import type { Output, Program } from './program.js'

/** What a proof is about, besides the model. */
export interface Request {
  /** The model's inputs by name, row-major, for one row; bigints are not taken. */
  inputs: Readonly<Record<string, ArrayLike<number>>>
  /** The request context, below 2^248: see context.ts. */
  context: bigint
  /** Secret field elements, one for each hidden part; draw them at random, of at least 128 bits. */
  salts?: { input?: bigint; output?: bigint; model?: bigint }
  /** Where weights are private: the file that came out of compiling. */
  weights?: readonly Float64Array[]
}

/** An output as integers and as the model's numbers. */
export interface OutputValue {
  name: string
  shape: readonly number[]
  integers: Float64Array
  values: Float64Array
}

export interface Witness {
  /** `.wtns` file. Secret where anything is hidden. */
  wtns: Uint8Array
  publicSignals: bigint[]
  outputs: OutputValue[]
}

/** Runs the integer model and writes down every wire. Throws `zk.input-invalid`. */
export function witness(program: Program, request: Request): Witness {
  const publicCount = program.parts.reduce((total, part) => total + signalCount(part), 1)
  const salts = program.parts.map((part) => saltOf(part, request))
  if (request.context < 0n || request.context >= 2n ** 248n) throw refusal('zk.input-invalid', 'the context is below 2^248')
  const wires = new Assignment(program.wireCount, 1 + publicCount)
  for (const salt of salts) if (salt !== undefined) wires.element(salt)
  const run = runProgram(program, request, wires)
  const publicSignals = [...program.parts.flatMap((part, i) => reveal(part, run.revealed[part.part]!, salts[i], wires)), request.context]
  for (const [i, signal] of publicSignals.entries()) wires.set(1 + i, signal)
  return { wtns: wires.finish(), publicSignals, outputs: run.outputs }
}

/** The integer model's answer alone, without a witness. */
export function infer(program: Program, request: Pick<Request, 'inputs' | 'weights'>): OutputValue[] {
  return runProgram(program, request, nowhere).outputs
}

function runProgram(program: Program, request: Pick<Request, 'inputs' | 'weights'>, wires: WireSink) {
  const encoded = program.encoders.map((encoder) => {
    const raw = Object.hasOwn(request.inputs, encoder.name) ? request.inputs[encoder.name] : undefined
    if (!raw) throw refusal('zk.input-invalid', `the input "${encoder.name}" is missing`)
    return encodeInput(encoder, raw)
  })
  const weights = request.weights ?? []
  const externals = [...encoded, ...weights]
  checkExternals(program, externals)
  const results = evaluate(program.steps, externals, wires)
  const outputs = program.outputs.map((output) => outputValue(output, results[output.place]!))
  return {
    outputs,
    revealed: { output: concatenate(outputs.map(({ integers }) => integers)), input: concatenate(encoded), model: concatenate(weights) },
  }
}

/** Each external must fit its step before its wires are written. */
function checkExternals({ steps }: Program, externals: readonly Float64Array[]): void {
  const wanted = steps.filter(({ operation }) => isExternal(operation))
  if (wanted.length !== externals.length) throw refusal('zk.input-invalid', `the program takes ${wanted.length} integer tensors, not ${externals.length}`)
  for (const [i, { operation, attributes }] of wanted.entries()) {
    const ranged = (operation as unknown) === inputOperation
    const hi = ranged ? (attributes as Input).hi : (attributes as Thermometer).levels
    const lo = ranged ? (attributes as Input).lo : new Float64Array(hi.length)
    const values = externals[i]!
    if (values.length !== hi.length || values.some((value, j) => !(Number.isInteger(value) && value >= lo[j]! && value <= hi[j]!))) {
      throw refusal('zk.input-invalid', `integer tensor ${i} leaves the range its circuit is for`)
    }
  }
}

function outputValue({ name, type, shape, scale }: Output, integers: Float64Array): OutputValue {
  const float = type === DataType.FLOAT || type === DataType.DOUBLE || type === DataType.FLOAT16
  const values = float ? integers.map((integer) => Math.fround(Math.fround(integer) * Math.fround(scale))) : integers
  return { name, shape, integers, values }
}

function saltOf({ part, visibility }: PartLayout, { salts }: Request): bigint | undefined {
  if (visibility !== 'hidden') return undefined
  const salt = salts?.[part]
  if (salt === undefined || salt < 0n || salt >= Field.r) throw refusal('zk.input-invalid', `a hidden ${part} takes a salt below the field's order`)
  return salt
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((total, part) => total + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
