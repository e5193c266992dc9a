import { describe, expect, it } from 'vitest'
import { AppError } from '../errors.js'
import { compile, type Compiled } from './compile.js'
import { DataType } from './onnx/index.js'
import { read, violated } from './r1cs/r1cs-file.js'
import { mutateEach, mutatePairs } from './testing/mutation.js'
import { float, ModelBuilder, random } from './testing/model-builder.js'
import { run, session, unoptimised } from './testing/ort.js'
import { decodeProgram } from './witness/program.js'
import { infer, witness } from './witness/witness.js'
import { read as readWitness } from './witness/wtns-file.js'

/**
 * Networks drawn by chance whose shapes fit, so that nearly all compile: what operators do to each other's bounds, scales and
 * zeros, which tests of one operator each cannot see. `hostile.test.ts` has the graphs that fit nothing.
 */
const full = process.env['HACA_ZK_SWEEP'] === 'full'
const NETWORKS = full ? 4000 : 150

interface Tensor {
  name: string
  shape: readonly [1, number, number, number]
}

interface Draw {
  b: ModelBuilder
  below: (count: number) => number
  weights: (count: number) => number[]
}

type Layer = (draw: Draw, x: Tensor, other: Tensor) => Tensor | undefined

const alike = (operator: string, attributes: Parameters<ModelBuilder['node']>[2] = {}): Layer => ({ b }, { name, shape }) => ({ name: b.node(operator, [name], attributes), shape })

/** Two tensors of one shape, or the first with itself in another order of signs. */
const paired = (operator: string): Layer => ({ b }, x, other) => {
  const second = other.shape.join() === x.shape.join() ? other.name : b.node('Neg', [x.name])
  return { name: b.node(operator, [x.name, second]), shape: x.shape }
}

/** A factor of halves or quarters and what takes the fraction off again, ties included. */
const rounding = (operator: string): Layer => ({ b, below }, { name, shape }) => ({ name: b.node(operator, [b.node('Mul', [name, b.floats([[0.5, 0.25, -0.5, 0.75][below(4)]!])])]), shape })

const LAYERS: Record<string, Layer> = {
  Relu: alike('Relu'),
  Abs: alike('Abs'),
  Neg: alike('Neg'),
  Sign: alike('Sign'),
  LeakyRelu: alike('LeakyRelu', { alpha: float(0.5) }),
  Floor: rounding('Floor'),
  Ceil: rounding('Ceil'),
  Round: rounding('Round'),
  Add: paired('Add'),
  Sub: paired('Sub'),
  Mul: paired('Mul'),
  Max: paired('Max'),
  Min: paired('Min'),
  Where: ({ b }, x, other) => ({ name: b.node('Where', [b.node('Less', [x.name, b.floats([1], [])]), other.shape.join() === x.shape.join() ? other.name : b.floats([2], []), x.name]), shape: x.shape }),
  Equal: ({ b }, x) => ({ name: b.node('Cast', [b.node('Equal', [x.name, b.floats([0], [])])], { to: DataType.FLOAT }), shape: x.shape }),
  Clip: ({ b, below }, x) => ({ name: b.node('Clip', [x.name, b.floats([-below(9)], []), b.floats([below(9)], [])]), shape: x.shape }),
  Quantised: ({ b, below }, { name, shape }) => {
    const [unit, zero] = [b.floats([2 ** (below(3) - 1)], []), b.constant(DataType.INT8, [below(9) - 4], [])]
    return { name: b.node('DequantizeLinear', [b.node('QuantizeLinear', [name, unit, zero]), unit, zero]), shape }
  },
  Conv: ({ b, below, weights }, { name, shape: [, c, h, w] }) => {
    const group = c % 2 === 0 && below(2) ? 2 : 1
    const out = group * (1 + below(2))
    return { name: b.node('Conv', [name, b.floats(weights((out * c * 9) / group), [out, c / group, 3, 3]), b.floats(weights(out))], { group, pads: [1, 1, 1, 1] }), shape: [1, out, h, w] }
  },
  MaxPool: ({ b }, { name, shape: [, c, h, w] }) => (h < 2 || w < 2 ? undefined : { name: b.node('MaxPool', [name], { kernel_shape: [2, 2] }), shape: [1, c, h - 1, w - 1] }),
  Concat: ({ b }, x, other) => (x.shape[2] === other.shape[2] && x.shape[3] === other.shape[3] && x.shape[1] + other.shape[1] <= 4 ? { name: b.node('Concat', [x.name, other.name], { axis: 1 }), shape: [1, x.shape[1] + other.shape[1], x.shape[2], x.shape[3]] } : undefined),
  Transpose: ({ b }, { name, shape: [, c, h, w] }) => ({ name: b.node('Transpose', [name], { perm: [0, 1, 3, 2] }), shape: [1, c, w, h] }),
  Pad: ({ b }, { name, shape: [, c, h, w] }) => (h > 3 ? undefined : { name: b.node('Pad', [name, b.int64s([0, 0, 1, 0, 0, 0, 0, 0])]), shape: [1, c, h + 1, w] }),
  ReduceMax: ({ b }, x) => ({ name: b.node('Sub', [x.name, b.node('ReduceMax', [x.name], { axes: [2, 3], keepdims: 1 })]), shape: x.shape }),
  ArgMax: ({ b }, { name, shape: [, , h, w] }) => ({ name: b.node('Cast', [b.node('ArgMax', [name], { axis: 1 })], { to: DataType.FLOAT }), shape: [1, 1, h, w] }),
  MatMul: ({ b, weights }, { name, shape: [, c, h, w] }) => ({ name: b.node('MatMul', [name, b.floats(weights(w * 2), [w, 2])]), shape: [1, c, h, 2] }),
}

