import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../errors.js'
import { type Attribute, DataType, decode, encode, type Model } from './index.js'
import { bfloat16, float16 } from './tensor.js'
import { fields, MessageWriter, readVarint, varint } from './wire.js'

const model = (name: string) => readFileSync(new URL(`../../../../../models/${name}/model.onnx`, import.meta.url))

const sample: Model = {
  irVersion: 8,
  opsets: [{ domain: '', version: 17 }, { domain: 'ai.onnx.ml', version: 3 }],
  producer: 'test',
  graph: {
    name: 'g',
    nodes: [
      {
        name: 'n1',
        operator: 'Conv',
        domain: '',
        inputs: ['x', 'w', ''],
        outputs: ['y'],
        attributes: new Map<string, Attribute>([
          ['group', { kind: 'int', value: -3 }],
          ['alpha', { kind: 'float', value: 0.5 }],
          ['mode', { kind: 'string', value: 'constant' }],
          ['pads', { kind: 'ints', value: [0, 1, -2, 2 ** 40] }],
          ['scales', { kind: 'floats', value: [1.5, -0.25] }],
          ['modes', { kind: 'strings', value: ['a', 'ü'] }],
          ['value', { kind: 'tensor', value: { name: '', type: DataType.INT8, shape: [2], values: Float64Array.of(-128, 127) } }],
        ]),
      },
    ],
    initializers: [
      { name: 'w', type: DataType.FLOAT, shape: [1, 2], values: Float64Array.of(1.5, -2) },
      { name: 'i', type: DataType.INT64, shape: [2], values: BigInt64Array.of(-1n, 2n ** 63n - 1n) },
      { name: 's', type: DataType.INT32, shape: [], values: Float64Array.of(-(2 ** 31)) },
    ],
    inputs: [{ name: 'x', type: DataType.FLOAT, shape: ['n', 3, undefined] }],
    outputs: [{ name: 'y' }],
  },
}

describe('the wire format', () => {
  // Vectors from protobuf.dev/programming-guides/encoding: 150 is 96 01, -2 is ten bytes ending in 01.
  it('reads and writes varints as the encoding guide shows', () => {
    expect([...varint(150n)]).toEqual([0x96, 0x01])
    expect(readVarint(Uint8Array.of(0x96, 0x01), 0)).toEqual({ value: 150n, next: 2 })
    const minusTwo = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
    expect([...new MessageWriter().integer(1, -2).finish()]).toEqual([0x08, ...minusTwo])
    expect(BigInt.asIntN(64, readVarint(Uint8Array.from(minusTwo), 0).value)).toBe(-2n)
  })

  it.each([
    ['a truncated varint', [0x08, 0x80]],
    ['a varint of eleven bytes', [0x08, ...Array<number>(10).fill(0x80), 0x00]],
    ['a varint beyond 64 bits', [0x08, ...Array<number>(9).fill(0xff), 0x02]],
    ['a field longer than its message', [0x0a, 0x02, 0x00]],
    ['a group', [0x0b]],
    ['field number zero', [0x00, 0x00]],
    ['a truncated fixed field', [0x0d, 0x00]],
  ])('refuses %s', (_what, bytes) => {
    expect(() => [...fields(Uint8Array.from(bytes))]).toThrow(expect.objectContaining({ code: 'zk.onnx-malformed' }))
  })
})

describe('half floats', () => {
  // IEEE 754-2019 binary16 and the bfloat16 layout, values by hand.
  it('decodes ones, subnormals and infinities', () => {
    expect([0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00].map(float16)).toEqual([1, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY])
    expect([0x3f80, 0xc000, 0x3f81].map(bfloat16)).toEqual([1, -2, 1 + 2 ** -7])
  })
})

describe('models', () => {
  it('come back as they were written', () => {
    expect(decode(encode(sample))).toEqual(sample)
  })

  it('reads the published digits model', () => {
    const { graph, opsets } = decode(model('digits'))
    expect(opsets).toContainEqual({ domain: '', version: 17 })
    expect(graph.nodes.map((node) => node.operator)).toEqual(['Round', 'Clip', 'Gemm', 'Relu', 'Gemm', 'ArgMax', 'Softmax'])
    const weights = graph.initializers.filter((tensor) => tensor.shape.length === 2).map((tensor) => tensor.shape[0]! * tensor.shape[1]!)
    expect(weights).toEqual([64 * 64, 64 * 10])
  })

  it('reads typed data as well as raw data', () => {
    const typed = new MessageWriter().integer(1, 2).integer(2, DataType.FLOAT).text(8, 'w').float(4, 1.5).float(4, -2)
    const graph = new MessageWriter().message(5, typed)
    const bytes = new MessageWriter().integer(1, 8).message(7, graph).finish()
    expect(decode(bytes).graph.initializers[0]!.values).toEqual(Float64Array.of(1.5, -2))
  })

  it.each([
    ['a graph that stands twice', () => new MessageWriter().message(7, new MessageWriter()).message(7, new MessageWriter()), 'zk.onnx-malformed'],
    ['no graph', () => new MessageWriter().integer(1, 8), 'zk.onnx-malformed'],
    ['local functions', () => new MessageWriter().message(7, new MessageWriter()).text(25, ''), 'zk.model-invalid'],
    ['external data', () => new MessageWriter().message(7, new MessageWriter().message(5, new MessageWriter().integer(14, 1))), 'zk.model-invalid'],
    ['raw data of another length', () => new MessageWriter().message(7, new MessageWriter().message(5, new MessageWriter().integer(1, 2).integer(2, 1).bytes(9, new Uint8Array(7)))), 'zk.onnx-malformed'],
    ['a boolean of 2', () => new MessageWriter().message(7, new MessageWriter().message(5, new MessageWriter().integer(1, 1).integer(2, 9).bytes(9, Uint8Array.of(2)))), 'zk.onnx-malformed'],
    ['a shape of 2^60 elements', () => new MessageWriter().message(7, new MessageWriter().message(5, new MessageWriter().integer(1, 2 ** 30).integer(1, 2 ** 30).integer(2, 1))), 'zk.onnx-too-large'],
    ['text that is not UTF-8', () => new MessageWriter().message(7, new MessageWriter().bytes(2, Uint8Array.of(0xff))), 'zk.onnx-malformed'],
  ])('refuses %s', (_what, build, code) => {
    expect(() => decode(build().finish())).toThrow(expect.objectContaining({ code }))
  })

  it('answers every damaged model with a model or a coded refusal', () => {
    const whole = encode(sample)
    let refused = 0
    const attempt = (bytes: Uint8Array) => {
      try {
        decode(bytes)
      } catch (error) {
        if (!(error instanceof AppError) || !error.code.startsWith('zk.')) throw error
        refused++
      }
    }
    for (let length = 0; length < whole.length; length++) attempt(whole.subarray(0, length))
    for (let at = 0; at < whole.length; at++) {
      for (const flip of [0x01, 0x08, 0x80, 0xff]) {
        const damaged = whole.slice()
        damaged[at]! ^= flip
        attempt(damaged)
      }
    }
    expect(refused).toBeGreaterThan(whole.length)
  })
})
