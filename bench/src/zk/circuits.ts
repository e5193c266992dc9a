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
  /** Share of held-out samples on which circuit, integer twin and float model name the same label. */
  agreement: number
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
  const { onnx, compiled, input, data, shape, agreement } = await model(name)
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
    agreement,
    inputs,
    wtns: made.wtns,
    publicSignals: made.publicSignals,
    key,
    infer: async () => void (await session.run(feeds)),
  }
}

/** A published model from its folder, compiled as `models/circuits.mjs` compiles it. */
async function model(name: Name): Promise<{ onnx: Uint8Array; compiled: Compiled; input: string; data: ArrayLike<number>; shape: readonly number[]; agreement: number }> {
  const file = (part: string) => readFileSync(join(root, 'models', name, part))
  const onnx = file('model.onnx')
  const { options, hashes } = JSON.parse(file('circuit.json').toString()) as { options: CompileOptions; hashes: { calibration: string | null } }
  const calibration = hashes.calibration ? (JSON.parse(file('calibration.json').toString()) as Calibration) : undefined
  const { input, shape, samples } = samplesOf(name)
  const compiled = compile(onnx, calibration && { ranges: calibration.ranges }, options)
  return { onnx, compiled, input, data: samples[3]?.values ?? [], shape: [1, ...shape], agreement: await agreementOf(onnx, compiled, input, shape, samples) }
}

const open = (onnx: Uint8Array): Promise<ort.InferenceSession> => ort.InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 })

/** Runs every held-out sample through all three forms of a model and counts where they name one label. */
async function agreementOf(onnx: Uint8Array, { program: bytes, integerOnnx }: Compiled, input: string, shape: readonly number[], samples: readonly { values: readonly number[] }[]): Promise<number> {
  const [program, float, integer] = [decodeProgram(bytes), await open(onnx), await open(integerOnnx)]
  const output = program.outputs[0]!.name
  const labelOf = async (session: ort.InferenceSession, values: readonly number[]): Promise<number> => {
    const type = session.inputMetadata[0] as { type?: string } | undefined
    const wide = type?.type === 'int64'
    const data = wide ? BigInt64Array.from(values.map((value) => BigInt(Math.round(value)))) : Float32Array.from(values)
    const results = await session.run({ [session.inputNames[0]!]: new ort.Tensor(wide ? 'int64' : 'float32', data as never, [1, ...shape]) })
    return Number((results[output] as ort.Tensor).data[0])
  }
  let agreed = 0
  for (const { values } of samples) {
    const ours = witness(program, { inputs: { [input]: values }, context: 7n }).outputs[0]!.values[0]
    if (ours === (await labelOf(float, values)) && ours === (await labelOf(integer, values))) agreed++
  }
  return agreed / samples.length
}