function network(seed: number): { onnx: Uint8Array; shape: readonly number[]; layers: string[] } {
  const next = random(seed)
  const below = (count: number) => Math.floor(next() * count)
  const b = new ModelBuilder()
  const shape = [1, 1 + below(2), 1 + below(3), 1 + below(3)] as const
  const made: Tensor[] = [{ name: b.integerInput('x', shape, -8, 8), shape }]
  const draw: Draw = { b, below, weights: (count) => Array.from({ length: count }, () => (below(9) - 4) / 2) }
  const layers: string[] = []
  for (let left = 2 + below(6); left > 0; left--) {
    const name = Object.keys(LAYERS)[below(Object.keys(LAYERS).length)]!
    const layer = LAYERS[name]!(draw, made.at(-1)!, made[below(made.length)]!)
    if (!layer) continue
    made.push(layer)
    layers.push(name)
  }
  // An output that is neither the input as it came nor a constant's place.
  return { onnx: b.output(b.node('Add', [made.at(-1)!.name, b.floats([1], [])])).build(13 + below(5)), shape, layers }
}

/** Compiled exactly, or the code of its refusal. */
function compileExactly(onnx: Uint8Array): Compiled | string {
  try {
    return compile(onnx, undefined, { arithmetic: 'exact' })
  } catch (error) {
    if (error instanceof AppError && error.code.startsWith('zk.')) return error.code
    throw error
  }
}

const plain = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0)

/** Numbers that onnxruntime, the twin and the program all gave, for the ends, the ties and random places of the input. */
async function compare(seed: number, { onnx, shape, layers }: ReturnType<typeof network>, compiled: Compiled): Promise<number> {
  const program = decodeProgram(compiled.program)
  const [model, twin] = [await unoptimised(onnx), await session(compiled.integerOnnx)]
  const size = shape.reduce((product, dim) => product * dim, 1)
  const next = random(seed)
  let numbers = 0
  for (let i = 0; i < 12; i++) {
    const data = Array.from({ length: size }, () => [0, -100, 100, Math.round(next() * 40 - 20) / 2][Math.min(i, 3)]!)
    const [ours] = infer(program, { inputs: { x: data } })
    const [theirs, integer] = [(await run(model, { x: { data, shape } }))[ours!.name]!, (await run(twin, { x: { data, shape } }))[ours!.name]!]
    expect(plain(integer), `the twin of network ${seed}, ${layers}`).toEqual(plain(ours!.values))
    // Sums of more than 24 bits may be rounded by float32, and are not by the circuit.
    if (compiled.manifest.magnitudeBits <= 24) expect(plain(ours!.values), `network ${seed}, ${layers}, of ${data}`).toEqual(plain(theirs))
    numbers += theirs.length
  }
  return numbers
}

