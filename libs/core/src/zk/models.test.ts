import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { measureAccuracy } from './accuracy.js'
import { observe, probe } from './calibrate.js'
import { compile, type CompileOptions } from './compile.js'
import type { Calibration } from './lower/context.js'
import { read, violated } from './r1cs/r1cs-file.js'
import { mutateEach, mutatePairs } from './testing/mutation.js'
import { random } from './testing/model-builder.js'
import { leNet5, mlp100k, picture } from './testing/networks.js'
import { run, session } from './testing/ort.js'
import { decodeProgram } from './witness/program.js'
import { infer, witness } from './witness/witness.js'
import { read as readWitness } from './witness/wtns-file.js'

const full = process.env['HACA_ZK_SWEEP'] === 'full'

const modelFile = (name: string, file: string) => readFileSync(new URL(`../../../../models/${name}/${file}`, import.meta.url))

async function calibrate(onnx: Uint8Array, shape: readonly number[], count: number): Promise<Calibration> {
  const probing = await session(probe(onnx))
  let calibration: Calibration | undefined
  for (let i = 0; i < count; i++) {
    const data = picture(1000 + i)
    calibration = observe(calibration, { image: data, ...(await run(probing, { image: { data, shape } })) })
  }
  return calibration!
}

interface Folder {
  circuit: { options: CompileOptions; hashes: Record<string, string>; constraints: number }
  input: string
  samples: { values: number[]; label: number; predicted: number }[]
}

function folder(name: string): Folder {
  const json = (file: string) => JSON.parse(modelFile(name, file).toString()) as never
  const { input, samples }: Pick<Folder, 'input' | 'samples'> = json('samples.json')
  return { circuit: json('circuit.json'), input, samples }
}

/** Every wire of a small circuit is changed, and of a large one this many, evenly spread. */
const MUTATED_WIRES_MAX = full ? 2 ** 30 : 2500

describe.each(['breast-cancer', 'breast-cancer-trees', 'digits', 'digits-lenet', 'digits-mlp'])('the published model %s', (name) => {
  const onnx = modelFile(name, 'model.onnx')
  const { circuit, input, samples } = folder(name)
  const rounds = circuit.options.arithmetic === 'int8'
  const calibration = rounds ? { ranges: (JSON.parse(modelFile(name, 'calibration.json').toString()) as Calibration).ranges } : undefined
  const compiled = compile(onnx, calibration, circuit.options)
  const program = decodeProgram(compiled.program)
  const { shape } = compiled.manifest.inputs[0]!
  const size = samples[0]!.values.length
  const labelOf = (values: ArrayLike<number>) => infer(program, { inputs: { [input]: values } })[0]!.values[0]

  /** The ends of float32, both zeros, halves, and a thousand random rows near and far from what was measured. */
  const inputs = function* () {
    const next = random(5)
    const reach = samples.reduce((most, { values }) => Math.max(most, ...values.map(Math.abs)), 1)
    for (const value of [0, -0, 0.5, -0.5, 2.5, 1e-45, 3.4e38, -3.4e38]) yield Array.from({ length: size }, () => value)
    for (let i = 0; i < 1000; i++) yield samples[i % samples.length]!.values.map((value) => (i % 2 ? value * (0.5 + next()) : (next() * 1.4 - 0.2) * reach))
  }

  it('compiles to the bytes whose digests stand beside it, and with its ranges in another order', () => {
    expect(compiled.manifest.hashes).toEqual(Object.fromEntries(Object.entries(circuit.hashes).filter(([what]) => what !== 'manifest')))
    const turned = calibration && { ranges: Object.fromEntries(Object.entries(calibration.ranges).toReversed()) }
    const again = compile(Uint8Array.from(onnx), turned, circuit.options)
    expect(again.manifest).toEqual(compiled.manifest)
  })

  it('is exact where it says so: no number is rounded that the model does not round', () => {
    expect(compiled.manifest.arithmetic).toBe(circuit.options.arithmetic)
    expect(compiled.manifest.notes).toEqual([])
  })

  it('gives the label of the float model on at least 99 of 100 held-out samples, and on all where it is exact', async () => {
    const [float, twin] = [await session(onnx), await session(compiled.integerOnnx)]
    let agreed = 0
    for (const { values, predicted } of samples) {
      const feeds = { [input]: { data: values, shape } }
      const [ours, integer, reference] = [labelOf(values), (await run(twin, feeds))['label']![0], (await run(float, feeds))['label']![0]]
      expect(integer).toBe(ours)
      expect(reference).toBe(predicted)
      if (ours === reference) agreed++
    }
    console.log(`${name}: circuit, integer twin and float model give the same label on ${agreed} of ${samples.length} held-out samples`)
    expect(agreed).toBeGreaterThanOrEqual(Math.ceil((rounds ? 0.99 : 1) * samples.length))
  })

  it('agrees with its twin, and where exact with the float model, on a thousand random and extreme inputs', { timeout: 300_000 }, async () => {
    const [twin, float] = [await session(compiled.integerOnnx), await session(onnx)]
    let count = 0
    for (const data of inputs()) {
      const feeds = { [input]: { data, shape } }
      const ours = infer(program, { inputs: { [input]: data } })[0]!
      const theirs = await run(twin, feeds)
      expect([theirs['label'], theirs['label/integer']]).toEqual([[ours.values[0]], [ours.integers[0]]])
      if (!rounds) expect((await run(float, feeds))['label']).toEqual([ours.values[0]])
      count++
    }
    console.log(`${name}: circuit and integer twin agree on ${count} inputs`)
    expect(count).toBeGreaterThanOrEqual(1000)
  })

  it('refuses what is no number, and rows of another length', () => {
    const row = samples[0]!.values
    for (const wrong of [row.with(0, Number.NaN), row.slice(1), [...row, 0]]) expect(() => labelOf(wrong)).toThrow(expect.objectContaining({ code: 'zk.input-invalid' }))
  })

  it('has a satisfied circuit in which nothing but the context is free', { timeout: 300_000 }, () => {
    const r1cs = read(compiled.r1cs)
    const made = witness(program, { inputs: { [input]: samples[3]!.values }, context: 9n })
    const wires = readWitness(made.wtns)
    expect(violated(r1cs, wires)).toBeUndefined()
    const used = new Uint8Array(r1cs.wireCount)
    for (const constraint of r1cs.constraints) for (const side of constraint) for (const wire of side.wires) used[wire] = 1
    expect(used.reduce<number[]>((idle, is, wire) => (is ? idle : [...idle, wire]), []).filter((wire) => wire !== 0)).toEqual([made.publicSignals.length])
    const every = Math.ceil(r1cs.wireCount / MUTATED_WIRES_MAX)
    const singles = mutateEach(r1cs, wires, [1n, -1n, 2n ** 128n], every)
    expect(singles.survivors.filter(([wire]) => wire !== made.publicSignals.length)).toEqual([])
    const pairs = mutatePairs(r1cs, wires, full ? r1cs.constraints.length : 150)
    expect(pairs.survivors).toEqual([])
    console.log(`${name}: ${r1cs.constraints.length} constraints, ${r1cs.wireCount} wires of which only the context stands in no constraint; ${singles.tried} single changes (every ${every}. wire) and ${pairs.tried} paired ones, survivors 0`)
  })

  it('spends nothing on its linear layers, and at most 23 constraints on a ReLU with requantisation', () => {
    const { costs, magnitudeBits } = compiled.manifest
    const elements = program.steps.reduce((total, { operation, size: of }) => total + (operation.name === 'requantise' ? of : 0), 0)
    const perRelu = elements === 0 ? 0 : (costs['requantise'] ?? 0) / elements
    console.log(`${name}: dense layers ${costs['dense'] ?? 0} constraints, ${elements} ReLUs or requantisations of ${perRelu.toFixed(2)} constraints each, numbers of at most ${magnitudeBits} bits`)
    expect(costs['dense']).toBeUndefined()
    expect(perRelu).toBeLessThanOrEqual(23)
    // The field has 253 bits, a witness generator's doubles 53, and no bound may pass 50.
    expect(magnitudeBits).toBeLessThanOrEqual(50)
  })
})

