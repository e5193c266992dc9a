import { describe, expect, it } from 'vitest'
import { AppError } from '../../errors.js'
import { compile } from '../compile.js'
import { DataType } from '../onnx/index.js'
import { read, violated } from '../r1cs/r1cs-file.js'
import { ModelBuilder } from '../testing/model-builder.js'
import { run, session } from '../testing/ort.js'
import { decodeProgram } from '../witness/program.js'
import { infer, witness } from '../witness/witness.js'
import { read as readWitness } from '../witness/wtns-file.js'

/** Eight integers from an input that the graph rounds and clips to ±100: every integer of that range is tried, and so every tie. */
const INTEGERS = Array.from({ length: 208 }, (_, i) => i - 104)

type Build = (b: ModelBuilder, x: string) => string

const model = (build: Build): Uint8Array => {
  const b = new ModelBuilder()
  return b.output(build(b, b.integerInput('x', [1, 8], -100, 100))).build()
}

const quantised = (type: number, scale: number, zero: number) => (b: ModelBuilder, x: string) => {
  const [unit, point] = [b.floats([scale], []), b.constant(type, [zero], [])]
  return b.node('DequantizeLinear', [b.node('QuantizeLinear', [x, unit, point]), unit, point])
}

const toInt = (b: ModelBuilder, x: string, to: number = DataType.INT64) => b.node('Cast', [x], { to })
const halves = (b: ModelBuilder, x: string, factor: number) => b.node('Mul', [x, b.floats([factor])])

/** What onnxruntime does at ties, at the ends of types, and with integers; the circuit must do the same to the last digit. */
const exact: Record<string, Build> = {
  'QuantizeLinear at ties, int8': (b, x) => quantised(DataType.INT8, 1, 0)(b, halves(b, x, 0.5)),
  'QuantizeLinear at ties of a shifted zero point, uint8': (b, x) => quantised(DataType.UINT8, 2, 37)(b, x),
  'QuantizeLinear at ties and past the ends of int8': (b, x) => quantised(DataType.INT8, 0.5, 3)(b, halves(b, x, 2.25)),
  'Round of quarters': (b, x) => b.node('Round', [halves(b, x, 0.25)]),
  'Floor of quarters': (b, x) => b.node('Floor', [halves(b, x, 0.25)]),
  'Ceil of quarters': (b, x) => b.node('Ceil', [halves(b, x, -0.25)]),
  'Div of int64 by a power of two, towards zero': (b, x) => b.node('Cast', [b.node('Div', [toInt(b, x), b.int64s([4])])], { to: DataType.FLOAT }),
  'Div of int64 by another number, towards zero': (b, x) => b.node('Cast', [b.node('Div', [toInt(b, x), b.int64s([-7])])], { to: DataType.FLOAT }),
  'Clip between equal ends': (b, x) => b.node('Clip', [x, b.floats([3], []), b.floats([3], [])]),
  'Clip with crossed ends': (b, x) => b.node('Clip', [halves(b, x, 0.5), b.floats([5], []), b.floats([-5], [])]),
  'Relu that saturates at nothing': (b, x) => b.node('Relu', [b.node('Relu', [x])]),
  'LeakyRelu at zero': (b, x) => b.node('LeakyRelu', [x], { alpha: { kind: 'float', value: 0.5 } }),
  'Sign at zero': (b, x) => b.node('Sign', [x]),
  'ArgMax of equals': (b, x) => b.node('Cast', [b.node('ArgMax', [b.node('Floor', [halves(b, x, 2 ** -5)])], { axis: 1 })], { to: DataType.FLOAT }),
  'ReduceMean of eight': (b, x) => b.node('ReduceMean', [x], { axes: [1] }),
  'Cast from float to int64, towards zero': (b, x) => b.node('Cast', [toInt(b, halves(b, x, 0.25))], { to: DataType.FLOAT }),
  'Cast from float to bool': (b, x) => b.node('Cast', [b.node('Cast', [x], { to: DataType.BOOL })], { to: DataType.FLOAT }),
}

describe.each(Object.entries(exact))('%s', (_name, build) => {
  it('is what onnxruntime answers, for every integer from -104 to 104', async () => {
    const onnx = model(build)
    const compiled = compile(onnx, undefined, { arithmetic: 'exact' })
    const program = decodeProgram(compiled.program)
    const r1cs = read(compiled.r1cs)
    const [float, twin] = [await session(onnx), await session(compiled.integerOnnx)]
    for (let at = 0; at < INTEGERS.length; at += 8) {
      const data = INTEGERS.slice(at, at + 8)
      const feeds = { x: { data, shape: [1, 8] } }
      const [ours] = infer(program, { inputs: { x: data } })
      const name = ours!.name
      const reference = (await run(float, feeds))[name]!
      expect([...ours!.values].map((value) => value + 0), `of ${data}`).toEqual(reference.map((value) => value + 0))
      expect((await run(twin, feeds))[name]!.map((value) => value + 0)).toEqual(reference.map((value) => value + 0))
      expect(violated(r1cs, readWitness(witness(program, { inputs: { x: data }, context: 0n }).wtns))).toBeUndefined()
    }
  })
})

/** What onnxruntime would wrap around or cut off is refused, by name, before anybody pays for it. */
const refused: Record<string, [Build, RegExp]> = {
  'a cast that would wrap around': [(b, x) => toInt(b, halves(b, x, 4), DataType.INT8), /Cast.*-400\.\.400.*type/s],
  'a cast of negative numbers to an unsigned type': [(b, x) => toInt(b, x, DataType.UINT8), /Cast.*type/s],
  'a divisor that may be zero': [(b, x) => b.node('Div', [x, b.node('Relu', [x])]), /Div.*(may be zero|depends on the input)/s],
  'an int32 sum that would wrap around': [(b, x) => b.node('Mul', [toInt(b, x, DataType.INT32), b.constant(DataType.INT32, [2 ** 27], [])]), /Mul.*type/s],
}

it.each(Object.entries(refused))('refuses %s', (_name, [build, why]) => {
  let error: unknown
  try {
    compile(model(build), undefined, { arithmetic: 'exact' })
  } catch (caught) {
    error = caught
  }
  expect(error).toBeInstanceOf(AppError)
  expect((error as AppError).message).toMatch(why)
})
