import { compile, decodeProgram, Groth16, witness, type Calibration, type Compiled, type CompileOptions, type Program } from '@haca/core/zk'
import { root, samplesOf } from '@haca/tools'
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'

/** A model as a circuit under a development key, with a witness. */
export interface Circuit {
  name: string
  id: string
  zkey: string
  zkeyBytes: number
  constraints: number
  /** Constraints by what they are for. */
  costs: Readonly<Record<string, number>>
  program: Program
  /** The model's inputs that the witness is of. */
  inputs: Record<string, ArrayLike<number>>
  wtns: Uint8Array
  publicSignals: readonly bigint[]
  key: Groth16.VerificationKey
  /** Runs the float model once, on one thread. */
  infer(): Promise<void>
}

export const names = ['breast-cancer', 'breast-cancer-trees', 'digits', 'digits-mlp', 'digits-lenet'] as const
export type Name = (typeof names)[number]

/** Compiles a model and makes its key with the engine, from a seed: every run measures the same circuit and key. */
export async function makeCircuit(name: Name, folder: string, engine: string): Promise<Circuit> {
  const { onnx, compiled, input, data, shape } = model(name)
  const program = decodeProgram(compiled.program)
  const inputs = { [input]: data }
  const made = witness(program, { inputs, context: 7n })
  const file = join(folder, name.replaceAll(/[^a-z0-9]+/gi, '-'))
  writeFileSync(`${file}.r1cs`, compiled.r1cs)
  const zkey = `${file}.zkey`
  execFileSync(engine, ['setup-dev', '--r1cs', `${file}.r1cs`, '--zkey', zkey, '--seed', 'bench'], { stdio: 'ignore' })
  const { key } = Groth16.readZkey(readFileSync(zkey))
  const session = await open(onnx)
  const feeds = { [session.inputNames[0]!]: new ort.Tensor('float32', Float32Array.from(data), [...shape]) }
  return {
    name,
    id: Groth16.keyId(key),
    zkey,
    zkeyBytes: statSync(zkey).size,
    constraints: compiled.manifest.constraints,
    costs: compiled.manifest.costs,
    program,
    inputs,
    wtns: made.wtns,
    publicSignals: made.publicSignals,
    key,
    infer: async () => void (await session.run(feeds)),
  }
}

/** A published model from its folder, compiled as `models/circuits.mjs` compiles it. */
function model(name: Name): { onnx: Uint8Array; compiled: Compiled; input: string; data: ArrayLike<number>; shape: readonly number[] } {
  const file = (part: string) => readFileSync(join(root, 'models', name, part))
  const onnx = file('model.onnx')
  const { options, hashes } = JSON.parse(file('circuit.json').toString()) as { options: CompileOptions; hashes: { calibration: string | null } }
  const calibration = hashes.calibration ? (JSON.parse(file('calibration.json').toString()) as Calibration) : undefined
  const { input, shape, samples } = samplesOf(name)
  return { onnx, compiled: compile(onnx, calibration && { ranges: calibration.ranges }, options), input, data: samples[3]?.values ?? [], shape: [1, ...shape] }
}

const open = (onnx: Uint8Array): Promise<ort.InferenceSession> => ort.InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 })
