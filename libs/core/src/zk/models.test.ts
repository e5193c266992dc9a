import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { measureAccuracy } from './accuracy.js'
import { observe, probe } from './calibrate.js'
import { compile } from './compile.js'
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

describe.each([
  ['digits', 64, 16],
  ['breast-cancer', 30, 4000],
] as const)('the published model %s', (name, size, reach) => {
  const onnx = modelFile(name, 'model.onnx')
  const { samples } = JSON.parse(modelFile(name, 'samples.json').toString()) as { samples: { values: number[]; label: number; predicted: number }[] }
  const compiled = compile(onnx, undefined, { outputs: ['label'] })
  const program = decodeProgram(compiled.program)
  const input = compiled.manifest.inputs[0]!.name
  const inputs = function* () {
    const next = random(5)
    yield Array.from({ length: size }, () => -1e30)
    yield Array.from({ length: size }, () => 1e30)
    yield Array.from({ length: size }, () => 0.5)
    for (let i = 0; i < 1000; i++) yield Array.from({ length: size }, (_, j) => (i % 2 ? samples[i % samples.length]!.values[j]! * (0.5 + next()) : (next() * 1.4 - 0.2) * reach))
  }

  it('is exact: no number is rounded that the model does not round', () => {
    expect(compiled.manifest.arithmetic).toBe('exact')
    expect(compiled.manifest.notes).toEqual([])
  })

  it('gives the published label on every held-out sample', () => {
    const { label } = { label: samples.map((sample) => infer(program, { inputs: { [input]: sample.values } })[0]!.values[0]) }
    expect(label).toEqual(samples.map((sample) => sample.predicted))
  })

  it('agrees with its twin and with the float model on a thousand random and extreme inputs', async () => {
    const [twin, float] = [await session(compiled.integerOnnx), await session(onnx)]
    let count = 0
    for (const data of inputs()) {
      const feeds = { [input]: { data, shape: [1, size] } }
      const [ours, theirs, reference] = [infer(program, { inputs: { [input]: data } })[0]!.values[0], (await run(twin, feeds))['label'], (await run(float, feeds))['label']]
      if (theirs![0] !== ours || reference![0] !== ours) expect([theirs, reference]).toEqual([[ours], [ours]])
      count++
    }
    expect(count).toBeGreaterThanOrEqual(1000)
  })

  it('has a satisfied circuit in which nothing but the context is free', () => {
    const r1cs = read(compiled.r1cs)
    const made = witness(program, { inputs: { [input]: samples[3]!.values }, context: 9n })
    const wires = readWitness(made.wtns)
    expect(violated(r1cs, wires)).toBeUndefined()
    const singles = mutateEach(r1cs, wires, [1n, -1n, 2n ** 128n])
    expect(singles.survivors).toEqual([[made.publicSignals.length]])
    const pairs = mutatePairs(r1cs, wires, full ? r1cs.constraints.length : 150)
    expect(pairs.survivors).toEqual([])
    console.log(`${name}: ${compiled.manifest.constraints} constraints; ${singles.tried} single and ${pairs.tried} paired changes of wires, of which only the context survives`)
  })

  it('compiles to the same bytes again', () => {
    const again = compile(Uint8Array.from(onnx), undefined, { outputs: ['label'] })
    expect(again.manifest).toEqual(compiled.manifest)
    expect(Buffer.compare(again.r1cs, compiled.r1cs)).toBe(0)
    expect(Buffer.compare(again.integerOnnx, compiled.integerOnnx)).toBe(0)
    expect(Buffer.compare(again.program, compiled.program)).toBe(0)
  })
})

describe.each([
  ['LeNet-5 with average pooling', leNet5('AveragePool'), [1, 1, 28, 28]],
  ['LeNet-5 with max pooling', leNet5('MaxPool'), [1, 1, 28, 28]],
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
