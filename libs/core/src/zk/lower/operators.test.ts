import { describe, expect, it } from 'vitest'
import { observe, probe } from '../calibrate.js'
import { compile, type Compiled } from '../compile.js'
import { OPSET_MAX, OPSET_MIN } from '../graph/graph.js'
import { DataType } from '../onnx/index.js'
import { read, violated } from '../r1cs/r1cs-file.js'
import { mutateEach, mutatePairs } from '../testing/mutation.js'
import { float, ModelBuilder, random } from '../testing/model-builder.js'
import { type Feed, run, session } from '../testing/ort.js'
import { decodeProgram, encodeProgram } from '../witness/program.js'
import { infer, witness } from '../witness/witness.js'
import { read as readWitness } from '../witness/wtns-file.js'
import { OPERATORS } from './operators.js'

/** HACA_ZK_SWEEP=full tries more inputs, every wire and every constraint; whole models always get a thousand inputs. */
const full = process.env['HACA_ZK_SWEEP'] === 'full'
const INPUTS = full ? 2000 : 200

type Build = (b: ModelBuilder) => string | readonly string[]
interface Case {
  operator: string
  title?: string
  build: Build
  /** Largest difference from onnxruntime's float result; 0 demands exact arithmetic and the very same numbers. */
  tolerance?: number
  range?: number
  opset?: number
  shape?: readonly number[]
  type?: Feed['type']
}

const seeded = random(7)
/** Multiples of 2^-4 within ±2: exactly representable weights. */
const dyadic = (count: number) => Array.from({ length: count }, () => Math.round((seeded() * 4 - 2) * 16) / 16)
const real = (count: number, scale = 1) => Array.from({ length: count }, () => (seeded() * 2 - 1) * scale)

const X = 'x'
/** An exact case: the input is rounded and clipped to ±8 by the graph, so nothing need be rounded but what the graph rounds. */
const exact = (operator: string, build: (b: ModelBuilder, x: string) => string | readonly string[], more: Partial<Case> & { shape?: readonly number[] } = {}): Case => ({
  operator,
  build: (b) => build(b, b.integerInput(X, more.shape ?? [1, 2, 4, 4], -8, 8)),
  tolerance: 0,
  range: 9.5,
  ...more,
})

/** A rounded case: a float input under int8 arithmetic, held to a tolerance. */
const rounded = (operator: string, tolerance: number, build: (b: ModelBuilder, x: string) => string | readonly string[], more: Partial<Case> = {}): Case => ({
  operator,
  build: (b) => build(b, b.input(X, more.shape ?? [1, 2, 4, 4])),
  tolerance,
  range: 2,
  ...more,
})

