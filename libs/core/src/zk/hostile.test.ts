import { describe, expect, it } from 'vitest'
import { AppError } from '../errors.js'
import { compile, type Compiled } from './compile.js'
import { DataType, encode, type Model } from './onnx/index.js'
import { MessageWriter } from './onnx/wire.js'
import { ModelBuilder, random } from './testing/model-builder.js'
import { run, session } from './testing/ort.js'
import { decodeProgram } from './witness/program.js'
import { infer } from './witness/witness.js'

/** What takes longer hangs, on however busy a machine, in milliseconds; honest refusals take a few. */
const HANG_MS = 30_000

/** What compiling answers: the error's code, or "compiled". Anything but a coded refusal is a crash and is thrown on. */
function outcome(onnx: Uint8Array, more: Parameters<typeof compile>[2] = {}): { code: string; message: string } {
  try {
    compile(onnx, { ranges: ranges() }, more)
    return { code: 'compiled', message: '' }
  } catch (error) {
    if (!(error instanceof AppError) || !error.code.startsWith('zk.')) throw error
    return { code: error.code, message: error.message }
  }
}

/** Every name that the random graphs use has a range. */
const ranges = () => Object.fromEntries([['x', [-4, 4]], ...Array.from({ length: 60 }, (_, i) => [0, 1, 2].map((j) => [`v${i}_${j}`, [-8, 8]] as const)).flat()]) as Record<string, [number, number]>

type Build = (b: ModelBuilder, x: string) => string
const built = (build: Build): Uint8Array => {
  const b = new ModelBuilder()
  return b.output(build(b, b.integerInput('x', [1, 4], -8, 8))).build()
}

/** A model by hand, for what the builder would not write. */
const raw = (graph: Partial<Model['graph']>, more: Partial<Model> = {}): Uint8Array =>
  encode({
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    producer: 'test',
    graph: { name: 'g', nodes: [], initializers: [], inputs: [{ name: 'x', type: DataType.FLOAT, shape: [1, 4] }], outputs: [{ name: 'y' }], ...graph },
    ...more,
  })

const node = (operator: string, inputs: readonly string[], outputs: readonly string[]) => ({ name: operator, operator, domain: '', inputs, outputs, attributes: new Map() })

/** Bytes of a model whose graph holds one field, `count` times. */
const repeated = (number: number, one: () => MessageWriter, count: number): Uint8Array => {
  const graph = new MessageWriter()
  for (let i = 0; i < count; i++) graph.message(number, one())
  return new MessageWriter().integer(1, 8).message(7, graph).finish()
}

