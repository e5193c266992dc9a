// Compiles every model into its circuit and writes what came of it; `--check` compiles again and compares with what is there.
//
//   node circuits.mjs [NAME ...]           write NAME/circuit.json and the block for it in NAME/README.md
//   node circuits.mjs --check [NAME ...]   write nothing; exit 1 if a file would change by one byte
//
// Reads nothing but the model folders. Needs the compiler to be built: npx nx run @haca/core:build

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compile, decodeProgram, encodeManifest, infer, measureAccuracy } from '@haca/core/zk'
import ort from 'onnxruntime-node'

/** How each model is compiled. Only the label is proven: it is what a caller acts on, and scores would need tables of e^x. */
const CIRCUITS = {
  'breast-cancer': { arithmetic: 'exact' },
  'breast-cancer-trees': { arithmetic: 'exact' },
  digits: { arithmetic: 'exact' },
  'digits-lenet': { arithmetic: 'int8' },
  'digits-mlp': { arithmetic: 'exact' },
}

const optionsOf = (name) => ({
  outputs: ['label'],
  weights: 'public',
  visibility: { input: 'hashed', output: 'packed' },
  activationBits: 8,
  weightBits: 8,
  ...CIRCUITS[name],
})

/** Circuit and model must give the same label on at least this share of the held-out samples. */
const AGREEMENT_LEAST = 0.99
const RANDOM_INPUTS = 1000
const BLOCK = /(<!-- circuit: begin.*?-->\n).*?(<!-- circuit: end -->)/s

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean', default: false } } })
  const unknown = positionals.find((name) => !Object.hasOwn(CIRCUITS, name))
  if (unknown !== undefined) throw new Error(`no such model: ${unknown}`)
  let unchanged = true
  for (const name of positionals.length > 0 ? positionals : Object.keys(CIRCUITS)) {
    for (const [file, content] of Object.entries(await build(name))) {
      const path = join(import.meta.dirname, name, file)
      const same = existsSync(path) && readFileSync(path).equals(content)
      unchanged &&= same
      if (!values.check) writeFileSync(path, content)
      process.stdout.write(`${(same ? 'same' : values.check ? 'DIFFERS' : 'written').padEnd(8)}${name}/${file.padEnd(14)} ${sha256(content)}\n`)
    }
  }
  if (values.check && !unchanged) process.exitCode = 1
}

/** File name → content of what a model's folder says of its circuit. */
async function build(name) {
  const folder = read(name)
  const options = optionsOf(name)
  const calibration = options.arithmetic === 'int8' ? { ranges: folder.calibration.ranges } : undefined
  const compiled = compile(folder.onnx, calibration, options)
  const circuit = describe(name, options, compiled, await measure(folder, compiled))
  if (circuit.accuracy.agreement < AGREEMENT_LEAST * circuit.accuracy.samples) throw new Error(`${name}: circuit and model agree on ${circuit.accuracy.agreement} of ${circuit.accuracy.samples}`)
  if (circuit.random.twinEqual < circuit.random.inputs) throw new Error(`${name}: circuit and integer twin differ`)
  const card = readFileSync(join(import.meta.dirname, name, 'README.md'), 'utf8')
  if (!BLOCK.test(card)) throw new Error(`${name}/README.md has no place for the circuit`)
  return {
    'circuit.json': Buffer.from(`${JSON.stringify(circuit, null, 2)}\n`),
    'README.md': Buffer.from(card.replace(BLOCK, (_, begin, end) => begin + table(circuit) + end)),
  }
}

function read(name) {
  const file = (path) => readFileSync(join(import.meta.dirname, name, path))
  const calibration = join(import.meta.dirname, name, 'calibration.json')
  const { input, samples } = JSON.parse(file('samples.json'))
  const { inputs } = JSON.parse(file('manifest.json'))
  return { onnx: file('model.onnx'), calibration: existsSync(calibration) ? JSON.parse(readFileSync(calibration)) : undefined, input, samples, shape: [1, ...inputs[0].shape.slice(1)] }
}