const cases: Case[] = [
  exact('Reshape', (b, x) => b.node('Reshape', [x, b.int64s([0, -1, 8])])),
  exact('Flatten', (b, x) => b.node('Flatten', [x], { axis: 2 })),
  exact('Transpose', (b, x) => b.node('Transpose', [x], { perm: [0, 3, 1, 2] })),
  exact('Squeeze', (b, x) => b.node('Squeeze', [x, b.int64s([0])])),
  exact('Unsqueeze', (b, x) => b.node('Unsqueeze', [x, b.int64s([-1, 0])])),
  exact('Concat', (b, x) => b.node('Concat', [x, b.node('Mul', [x, b.floats([0.5])]), b.floats(dyadic(16), [1, 1, 4, 4])], { axis: 1 })),
  exact('Split', (b, x) => { const first = b.node('Split', [x, b.int64s([1, 3])], { axis: 2 }, 2); return [first, b.sibling(first, 1)] }),
  exact('Slice', (b, x) => b.node('Slice', [x, b.int64s([3, -3]), b.int64s([-100, 2 ** 53]), b.int64s([2, 3]), b.int64s([-2, 2])])),
  exact('Gather', (b, x) => b.node('Gather', [x, b.int64s([3, -1, 0, 2], [2, 2])], { axis: 3 })),
  exact('Pad', (b, x) => b.node('Pad', [x, b.int64s([0, 1, 0, 2, 0, 0, 1, 0]), b.floats([1.5], [])])),
  exact('Pad', (b, x) => b.node('Pad', [x, b.int64s([0, 0, 2, 1, 0, 0, 1, 3])], { mode: 'reflect' }), { title: 'by reflection' }),
  exact('Expand', (b, x) => b.node('Expand', [b.node('Slice', [x, b.int64s([0]), b.int64s([1]), b.int64s([1])]), b.int64s([3, 2, 4, 4])])),
  exact('Tile', (b, x) => b.node('Tile', [x, b.int64s([1, 2, 1, 3])])),
  exact('Identity', (b, x) => b.node('Identity', [x])),
  exact('Dropout', (b, x) => b.node('Dropout', [x])),
  exact('Shape', (b, x) => b.node('Reshape', [x, b.node('Shape', [b.node('Transpose', [x], { perm: [3, 2, 1, 0] })])])),
  exact('Constant', (b, x) => b.node('Add', [x, b.node('Constant', [], { value_float: float(2.5) })])),
  exact('ConstantOfShape', (b, x) => b.node('Add', [x, b.node('ConstantOfShape', [b.int64s([4])], { value: { kind: 'tensor', value: { name: '', type: DataType.FLOAT, shape: [1], values: Float64Array.of(3) } } })])),
  exact('Cast', (b, x) => b.node('Cast', [b.node('Cast', [x], { to: DataType.INT64 })], { to: DataType.FLOAT })),
  exact('Resize', (b, x) => b.node('Resize', [x, '', b.floats([1, 1, 2, 3])], { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' })),
  exact('Resize', (b, x) => b.node('Resize', [x, '', '', b.int64s([1, 2, 8, 2])], { mode: 'nearest' }), { title: 'by sizes, half pixel' }),
  exact('DepthToSpace', (b, x) => b.node('DepthToSpace', [b.node('Reshape', [x, b.int64s([1, 8, 2, 2])])], { blocksize: 2 })),
  exact('DepthToSpace', (b, x) => b.node('DepthToSpace', [b.node('Reshape', [x, b.int64s([1, 8, 2, 2])])], { blocksize: 2, mode: 'CRD' }), { title: 'column first' }),
  exact('SpaceToDepth', (b, x) => b.node('SpaceToDepth', [x], { blocksize: 2 })),

  exact('Add', (b, x) => b.node('Add', [x, b.floats(dyadic(8), [2, 1, 4])])),
  exact('Add', (b, x) => b.node('Add', [x, b.node('Mul', [b.node('Transpose', [x], { perm: [0, 1, 3, 2] }), b.floats([0.25])])]), { title: 'of two variables' }),
  exact('Sub', (b, x) => b.node('Sub', [b.floats(dyadic(4)), x])),
  exact('Mul', (b, x) => b.node('Mul', [x, b.floats(dyadic(32), [2, 4, 4])])),
  exact('Mul', (b, x) => b.node('Mul', [x, b.node('Add', [x, b.floats([1])])]), { title: 'of two variables' }),
  exact('Div', (b, x) => b.node('Div', [x, b.floats([-4])])),
  exact('Neg', (b, x) => b.node('Neg', [x])),
  exact('Sum', (b, x) => b.node('Sum', [x, x, b.node('Neg', [b.node('Transpose', [x], { perm: [0, 1, 3, 2] })])])),
  exact('Gemm', (b, x) => b.node('Gemm', [b.node('Flatten', [x]), b.floats(dyadic(32 * 5), [5, 32]), b.floats(dyadic(5))], { transB: 1 })),
  exact('Gemm', (b, x) => b.node('Gemm', [b.node('Reshape', [x, b.int64s([8, 4])]), b.floats(dyadic(24), [8, 3]), b.floats(dyadic(12), [4, 3])], { transA: 1, alpha: float(0.5), beta: float(2) }), { title: 'with everything' }),
  exact('MatMul', (b, x) => b.node('MatMul', [x, b.floats(dyadic(12), [4, 3])])),
  exact('MatMul', (b, x) => b.node('MatMul', [b.floats(dyadic(12), [3, 4]), x]), { title: 'by a constant on the left' }),
  exact('MatMul', (b, x) => b.node('MatMul', [x, b.node('Transpose', [x], { perm: [0, 1, 3, 2] })]), { title: 'of two variables' }),
  exact('Conv', (b, x) => b.node('Conv', [x, b.floats(dyadic(3 * 2 * 9), [3, 2, 3, 3]), b.floats(dyadic(3))], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })),
  exact('Conv', (b, x) => b.node('Conv', [x, b.floats(dyadic(4 * 1 * 6), [4, 1, 3, 2])], { group: 2, strides: [2, 1], pads: [2, 0, 1, 1], dilations: [2, 1] }), { title: 'with groups, strides, dilation and uneven pads' }),
  exact('Conv', (b, x) => b.node('Conv', [x, b.floats(dyadic(2 * 2 * 9), [2, 2, 3, 3])], { auto_pad: 'SAME_UPPER', strides: [2, 2] }), { title: 'with automatic padding' }),
  exact('Conv', (b, x) => b.node('Conv', [b.node('Reshape', [x, b.int64s([1, 2, 16])]), b.floats(dyadic(2 * 2 * 5), [2, 2, 5])], { pads: [2, 2] }), { title: 'in one dimension' }),
  exact('ConvTranspose', (b, x) => b.node('ConvTranspose', [x, b.floats(dyadic(2 * 3 * 9), [2, 3, 3, 3]), b.floats(dyadic(3))], { strides: [2, 2], pads: [1, 0, 1, 1], output_padding: [1, 0] })),
  exact('ConvTranspose', (b, x) => b.node('ConvTranspose', [x, b.floats(dyadic(2 * 2 * 4), [2, 2, 2, 2])], { group: 2, dilations: [2, 1] }), { title: 'with groups and dilation' }),
  exact('AveragePool', (b, x) => b.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] })),
  exact('GlobalAveragePool', (b, x) => b.node('GlobalAveragePool', [x])),
  exact('MaxPool', (b, x) => b.node('MaxPool', [x], { kernel_shape: [3, 2], strides: [1, 2], pads: [1, 0, 0, 1] })),
  exact('MaxPool', (b, x) => b.node('MaxPool', [b.node('Relu', [b.node('Mul', [x, b.floats([0.5])])])], { kernel_shape: [2, 2], strides: [2, 2] }), { title: 'after a Relu, exchanged with it' }),
  exact('MaxPool', (b, x) => b.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, dilations: [1, 1] }), { title: 'with a partial last window' }),
  exact('GlobalMaxPool', (b, x) => b.node('GlobalMaxPool', [x])),
  exact('ReduceSum', (b, x) => b.node('ReduceSum', [x, b.int64s([1, -1])], { keepdims: 0 })),
  exact('ReduceMean', (b, x) => b.node('ReduceMean', [x], { axes: [2] })),
  exact('ReduceMean', (b, x) => b.node('ReduceMean', [x, b.int64s([3])]), { title: 'with axes as an input', opset: 18 }),
  exact('ReduceMax', (b, x) => b.node('ReduceMax', [x], { axes: [1, 3], keepdims: 0 })),
  exact('ReduceMin', (b, x) => b.node('ReduceMin', [x], { axes: [2] })),

  exact('Relu', (b, x) => b.node('Relu', [b.node('Sub', [x, b.floats([0.25])])])),
  exact('LeakyRelu', (b, x) => b.node('LeakyRelu', [x], { alpha: float(0.125) })),
  exact('PRelu', (b, x) => b.node('PRelu', [x, b.floats([0.25, -0.5], [2, 1, 1])])),
  exact('Clip', (b, x) => b.node('Clip', [b.node('Mul', [x, b.floats([0.5])]), b.floats([-1.5], []), b.floats([2], [])])),
  exact('Clip', (b, x) => b.node('Clip', [b.node('Mul', [x, b.floats([0.5])]), '', b.floats([1], [])]), { title: 'from above only' }),
  exact('Abs', (b, x) => b.node('Abs', [x])),
  exact('Sign', (b, x) => b.node('Sign', [x])),
  exact('Max', (b, x) => b.node('Max', [x, b.floats(dyadic(4)), b.node('Neg', [x])])),
  exact('Min', (b, x) => b.node('Min', [x, b.floats(dyadic(4)), b.node('Mul', [x, b.floats([0.5])])])),
  exact('HardSigmoid', (b, x) => b.node('HardSigmoid', [x], { alpha: float(0.125), beta: float(0.5) })),
  exact('Round', (b, x) => b.node('Round', [b.node('Mul', [x, b.floats([0.25])])])),
  exact('Floor', (b, x) => b.node('Floor', [b.node('Mul', [x, b.floats([0.375])])])),
  exact('Ceil', (b, x) => b.node('Ceil', [b.node('Mul', [x, b.floats([0.375])])])),
  ...(['Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Equal'] as const).flatMap((operator) => [
    exact(operator, (b, x) => b.node(operator, [x, b.node('Transpose', [x], { perm: [0, 1, 3, 2] })]), { title: 'of two variables' }),
    exact(operator, (b, x) => b.node(operator, [x, b.floats(operator === 'Equal' ? [-3, 0, 2, 100] : [-3.5, 0, 2.25, -100])]), { title: 'with constants' }),
  ]),
  exact('And', (b, x) => b.node('And', [b.node('Less', [x, b.floats([3])]), b.node('Greater', [x, b.floats([-2])])])),
  exact('Or', (b, x) => b.node('Or', [b.node('Greater', [x, b.floats([3])]), b.node('Less', [x, b.floats([-2])])])),
  exact('Xor', (b, x) => b.node('Xor', [b.node('Greater', [x, b.floats([-3])]), b.node('Less', [x, b.floats([2])])])),
  exact('Not', (b, x) => b.node('Not', [b.node('Greater', [x, b.floats([1])])])),
  exact('Where', (b, x) => b.node('Where', [b.node('Greater', [x, b.floats([1])]), b.node('Mul', [x, b.floats([0.5])]), b.floats(dyadic(4))])),
  exact('Where', (b, x) => b.node('Where', [b.constant(DataType.BOOL, [1, 0, 0, 1]), x, b.node('Neg', [x])]), { title: 'by a constant' }),
  exact('ArgMax', (b, x) => b.node('ArgMax', [x], { axis: 1, keepdims: 0 })),
  exact('ArgMax', (b, x) => b.node('ArgMax', [x], { axis: -1, select_last_index: 1 }), { title: 'of the last of equals' }),
  exact('ArgMin', (b, x) => b.node('ArgMin', [x], { axis: 2 })),

  rounded('BatchNormalization', 0.06, (b, x) => b.node('BatchNormalization', [x, b.floats([1.2, -0.7]), b.floats([0.3, -0.1]), b.floats([0.1, 0.2]), b.floats([1.5, 0.6])])),
  rounded('BatchNormalization', 0.15, (b, x) => {
    const y = b.node('Conv', [x, b.floats(real(2 * 2 * 9, 0.3), [2, 2, 3, 3])], { pads: [1, 1, 1, 1] })
    return b.node('Relu', [b.node('BatchNormalization', [y, b.floats([1.2, 0.7]), b.floats([0.3, -0.1]), b.floats([0.1, 0.2]), b.floats([1.5, 0.6])])])
  }, { title: 'folded into a convolution' }),
  rounded('QuantizeLinear', 0.03, (b, x) => {
    const quantised = (name: string, scale: number, zero: number) => b.node('DequantizeLinear', [b.node('QuantizeLinear', [name, b.floats([scale], []), b.constant(DataType.UINT8, [zero], [])]), b.floats([scale], []), b.constant(DataType.UINT8, [zero], [])])
    return quantised(b.node('Relu', [quantised(x, 0.0173, 117)]), 0.0091, 0)
  }),
  rounded('DequantizeLinear', 0.06, (b, x) => {
    const zero = () => b.constant(DataType.INT8, [0], [])
    const qdq = (name: string, scale: number) => b.node('DequantizeLinear', [b.node('QuantizeLinear', [name, b.floats([scale], []), zero()]), b.floats([scale], []), zero()])
    const weights = Array.from({ length: 3 * 2 * 9 }, () => Math.round(seeded() * 254 - 127))
    const kernel = b.node('DequantizeLinear', [b.constant(DataType.INT8, weights, [3, 2, 3, 3]), b.floats([0.0021, 0.0037, 0.0009]), b.constant(DataType.INT8, [0, 0, 0])], { axis: 0 })
    const conv = b.node('Conv', [qdq(x, 0.0163), kernel, b.floats(real(3))], { pads: [1, 1, 1, 1] })
    return qdq(b.node('Relu', [conv]), 0.0271)
  }, { title: 'of a quantised convolution with a scale for each channel' }),
  // The divisor lies in 1/2..2 in units of 2^-5, the dividend in ±2: half a unit of either, over the least divisor, and half a quotient's unit.
  rounded('Div', 4 * (2 ** -6 / 0.5) + 2 ** -6 / 0.5 + 2 ** -8, (b, x) => b.node('Div', [x, b.node('Clip', [b.node('Transpose', [x], { perm: [0, 1, 3, 2] }), b.floats([0.5], []), b.floats([2], [])])]), { title: 'of two variables' }),
  rounded('Div', 6 * (2 ** -6 / 0.5) + 2 ** -8, (b, x) => b.node('Div', [b.floats([3], []), b.node('Sub', [b.floats([-0.5]), b.node('Relu', [x])])]), { title: 'of a constant by negative numbers' }),
  // Half an input unit (range / 127, up to a power of two) times the steepest slope, and half an output unit.
  rounded('Sigmoid', 2 ** -4 / 4 + 2 ** -15, (b, x) => b.node('Sigmoid', [x]), { range: 8 }),
  rounded('Tanh', 2 ** -5 + 2 ** -15, (b, x) => b.node('Tanh', [x]), { range: 4 }),
  rounded('Erf', 2 ** -6 * 1.1284 + 2 ** -15, (b, x) => b.node('Erf', [x]), { range: 3 }),
  rounded('Exp', 2 ** -6 * Math.exp(2.1), (b, x) => b.node('Exp', [x]), { range: 2 }),
  rounded('Elu', 2 ** -5, (b, x) => b.node('Elu', [x], { alpha: float(0.7) })),
  rounded('Gelu', 2 ** -5, (b, x) => b.node('Gelu', [x]), { opset: 20 }),
  rounded('HardSwish', 2 ** -5 * 1.5 + 2 ** -13, (b, x) => b.node('HardSwish', [x]), { range: 4 }),
  rounded('Softplus', 2 ** -5, (b, x) => b.node('Softplus', [x])),
  rounded('Softsign', 2 ** -5, (b, x) => b.node('Softsign', [x])),
  rounded('Sqrt', 0.13, (b, x) => b.node('Sqrt', [b.node('Relu', [x])])),
  exact('Softmax', (b, x) => b.node('Softmax', [b.node('Mul', [x, b.floats([0.25])])], { axis: 1 }), { tolerance: 2 ** -8 }),
  exact('Sigmoid', (b, x) => b.node('Sigmoid', [b.node('Mul', [x, b.floats([0.5])])]), { title: 'in exact arithmetic', tolerance: 2 ** -10 }),
  rounded('LeakyRelu', 0.05, (b, x) => b.node('LeakyRelu', [b.node('Conv', [x, b.floats(real(8, 0.5), [2, 2, 1, 2])])])),
  rounded('HardSigmoid', 0.03, (b, x) => b.node('HardSigmoid', [x])),
  rounded('Mul', 0.12, (b, x) => b.node('Mul', [b.node('Conv', [x, b.floats(real(4, 0.5), [2, 2, 1, 1])]), b.node('Sigmoid', [x])]), { title: 'of a convolution by a gate' }),
  rounded('AveragePool', 0.05, (b, x) => b.node('AveragePool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })),
  rounded('AveragePool', 0.05, (b, x) => b.node('AveragePool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }), { title: 'that counts padding' }),
  rounded('Clip', 0.03, (b, x) => b.node('Clip', [b.node('Conv', [x, b.floats(real(4), [2, 2, 1, 1])]), b.floats([0], []), b.floats([1.5], [])]), { title: 'of a convolution' }),
]

/** Random inputs, with the ends of the range and zero among them. */
function* inputs(size: number, range: number, count: number): Generator<Float32Array> {
  const next = random(99)
  yield new Float32Array(size).fill(range * 100)
  yield new Float32Array(size).fill(-range * 100)
  yield new Float32Array(size)
  for (let i = 3; i < count; i++) {
    const spread = i % 5 === 0 ? range * 2 : range
    yield Float32Array.from({ length: size }, () => (next() * 2 - 1) * spread)
  }
}

async function compileCase({ build, range = 2, opset = 17, shape = [1, 2, 4, 4], tolerance = 0 }: Case): Promise<{ onnx: Uint8Array; compiled: Compiled; outputs: readonly string[] }> {
  const b = new ModelBuilder()
  const made = build(b)
  const outputs = typeof made === 'string' ? [made] : made
  for (const name of outputs) b.output(name)
  const onnx = b.build(opset)
  if (tolerance === 0) return { onnx, compiled: compile(onnx, undefined, { arithmetic: 'exact' }), outputs }
  const probing = await session(probe(onnx))
  const next = random(3)
  let calibration = undefined
  for (let i = 0; i < 50; i++) {
    const data = Float32Array.from({ length: 32 }, () => (next() * 2 - 1) * range)
    calibration = observe(calibration, { [X]: data, ...(await run(probing, { [X]: { data, shape } })) })
  }
  return { onnx, compiled: compile(onnx, calibration), outputs }
}

describe.each(cases.map((c) => [`${c.operator}${c.title ? ` ${c.title}` : ''}`, c] as const))('%s', (_name, item) => {
  const { range = 2, shape = [1, 2, 4, 4], tolerance = 0 } = item

  it('is what onnxruntime computes; twin, program and circuit agree', async () => {
    const { onnx, compiled, outputs } = await compileCase(item)
    const program = decodeProgram(compiled.program)
    expect(encodeProgram(program)).toEqual(compiled.program)
    const [float, twin] = [await session(onnx), await session(compiled.integerOnnx)]
    const r1cs = read(compiled.r1cs)
    let worst = 0
    let at = 0
    for (const data of inputs(32, range, INPUTS)) {
      const inside = data.every((value) => Math.abs(value) <= range)
      const ours = infer(program, { inputs: { [X]: data } })
      const theirs = await run(twin, { [X]: { data, shape } })
      for (const { name, integers, values } of ours) {
        if (!same(integers, theirs[`${name}/integer`]!) || !same(values, theirs[name]!)) expect([...integers, ...values]).toEqual([...theirs[`${name}/integer`]!, ...theirs[name]!])
      }
      if (at % 20 === 0) {
        const made = witness(program, { inputs: { [X]: data }, context: BigInt(at) })
        const wires = readWitness(made.wtns)
        expect(violated(r1cs, wires)).toBeUndefined()
        expect(wires.slice(1, 1 + made.publicSignals.length)).toEqual(made.publicSignals)
      }
      // Beyond the calibrated range a rounded model saturates, as it should.
      if (at++ % 4 === 0 && (tolerance === 0 || inside)) {
        const reference = await run(float, { [X]: { data, shape } })
        for (const [i, name] of outputs.entries()) for (const [j, value] of reference[name]!.entries()) worst = Math.max(worst, Math.abs(value - ours[i]!.values[j]!))
      }
    }
    expect(worst).toBeLessThanOrEqual(tolerance)
  })

  it('leaves no wire free', async () => {
    const { compiled } = await compileCase(item)
    const r1cs = read(compiled.r1cs)
    const data = Float32Array.from({ length: 32 }, (_, i) => ((i * 7) % 13) - 6)
    const made = witness(decodeProgram(compiled.program), { inputs: { [X]: data }, context: 1n })
    const wires = readWitness(made.wtns)
    const context = made.publicSignals.length
    const every = full ? 1 : Math.ceil(r1cs.wireCount / 400)
    expect(mutateEach(r1cs, wires, [1n, -1n], every).survivors.filter(([wire]) => wire !== context)).toEqual([])
    expect(mutatePairs(r1cs, wires, full ? r1cs.constraints.length : 100).survivors).toEqual([])
  })
})

describe('the opsets', () => {
  it.each([13, 21])('at opset %i every exact case that onnxruntime accepts gives the same numbers', async (opset) => {
    const count = { compared: 0, notOfThisOpset: 0 }
    for (const item of cases.filter(({ tolerance }) => tolerance === 0)) {
      const { build, range = 2, shape = [1, 2, 4, 4] } = item
      const b = new ModelBuilder()
      const made = build(b)
      const outputs = typeof made === 'string' ? [made] : made
      for (const name of outputs) b.output(name)
      const onnx = b.build(opset)
      const float = await session(onnx).catch(() => undefined)
      if (!float) {
        count.notOfThisOpset++
        continue
      }
      const program = decodeProgram(compile(onnx, undefined, { arithmetic: 'exact' }).program)
      for (const data of inputs(32, range, 8)) {
        const reference = await run(float, { [X]: { data, shape } })
        const ours = infer(program, { inputs: { [X]: data } })
        for (const [i, name] of outputs.entries()) if (!same(ours[i]!.values, reference[name]!)) expect([...ours[i]!.values], `${item.operator} ${item.title ?? ''}`).toEqual(reference[name])
      }
      count.compared++
    }
    console.log(`opset ${opset}: ${JSON.stringify(count)}`)
    expect(count.compared).toBeGreaterThanOrEqual(40)
  })
})

describe('the table of operators', () => {
  it('holds at least forty, each of which is exercised here or with the trees', () => {
    const exercised = new Set([...cases.map(({ operator }) => operator), 'ai.onnx.ml.TreeEnsembleClassifier', 'ai.onnx.ml.TreeEnsembleRegressor'])
    expect(Object.keys(OPERATORS).filter((name) => !exercised.has(name))).toEqual([])
    console.log(`${exercised.size} operators of opset ${OPSET_MIN} to ${OPSET_MAX}: ${[...exercised].sort().join(', ')}`)
    expect(exercised.size).toBeGreaterThanOrEqual(40)
  })
})

/** Equal numbers; the two zeros are one. */
const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => a.length === b.length && Array.prototype.every.call(a, (value, i) => value === b[i])