/** Holds the circuit to a random witness, then changes each of its wires, and pairs of them. */
function mutate(seed: number, { shape, layers }: ReturnType<typeof network>, compiled: Compiled): { wires: number; changes: number } {
  const r1cs = read(compiled.r1cs)
  const next = random(seed + 1)
  const data = Array.from({ length: shape.reduce((product, dim) => product * dim, 1) }, () => Math.round(next() * 16 - 8))
  const made = witness(decodeProgram(compiled.program), { inputs: { x: data }, context: BigInt(seed) })
  const wires = readWitness(made.wtns)
  expect(violated(r1cs, wires), `network ${seed}, ${layers}`).toBeUndefined()
  const singles = mutateEach(r1cs, wires, [1n, -1n, 2n ** 100n])
  expect(singles.survivors.filter(([wire]) => wire !== made.publicSignals.length), `network ${seed}, ${layers}, of ${data}`).toEqual([])
  const pairs = mutatePairs(r1cs, wires, 60)
  expect(pairs.survivors, `network ${seed}, ${layers}, of ${data}`).toEqual([])
  return { wires: r1cs.wireCount, changes: singles.tried + pairs.tried }
}

describe('a random network', () => {
  it('computes what onnxruntime does in its twin, its program and its circuit, and none of its wires is free', { timeout: full ? 1_200_000 : 300_000 }, async () => {
    const count = { compiled: 0, refused: 0, numbers: 0, wires: 0, changes: 0 }
    for (let seed = 1; seed <= NETWORKS; seed++) {
      const drawn = network(seed)
      const compiled = compileExactly(drawn.onnx)
      if (typeof compiled === 'string') {
        expect(compiled, `network ${seed}, ${drawn.layers}`).toMatch(/^zk\.(bound-exceeded|arithmetic-inexact|operator-unsupported|model-invalid)$/)
        count.refused++
        continue
      }
      expect(compileExactly(drawn.onnx)).toEqual(compiled)
      count.numbers += await compare(seed, drawn, compiled)
      const { wires, changes } = mutate(seed, drawn, compiled)
      count.compiled++
      count.wires += wires
      count.changes += changes
    }
    console.log(`${NETWORKS} random networks: ${JSON.stringify(count)}, survivors 0`)
    expect(count.compiled).toBeGreaterThan(NETWORKS * 0.8)
  })
})

describe('a damaged model', () => {
  /** One byte of a small network is changed, or a run of them, or the rest is missing; what still decodes goes through the whole compiler. */
  it('is compiled or refused with a code, wherever the damage is', { timeout: 300_000 }, () => {
    const { onnx } = network(11)
    const outcomes: Record<string, number> = {}
    const attempt = (bytes: Uint8Array) => {
      const answer = compileExactly(bytes)
      const outcome = typeof answer === 'string' ? answer : 'compiled'
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    const next = random(21)
    for (let at = 0; at < onnx.length; at += full ? 1 : 5) {
      for (const flip of [0x01, 0x02, 0x10, 0x80, 0xff]) attempt(onnx.with(at, onnx[at]! ^ flip))
      attempt(onnx.slice(0, at))
      attempt(Uint8Array.from([...onnx.subarray(0, at), ...Array.from({ length: 1 + Math.floor(next() * 6) }, () => Math.floor(next() * 256)), ...onnx.subarray(at + Math.floor(next() * 6))]))
    }
    for (let i = 0; i < 2000; i++) attempt(Uint8Array.from({ length: Math.floor(next() * 200) }, () => Math.floor(next() * 256)))
    console.log(`${Object.values(outcomes).reduce((sum, n) => sum + n, 0)} damaged or random files: ${JSON.stringify(outcomes)}`)
    expect(outcomes['compiled']).toBeGreaterThan(0)
    expect(outcomes['zk.onnx-malformed']).toBeGreaterThan(1000)
  })
})