/** Circuit beside the float model on all held-out samples; circuit beside its integer twin on inputs that nobody measured. */
async function measure(folder, { program: bytes, integerOnnx }) {
  const program = decodeProgram(bytes)
  const [float, twin] = [await session(folder.onnx), await session(integerOnnx)]
  const feed = (values) => ({ [folder.input]: new ort.Tensor('float32', Float32Array.from(values), folder.shape) })
  const labelOf = async (on, values) => Number((await on.run(feed(values))).label.data[0])
  const held = []
  for (const { values, label } of folder.samples) held.push({ inputs: { [folder.input]: values }, float: [await labelOf(float, values)], label })
  const random = { inputs: 0, twinEqual: 0, floatEqual: 0 }
  for (const values of unmeasured(folder.samples)) {
    const [ours] = infer(program, { inputs: { [folder.input]: values } })[0].values
    random.inputs++
    if (ours === (await labelOf(twin, values))) random.twinEqual++
    if (ours === (await labelOf(float, values))) random.floatEqual++
  }
  return { held: measureAccuracy(program, 'label', held), random }
}

const session = (onnx) => ort.InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 })

/** Constants, the far ends of float32, and random rows up to twice and a half of what was measured, of both signs. */
function* unmeasured(samples) {
  for (const value of [0, -0, 0.5, 1e-45, 3.4e38, -3.4e38]) yield samples[0].values.map(() => value)
  const reach = samples[0].values.map((_, i) => samples.reduce((most, { values }) => Math.max(most, Math.abs(values[i])), 1))
  const next = random(1)
  for (let i = 0; i < RANDOM_INPUTS; i++) {
    const { values } = samples[i % samples.length]
    // Half are samples each of whose numbers is off by up to a half, half are noise.
    yield values.map((value, j) => (i % 2 === 0 ? value * (0.5 + next()) : (next() * 4.5 - 2) * reach[j]))
  }
}

/** Numbers in 0..1 that are the same everywhere (mulberry32). */
function random(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What is kept: enough to compile again from the folder alone, and to see that the same came of it. */
function describe(name, options, { integerOnnx, r1cs, program, manifest }, { held, random: noise }) {
  const { samples, integerCorrect, floatCorrect, agreement } = held
  return {
    v: 1,
    model: name,
    compiler: manifest.compiler,
    options,
    hashes: { ...manifest.hashes, manifest: sha256(encodeManifest(manifest)) },
    bytes: { integerOnnx: integerOnnx.length, program: program.length, r1cs: r1cs.length },
    constraints: manifest.constraints,
    wires: manifest.wires,
    costs: manifest.costs,
    magnitudeBits: manifest.magnitudeBits,
    signals: manifest.signals,
    notes: manifest.notes,
    accuracy: { output: held.output, samples, integerCorrect, floatCorrect, agreement },
    random: noise,
  }
}

function table({ options, constraints, costs, hashes, accuracy, random: noise, bytes }) {
  const parts = Object.entries(costs).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  const rows = [
    ['proves', `\`${options.outputs.join('`, `')}\` of an input known by its hash`],
    ['arithmetic', options.arithmetic === 'exact' ? 'exact: the circuit rounds nothing that the model does not round' : `int8: ${options.activationBits}-bit activations, ${options.weightBits}-bit weights, units from \`calibration.json\``],
    ['constraints', `${grouped(constraints)} (${parts.map(([what, cost]) => `${what} ${grouped(cost)}`).join(', ')})`],
    ['label equal to the float model\'s', `${accuracy.agreement} of ${accuracy.samples} held-out samples, ${noise.floatEqual} of ${noise.inputs} random and extreme inputs`],
    ['label right', `circuit ${accuracy.integerCorrect}, float model ${accuracy.floatCorrect} of ${accuracy.samples}`],
    ['label equal to the integer twin\'s', `${noise.twinEqual} of ${noise.inputs} random and extreme inputs`],
    ['SHA-256 of the R1CS', `\`${hashes.r1cs}\` (${(bytes.r1cs / 1e6).toFixed(1)} MB, not in git)`],
  ]
  return `\n| circuit | |\n| --- | --- |\n${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n`
}

const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ',')

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

await main()
