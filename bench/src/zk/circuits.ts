import { compile, decodeProgram, Groth16, observe, probe, witness, type Calibration, type Compiled } from '@haca/core/zk'
import { leNet5, mlp100k, picture } from '@haca/core/zk/testing'
import { root } from '@haca/tools'
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
  wtns: Uint8Array
  publicSignals: readonly bigint[]
  key: Groth16.VerificationKey
  /** Runs the float model once, on one thread. */
  infer(): Promise<void>
}

export const names = ['breast-cancer', 'digits', 'MLP 784-128-10', 'LeNet-5, average pooling', 'LeNet-5, max pooling'] as const
export type Name = (typeof names)[number]

/** Compiles a model and makes its key with the engine, from a seed: every run measures the same circuit and key. */
export async function makeCircuit(name: Name, folder: string, engine: string): Promise<Circuit> {
  const { onnx, compiled, input, data, shape } = await model(name)
  const made = witness(decodeProgram(compiled.program), { inputs: { [input]: data }, context: 7n })
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
    wtns: made.wtns,
    publicSignals: made.publicSignals,
    key,
    infer: async () => void (await session.run(feeds)),
  }
}

async function model(name: Name): Promise<{ onnx: Uint8Array; compiled: Compiled; input: string; data: ArrayLike<number>; shape: readonly number[] }> {
  if (name === 'breast-cancer' || name === 'digits') {
    const file = (part: string) => readFileSync(join(root, 'models', name, part))
    const onnx = file('model.onnx')
    const compiled = compile(onnx, undefined, { outputs: ['label'] })
    const { samples } = JSON.parse(file('samples.json').toString()) as { samples: { values: number[] }[] }
    const data = samples[3]!.values
    return { onnx, compiled, input: compiled.manifest.inputs[0]!.name, data, shape: [1, data.length] }
  }
  const flat = name.startsWith('MLP')
  const onnx = flat ? mlp100k() : leNet5(name.includes('average') ? 'AveragePool' : 'MaxPool')
  const shape = flat ? [1, 784] : [1, 1, 28, 28]
  return { onnx, compiled: compile(onnx, await calibrate(onnx, shape)), input: 'image', data: picture(2), shape }
}

async function calibrate(onnx: Uint8Array, shape: readonly number[]): Promise<Calibration> {
  const probing = await open(probe(onnx))
  let calibration: Calibration | undefined
  for (let i = 0; i < 100; i++) {
    const image = picture(1_000 + i)
    const out = await probing.run({ image: new ort.Tensor('float32', image, [...shape]) })
    calibration = observe(calibration, { image, ...Object.fromEntries(Object.entries(out).map(([name, tensor]) => [name, tensor.data as Float32Array])) })
  }
  return calibration as Calibration
}

const open = (onnx: Uint8Array): Promise<ort.InferenceSession> => ort.InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 })
