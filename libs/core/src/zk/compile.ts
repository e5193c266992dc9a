import { utf8ToBytes } from '@noble/hashes/utils.js'
import { AppError } from '../errors.js'
import { constrain } from './circuit/circuit.js'
import { signals, type Visibility } from './circuit/statement.js'
import { foldBatchNormalization } from './graph/fold.js'
import { checkGraph } from './graph/graph.js'
import type { Instruction } from './ir/builder.js'
import { isExternal, prune } from './ir/program.js'
import type { Arithmetic, Calibration, Settings } from './lower/context.js'
import { type Lowered, lower } from './lower/lower.js'
import { canonical, COMPILER, describeStep, type Manifest, sha256Hex } from './manifest.js'
import { decode } from './onnx/index.js'
import { twin } from './twin/twin.js'
import { encodeProgram, type Program } from './witness/program.js'

export interface CompileOptions {
  /** Values of the graph to prove, in this order; the graph's outputs by default. Inner values are allowed. */
  outputs?: readonly string[]
  /** `auto` (default) is exact where the model allows it, and else int8. */
  arithmetic?: Arithmetic | 'auto'
  weights?: 'public' | 'private'
  visibility?: { input?: Visibility; output?: Visibility }
  /** Signed bits of activations and weights under int8 arithmetic. */
  activationBits?: number
  weightBits?: number
}

export interface Compiled {
  /** Integer twin for onnxruntime. */
  integerOnnx: Uint8Array
  r1cs: Uint8Array
  /** Witness program. */
  program: Uint8Array
  manifest: Manifest
  /** Private weights, for `witness`; empty where weights are public. Secret. */
  weights: readonly Float64Array[]
}

/**
 * Compiles an ONNX model into a circuit, its witness program and its integer twin. Pure: the same model, calibration and
 * options give the same bytes. Throws AppErrors with `zk.…` codes that name the node and what to do.
 */
export function compile(onnx: Uint8Array, calibration?: Calibration, options: CompileOptions = {}): Compiled {
  const settings = settingsOf(calibration, options)
  const graph = foldBatchNormalization(checkGraph(decode(onnx)))
  const wanted = options.outputs ?? graph.outputs.map(({ name }) => name)
  const lowered = lowerAs(options.arithmetic ?? 'auto', settings, (chosen) => lower(graph, wanted, chosen))
  const visibility = { input: options.visibility?.input ?? 'hashed', output: options.visibility?.output ?? 'packed' } as const
  return assemble(onnx, lowered, visibility)
}

function settingsOf(calibration: Calibration | undefined, options: CompileOptions): Omit<Settings, 'arithmetic'> {
  const { activationBits = 8, weightBits = 8, weights = 'public' } = options
  for (const bits of [activationBits, weightBits]) {
    if (!Number.isInteger(bits) || bits < 2 || bits > 16) throw new RangeError('activations and weights have 2 to 16 bits')
  }
  return { calibration, weights, activationBits, weightBits }
}

/** Tries exact arithmetic first, where the choice is ours. */
function lowerAs(arithmetic: Arithmetic | 'auto', settings: Omit<Settings, 'arithmetic'>, run: (settings: Settings) => Lowered): Lowered {
  if (arithmetic !== 'auto') return run({ ...settings, arithmetic })
  try {
    return run({ ...settings, arithmetic: 'exact' })
  } catch (error) {
    if (!(error instanceof AppError) || (error.code !== 'zk.arithmetic-inexact' && error.code !== 'zk.bound-exceeded')) throw error
    return run({ ...settings, arithmetic: 'int8' })
  }
}

function assemble(onnx: Uint8Array, { context, outputs }: Lowered, visibility: { input: Visibility; output: Visibility }): Compiled {
  const { settings } = context
  const externals = [...context.inputs, ...context.weights].map(({ tensor }) => tensor)
  const pruned = prune(context.builder.instructions, [...externals, ...outputs.map(({ value }) => value.tensor)])
  const kept = externalsFirst(pruned.kept, externals.map(({ id }) => id))
  const places = new Map(kept.map(({ result }, place) => [result.id, place]))
  const placeOf = (id: number): number => places.get(id) as number
  const circuit = constrain(kept, {
    inputs: context.inputs.map(({ tensor }) => placeOf(tensor.id)),
    weights: context.weights.map(({ tensor }) => placeOf(tensor.id)),
    outputs: outputs.map(({ value }) => placeOf(value.tensor.id)),
  }, visibility)
  const program: Program = {
    wireCount: circuit.wireCount,
    encoders: context.inputs.map(({ encoder }) => encoder),
    steps: kept.map(({ operation, attributes, inputs, result }) => ({ operation, attributes, inputs: inputs.map(({ id }) => placeOf(id)), size: result.size })),
    outputs: outputs.map(({ name, value }) => ({ name, type: value.type, shape: value.shape, scale: value.scale, place: placeOf(value.tensor.id) })),
    parts: circuit.parts,
  }
  const weights = context.weights.map(({ values }) => values)
  const magnitude = kept.reduce((most, { result }) => Math.max(most, result.bounds.magnitude), 0)
  const integerOnnx = twin(program, magnitude, weights)
  const programBytes = encodeProgram(program)
  const output = circuit.parts[0]!.packing
  let at = 0
  const manifest: Manifest = {
    compiler: COMPILER,
    arithmetic: settings.arithmetic,
    weights: settings.weights,
    activationBits: settings.activationBits,
    weightBits: settings.weightBits,
    hashes: {
      onnx: sha256Hex(onnx),
      calibration: settings.calibration ? sha256Hex(utf8ToBytes(canonical(settings.calibration))) : null,
      integerOnnx: sha256Hex(integerOnnx),
      program: sha256Hex(programBytes),
      r1cs: sha256Hex(circuit.r1cs),
    },
    inputs: program.encoders.map(({ name, type, shape, steps }) => ({ name, type, shape, encoder: steps.map(describeStep) })),
    outputs: program.outputs.map(({ name, type, shape, scale, place }) => {
      const described = { name, type, shape, scale, lo: output.lo[at]!, bits: output.bits[at]! }
      at += kept[place]!.result.size
      return described
    }),
    signals: signals(circuit.parts).map((signal, i) => ({ ...signal, visibility: circuit.parts[i]?.visibility ?? 'public' })),
    constraints: circuit.constraintCount,
    wires: circuit.wireCount,
    costs: circuit.costs,
    magnitudeBits: Math.ceil(Math.log2(magnitude + 1)),
    scales: Object.fromEntries(context.scales),
    calibration: settings.calibration?.ranges ?? null,
    notes: context.notes,
  }
  return { integerOnnx, r1cs: circuit.r1cs, program: programBytes, manifest, weights }
}

/** Instructions that take values from outside stand first, in the order in which the witness generator is given them. */
function externalsFirst(instructions: readonly Instruction[], ids: readonly number[]): Instruction[] {
  const byId = new Map(instructions.map((instruction) => [instruction.result.id, instruction]))
  return [...ids.map((id) => byId.get(id) as Instruction), ...instructions.filter(({ operation }) => !isExternal(operation))]
}