describe.each([
  ['LeNet-5 with average pooling', leNet5('AveragePool'), [1, 1, 28, 28]],
  ['a perceptron of 100k parameters', mlp100k(), [1, 784]],
] as const)('%s', (name, onnx, shape) => {
  it('agrees with its twin on a thousand inputs, stays close to the float model, and its circuit holds', { timeout: 60_000 }, async () => {
    const calibration = await calibrate(onnx, shape, 100)
    const began = performance.now()
    const { integerOnnx, program: bytes, r1cs: file, manifest } = compile(onnx, calibration)
    const compileMs = performance.now() - began
    const program = decodeProgram(bytes)
    const [twin, float] = [await session(integerOnnx), await session(onnx)]
    const next = random(11)
    for (let i = 0; i < 1000; i++) {
      const data = i === 0 ? new Float32Array(784).fill(1e20) : i === 1 ? new Float32Array(784).fill(-1e20) : i % 2 ? picture(i) : Float32Array.from({ length: 784 }, () => next() * 3 - 1)
      const ours = infer(program, { inputs: { image: data } })[0]!
      const theirs = (await run(twin, { image: { data, shape } }))['logits/integer']!
      if (!ours.integers.every((value, j) => value === theirs[j])) expect(theirs).toEqual([...ours.integers])
    }
    const samples = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const data = picture(5000 + i)
      return { inputs: { image: data }, float: (await run(float, { image: { data, shape } }))['logits']! }
    }))
    const accuracy = measureAccuracy(program, 'logits', samples)
    // Random weights put logits close together, so labels are a harsh measure; numbers are a fairer one.
    const spread = samples.reduce((most, { float: logits }) => Math.max(most, Math.max(...logits) - Math.min(...logits)), 0)
    expect(accuracy.largestError).toBeLessThan(spread / 4)

    const r1cs = read(file)
    witness(program, { inputs: { image: picture(1) }, context: 7n })
    const start = performance.now()
    const made = witness(program, { inputs: { image: picture(2) }, context: 7n })
    const witnessMs = performance.now() - start
    const wires = readWitness(made.wtns)
    expect(violated(r1cs, wires)).toBeUndefined()
    const singles = mutateEach(r1cs, wires, [1n], full ? 1 : Math.ceil(r1cs.wireCount / 2000))
    expect(singles.survivors.filter(([wire]) => wire !== made.publicSignals.length)).toEqual([])
    const relus = (manifest.costs['requantise'] ?? 0) / (name.includes('perceptron') ? 128 : 1)
    console.log(`${name}: ${manifest.constraints} constraints ${JSON.stringify(manifest.costs)}, compile ${compileMs.toFixed(0)} ms, witness ${witnessMs.toFixed(1)} ms, agreement ${accuracy.agreement}/200, error ${accuracy.largestError.toFixed(3)} of ${spread.toFixed(2)}, ${relus.toFixed(1)}; r1cs ${(file.length / 1e6).toFixed(1)} MB, program ${(bytes.length / 1e3).toFixed(0)} kB`)
    expect(manifest.costs['dense']).toBeUndefined()
  })
})