const hostile: Record<string, () => Uint8Array> = {
  'a constant of 2^40 elements made from three numbers': () => built((b) => b.node('ConstantOfShape', [b.int64s([2 ** 20, 2 ** 20])])),
  'an Expand to 2^40 elements': () => built((b, x) => b.node('Expand', [x, b.int64s([2 ** 20, 2 ** 18, 4])])),
  'a Tile of 2^36 copies': () => built((b, x) => b.node('Tile', [x, b.int64s([2 ** 18, 2 ** 18])])),
  'a Tile with negative repeats': () => built((b, x) => b.node('Tile', [x, b.int64s([1, -2])])),
  'a Tile with too few repeats': () => built((b, x) => b.node('Tile', [x, b.int64s([2])])),
  'a Pad of 2^40': () => built((b, x) => b.node('Pad', [x, b.int64s([0, 2 ** 40, 0, 0])])),
  'a Pad that cuts off more than there is': () => built((b, x) => b.node('Pad', [x, b.int64s([0, -9, 0, 0])])),
  'a Pad with too few numbers': () => built((b, x) => b.node('Pad', [x, b.int64s([1])])),
  'a Resize to 2^40': () => built((b, x) => b.node('Resize', [x, '', '', b.int64s([2 ** 20, 2 ** 22])], { mode: 'nearest' })),
  'a Resize without sizes': () => built((b, x) => b.node('Resize', [x, '', ''], { mode: 'nearest' })),
  'a Concat that doubles thirty times': () => built((b, x) => {
    let at = x
    for (let i = 0; i < 30; i++) at = b.node('Concat', [at, at], { axis: 1 })
    return at
  }),
  'a Reshape to negative dimensions': () => built((b, x) => b.node('Reshape', [x, b.int64s([-2, -2])])),
  'a Reshape with two open dimensions': () => built((b, x) => b.node('Reshape', [x, b.int64s([-1, -1, 4])])),
  'a Transpose that names an axis twice': () => built((b, x) => b.node('Transpose', [x], { perm: [1, 1] })),
  'a Transpose of an axis that is not there': () => built((b, x) => b.node('Transpose', [x], { perm: [0, 7] })),
  'a Split beyond the end': () => built((b, x) => b.node('Split', [x, b.int64s([3, 7])], { axis: 1 }, 2)),
  'a Split into negative parts': () => built((b, x) => b.node('Split', [x, b.int64s([6, -2])], { axis: 1 }, 2)),
  'a Slice with lists of different lengths': () => built((b, x) => b.node('Slice', [x, b.int64s([0, 0]), b.int64s([1])])),
  'a Gemm of a vector': () => built((b, x) => b.node('Gemm', [b.node('Reshape', [x, b.int64s([4])]), b.floats([1, 1, 1, 1], [4, 1])])),
  'a Gemm whose matrix does not fit': () => built((b, x) => b.node('Gemm', [x, b.floats([1, 1, 1], [3, 1])])),
  'a Gemm by a vector': () => built((b, x) => b.node('Gemm', [x, b.floats([1, 1, 1, 1], [4])])),
  'a Gemm whose bias does not broadcast': () => built((b, x) => b.node('Gemm', [x, b.floats([1, 1, 1, 1], [4, 1]), b.floats([1, 2, 3], [3])])),
  'a MatMul whose matrix does not fit': () => built((b, x) => b.node('MatMul', [x, b.floats([1, 1, 1], [3, 1])])),
  'a MatMul of variables that do not fit': () => built((b, x) => b.node('MatMul', [x, x])),
  'a Conv of a matrix': () => built((b, x) => b.node('Conv', [x, b.floats([1], [1, 1, 1])])),
  'a Conv with no channels in a group': () => built((b, x) => b.node('Conv', [b.node('Reshape', [x, b.int64s([1, 1, 4])]), b.floats([1], [1, 1, 1])], { group: 0 })),
  'a Conv whose bias has another length': () => built((b, x) => b.node('Conv', [b.node('Reshape', [x, b.int64s([1, 1, 4])]), b.floats([1], [1, 1, 1]), b.floats([1, 2])])),
  'a Conv larger than its input': () => built((b, x) => b.node('Conv', [b.node('Reshape', [x, b.int64s([1, 1, 4])]), b.floats(Array(9).fill(1), [1, 1, 9])])),
  'a Conv with pads of 2^40': () => built((b, x) => b.node('Conv', [b.node('Reshape', [x, b.int64s([1, 1, 4])]), b.floats([1], [1, 1, 1])], { pads: [2 ** 40, 0] })),
  'a ConvTranspose of a huge stride': () => built((b, x) => b.node('ConvTranspose', [b.node('Reshape', [x, b.int64s([1, 1, 4])]), b.floats([1], [1, 1, 1])], { strides: [2 ** 40] })),
  'a MaxPool of a huge kernel': () => built((b, x) => b.node('MaxPool', [b.node('Reshape', [x, b.int64s([1, 1, 4])])], { kernel_shape: [2 ** 40], pads: [2 ** 40, 2 ** 40] })),
  'a MaxPool whose kernel has too many axes': () => built((b, x) => b.node('MaxPool', [b.node('Reshape', [x, b.int64s([1, 1, 4])])], { kernel_shape: [1, 1, 1] })),
  'an AveragePool of no rank': () => built((b, x) => b.node('AveragePool', [b.node('Reshape', [x, b.int64s([4])])], { kernel_shape: [] })),
  'a DepthToSpace of blocks of zero': () => built((b, x) => b.node('DepthToSpace', [b.node('Reshape', [x, b.int64s([1, 4, 1, 1])])], { blocksize: 0 })),
  'a SpaceToDepth that does not divide': () => built((b, x) => b.node('SpaceToDepth', [b.node('Reshape', [x, b.int64s([1, 1, 2, 2])])], { blocksize: 3 })),
  'a Gather of fractional places': () => built((b, x) => b.node('Gather', [x, b.floats([0.5], [1])], { axis: 1 })),
  'a Clip to NaN': () => built((b, x) => b.node('Clip', [b.node('Mul', [x, b.floats([0.5])]), b.floats([Number.NaN], []), b.floats([1], [])])),
  'an Add of infinity': () => built((b, x) => b.node('Add', [x, b.floats([Number.POSITIVE_INFINITY])])),
  'a Mul by the smallest float': () => built((b, x) => b.node('Mul', [b.node('Mul', [x, b.floats([2 ** -149])]), b.floats([2 ** 127])])),
  'a QuantizeLinear of scale zero': () => built((b, x) => b.node('QuantizeLinear', [x, b.floats([0], []), b.constant(DataType.INT8, [0], [])])),
  'a QuantizeLinear of a negative scale': () => built((b, x) => b.node('QuantizeLinear', [x, b.floats([-1], []), b.constant(DataType.INT8, [0], [])])),
  'a BatchNormalization of negative variance': () => built((b, x) => b.node('BatchNormalization', [x, b.floats([1, 1, 1, 1]), b.floats([0, 0, 0, 0]), b.floats([0, 0, 0, 0]), b.floats([-1, -1, -1, -1])])),
  'a BatchNormalization of too few channels': () => built((b, x) => b.node('BatchNormalization', [x, b.floats([1]), b.floats([0]), b.floats([0]), b.floats([1])])),
  'an ArgMax over nothing': () => built((b, x) => b.node('ArgMax', [b.node('Slice', [x, b.int64s([0]), b.int64s([0]), b.int64s([1])])], { axis: 1 })),
  'a ReduceMax over nothing': () => built((b, x) => b.node('ReduceMax', [b.node('Slice', [x, b.int64s([0]), b.int64s([0]), b.int64s([1])])], { axes: [1] })),
  'a Softmax over nothing': () => built((b, x) => b.node('Softmax', [b.node('Slice', [x, b.int64s([0]), b.int64s([0]), b.int64s([1])])], { axis: 1 })),
  'a product that doubles its bits fifty times': () => built((b, x) => {
    let at = x
    for (let i = 0; i < 50; i++) at = b.node('Mul', [at, at])
    return at
  }),
  'a MatMul whose sizes fit and whose axes do not': () => built((b, x) => b.node('MatMul', [b.node('Reshape', [x, b.int64s([4, 1])]), b.floats([1, 1], [2, 1])])),
  'an And of numbers that are no bits': () => built((b, x) => b.node('And', [x, x])),
  'a Where by numbers that are no bits': () => built((b, x) => b.node('Where', [x, x, x])),
  'a Where that does not broadcast': () => built((b, x) => b.node('Where', [b.node('Less', [x, b.floats([1])]), b.floats([1, 2, 3]), x])),
  'a Cast to no type': () => built((b, x) => b.node('Cast', [x], { to: -1 })),
  'a Div of integers by a fraction': () => built((b, x) => b.node('Div', [b.node('Cast', [x], { to: DataType.INT64 }), b.floats([0.5])])),
  'a PRelu whose slope does not broadcast to its input': () => built((b, x) => b.node('PRelu', [x, b.floats([1, 2, 3], [3, 1])])),
  'a node without inputs': () => built((b) => b.node('Add', [])),
  'a node without outputs': () => raw({ nodes: [node('Relu', ['x'], ['y']), node('Relu', ['x'], [])] }),
  'an input of 2^60 elements': () => raw({ inputs: [{ name: 'x', type: DataType.FLOAT, shape: [1, 2 ** 30, 2 ** 30] }], nodes: [node('Relu', ['x'], ['y'])] }),
  'an input of no elements': () => raw({ inputs: [{ name: 'x', type: DataType.FLOAT, shape: [1, 0] }], nodes: [node('Relu', ['x'], ['y'])] }),
  'an input of text': () => raw({ inputs: [{ name: 'x', type: 8, shape: [1, 4] }], nodes: [node('Relu', ['x'], ['y'])] }),
  'an input that is declared twice': () => raw({ inputs: [{ name: 'x', type: DataType.FLOAT, shape: [1, 4] }, { name: 'x', type: DataType.FLOAT, shape: [1, 8] }], nodes: [node('Relu', ['x'], ['y'])] }),
  'an output that is declared twice': () => raw({ outputs: [{ name: 'y' }, { name: 'y' }], nodes: [node('Relu', ['x'], ['y'])] }),
  'an opset that is given twice': () => raw({ nodes: [node('Relu', ['x'], ['y'])] }, { opsets: [{ domain: '', version: 9 }, { domain: 'ai.onnx', version: 17 }] }),
  'two nodes that wait for each other': () => raw({ nodes: [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['b'], ['y'])] }),
  'a node that waits for itself': () => raw({ nodes: [node('Add', ['x', 'y'], ['y'])] }),
  'a value that is made twice': () => raw({ nodes: [node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y'])] }),
  'a model with no outputs': () => raw({ nodes: [node('Relu', ['x'], ['y'])], outputs: [] }),
  'a model with no inputs': () => raw({ inputs: [], initializers: [{ name: 'k', type: DataType.FLOAT, shape: [1], values: Float64Array.of(1) }], nodes: [node('Relu', ['k'], ['y'])] }),
  'an operator named like a method of every object': () => raw({ nodes: [node('toString', ['x'], ['y'])] }),
  'a value named __proto__': () => raw({ nodes: [node('Relu', ['x'], ['__proto__'])], outputs: [{ name: '__proto__' }] }),
  'a million initialisers': () => repeated(5, () => new MessageWriter().integer(2, 1).integer(1, 0), 1_000_000),
  'a million inputs': () => repeated(11, () => new MessageWriter().text(1, 'x'), 1_000_000),
  'a million nodes': () => repeated(1, () => new MessageWriter().text(4, 'Relu'), 1_000_000),
  'a tensor of a million axes': () => repeated(5, () => {
    const tensor = new MessageWriter().integer(2, 1)
    for (let i = 0; i < 1_000_000; i++) tensor.integer(1, 1)
    return tensor
  }, 1),
  'a node of a million inputs': () => repeated(1, () => {
    const one = new MessageWriter()
    for (let i = 0; i < 1_000_000; i++) one.text(1, '')
    return one
  }, 1),
  'forty million integers one byte each': () => new MessageWriter().integer(1, 8).message(7, new MessageWriter().message(5, new MessageWriter().integer(1, 4e7).integer(2, 7).bytes(7, new Uint8Array(4e7)))).finish(),
  'a chain of sixty thousand nodes behind one product': () => {
    const nodes = [node('MatMul', ['x', 'w'], ['n0'])]
    for (let i = 1; i < 60_000; i++) nodes.push(node('Identity', [`n${i - 1}`], [`n${i}`]))
    return raw({ nodes, outputs: [{ name: 'n59999' }], initializers: [{ name: 'w', type: DataType.FLOAT, shape: [4, 1], values: Float64Array.of(1, 2, 3, 4) }] })
  },
}

/** Those of the above that are lawful, if odd; they compile. */
const LAWFUL = new Set(['a chain of sixty thousand nodes behind one product', 'a value named __proto__', 'a product that doubles its bits fifty times', 'a Mul by the smallest float'])

describe('a hostile model', () => {
  it.each(Object.entries(hostile))('%s is answered by a coded refusal and hangs nobody', { timeout: HANG_MS }, (name, build) => {
    const onnx = build()
    const { code, message } = outcome(onnx)
    if (LAWFUL.has(name)) return
    expect(code).toMatch(/^zk\.(onnx-malformed|onnx-too-large|model-invalid|operator-unsupported|bound-exceeded)$/)
    expect(message.length).toBeGreaterThan(10)
  })
})

/** Operators with how many inputs they like; attributes and shapes are drawn without regard to what is lawful. */
const OPERATORS = {
  Abs: 1, Add: 2, And: 2, ArgMax: 1, AveragePool: 1, BatchNormalization: 5, Cast: 1, Clip: 3, Concat: 2, Conv: 3, ConvTranspose: 2, DepthToSpace: 1, DequantizeLinear: 3, Div: 2, Equal: 2, Erf: 1, Exp: 1, Expand: 2,
  Flatten: 1, Floor: 1, Gather: 2, Gemm: 3, GlobalAveragePool: 1, GlobalMaxPool: 1, HardSigmoid: 1, LeakyRelu: 1, Less: 2, MatMul: 2, Max: 2, MaxPool: 1, Mul: 2, Neg: 1, Not: 1, PRelu: 2, Pad: 3, QuantizeLinear: 3,
  ReduceMax: 1, ReduceMean: 1, ReduceSum: 2, Relu: 1, Reshape: 2, Resize: 4, Round: 1, Shape: 1, Sigmoid: 1, Sign: 1, Slice: 5, Softmax: 1, SpaceToDepth: 1, Split: 2, Sqrt: 1, Squeeze: 2, Sub: 2, Sum: 3, Tanh: 1,
  Tile: 2, Transpose: 1, Unsqueeze: 2, Where: 3, Xor: 2, LSTM: 3,
} as const
const ATTRIBUTES = ['axis', 'axes', 'perm', 'kernel_shape', 'strides', 'pads', 'group', 'alpha', 'keepdims', 'blocksize', 'mode', 'transB', 'to', 'dilations', 'ceil_mode', 'auto_pad']

/** The model compiled exactly, or nothing where that is refused. */
function tryExactly(onnx: Uint8Array): Compiled | undefined {
  try {
    return compile(onnx, undefined, { arithmetic: 'exact' })
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

function randomModel(seed: number): Uint8Array {
  const next = random(seed)
  const below = (count: number) => Math.floor(next() * count)
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T
  const b = new ModelBuilder()
  const shape = Array.from({ length: 1 + below(4) }, () => 1 + below(4))
  const names = [next() < 0.5 ? b.integerInput('x', shape, -8, 8) : b.input('x', shape)]
  const dims = () => Array.from({ length: below(4) }, () => 1 + below(4))
  const constant = () => {
    const of = dims()
    const count = of.reduce((product, dim) => product * dim, 1)
    if (next() < 0.4) return b.int64s(Array.from({ length: count }, () => below(12) - 4), of)
    if (next() < 0.1) return b.constant(pick([DataType.INT8, DataType.UINT8, DataType.BOOL]), Array.from({ length: count }, () => below(2)), of)
    return b.floats(Array.from({ length: count }, () => (next() < 0.02 ? pick([Number.NaN, Infinity, 1e38, 1e-45]) : (below(65) - 32) / 16)), of)
  }
  const attribute = () => pick([() => below(6) - 2, () => Array.from({ length: below(5) }, () => below(6) - 1), () => pick(['constant', 'edge', 'SAME_UPPER', 'nearest', 'CRD']), () => next()])()
  for (let left = 1 + below(8); left > 0; left--) {
    const operator = pick(Object.keys(OPERATORS) as (keyof typeof OPERATORS)[])
    const inputs = Array.from({ length: OPERATORS[operator] }, (_, i) => (next() < (i === 0 ? 0.95 : 0.35) ? pick(names) : next() < 0.9 ? constant() : ''))
    const attributes = Object.fromEntries(Array.from({ length: below(3) }, () => [pick(ATTRIBUTES), attribute()]))
    names.push(b.node(operator, inputs, attributes, operator === 'Split' ? 2 : 1))
  }
  return b.output(names.at(-1)!).build(13 + below(9))
}

describe('random graphs', () => {
  it('that compile exactly answer what onnxruntime answers, where float32 rounds nothing', { timeout: 4 * HANG_MS }, async () => {
    const rounds = process.env['HACA_ZK_SWEEP'] === 'full' ? 50_000 : 3000
    const count = { compared: 0, refusedByOnnxruntime: 0, beyondFloat32: 0, byTable: 0, numbers: 0 }
    for (let seed = 1; seed <= rounds; seed++) {
      const onnx = randomModel(seed)
      const compiled = tryExactly(onnx)
      if (!compiled) continue
      // An intermediate sum of more than 24 bits may be rounded by float32 and is not by the circuit.
      if (compiled.manifest.magnitudeBits > 24) {
        count.beyondFloat32++
        continue
      }
      if (compiled.manifest.notes.length > 0) {
        count.byTable++
        continue
      }
      const program = decodeProgram(compiled.program)
      const { name, shape } = compiled.manifest.inputs[0]!
      const next = random(seed)
      let float
      try {
        float = await session(onnx)
      } catch {
        count.refusedByOnnxruntime++
        continue
      }
      const twin = await session(compiled.integerOnnx)
      for (let i = 0; i < 4; i++) {
        const data = Array.from({ length: shape.reduce((product, dim) => product * dim, 1) }, () => (i === 0 ? 0 : Math.round((next() * 40 - 20) * 2) / 2))
        const feeds = { [name]: { data, shape } }
        const [ours] = infer(program, { inputs: { [name]: data } })
        const [theirs, integer] = [(await run(float, feeds))[ours!.name]!, (await run(twin, feeds))[ours!.name]!]
        const plain = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0)
        expect(plain(integer), `the twin of random graph ${seed}`).toEqual(plain(ours!.values))
        expect(plain(ours!.values), `random graph ${seed} of ${data}`).toEqual(plain(theirs))
        count.numbers += theirs.length
      }
      count.compared++
    }
    console.log(`${rounds} random graphs: ${JSON.stringify(count)}`)
    expect(count.compared).toBeGreaterThan(rounds / 200)
  })

  it('compile or are refused with a code, and never crash the compiler or hang it', { timeout: 4 * HANG_MS }, () => {
    const outcomes = new Map<string, number>()
    const rounds = process.env['HACA_ZK_SWEEP'] === 'full' ? 50_000 : 3000
    for (let seed = 1; seed <= rounds; seed++) {
      const onnx = randomModel(seed)
      for (const arithmetic of ['auto', 'int8'] as const) {
        let code: string
        try {
          code = outcome(onnx, { arithmetic }).code
        } catch (cause) {
          throw new Error(`the random graph of seed ${seed} under ${arithmetic} crashed the compiler`, { cause })
        }
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1)
      }
    }
    console.log(`${rounds} random graphs, compiled twice each: ${JSON.stringify(Object.fromEntries(outcomes))}`)
    expect(outcomes.get('compiled')).toBeGreaterThan(rounds / 20)
  })
})
