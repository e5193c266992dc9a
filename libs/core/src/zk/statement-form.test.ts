import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compile, type CompileOptions } from './compile.js'
import { decodeForm, encodeForm, formOf, stateSignals } from './statement-form.js'
import { ModelBuilder } from './testing/model-builder.js'
import { decodeProgram } from './witness/program.js'
import { witness } from './witness/witness.js'

describe.each(['digits', 'breast-cancer', 'breast-cancer-trees', 'digits-mlp'])('statement form of %s', (name) => {
  const file = (path: string) => readFileSync(new URL(`../../../../models/${name}/${path}`, import.meta.url))
  const { options } = JSON.parse(file('circuit.json').toString()) as { options: CompileOptions }
  const { input, samples } = JSON.parse(file('samples.json').toString()) as { input: string; samples: { values: number[] }[] }
  const program = decodeProgram(compile(file('model.onnx'), undefined, options).program)
  const form = decodeForm(encodeForm(formOf(program)))

  it('gives the public signals of every proof from request and answer alone', () => {
    for (const { values } of samples.slice(0, 50)) {
      const { publicSignals, outputs } = witness(program, { inputs: { [input]: values }, context: 7n })
      const said = Object.fromEntries(outputs.map(({ name: output, values: numbers }) => [output, numbers]))
      expect(stateSignals(form, { inputs: { [input]: values }, outputs: said, context: 7n })).toEqual(publicSignals)
    }
  })

  it('gives others for another answer, input or context, and refuses what no circuit speaks of', () => {
    const [{ values }] = samples as [{ values: number[] }]
    const label = Number(witness(program, { inputs: { [input]: values }, context: 7n }).outputs[0]?.values[0])
    const base = { inputs: { [input]: values }, outputs: { label: [label] }, context: 7n }
    const signals = stateSignals(form, base)
    expect(stateSignals(form, { ...base, outputs: { label: [label === 0 ? 1 : 0] } })).not.toEqual(signals)
    expect(stateSignals(form, { ...base, inputs: { [input]: values.map((value, i) => (i === 20 ? value + 3 : value)) } })).not.toEqual(signals)
    expect(stateSignals(form, { ...base, context: 8n })).not.toEqual(signals)
    expect(() => stateSignals(form, { ...base, outputs: { label: [1_000] } })).toThrow(expect.objectContaining({ code: 'zk.input-invalid' }))
    expect(() => stateSignals(form, { ...base, outputs: {} })).toThrow(expect.objectContaining({ code: 'zk.input-invalid' }))
    expect(() => stateSignals(form, { ...base, inputs: { [input]: values.slice(1) } })).toThrow(expect.objectContaining({ code: 'zk.input-invalid' }))
  })
})

it('keeps the open end of a one-sided clip, and the infinite thresholds and operands that a model may have', () => {
  const b = new ModelBuilder()
  const positive = b.node('Clip', [b.input('x', [1, 2]), b.floats([0], [])])
  const onnx = b.output(b.node('MatMul', [positive, b.floats([1, -1], [2, 1])])).build()
  const program = decodeProgram(compile(onnx, { ranges: { x: [-4, 4], [positive]: [0, 4], v1_0: [-8, 8] } }, { arithmetic: 'int8' }).program)
  const form = decodeForm(encodeForm(formOf(program)))
  const inputs = { x: [3, -1] }
  const { publicSignals, outputs } = witness(program, { inputs, context: 7n })
  expect(stateSignals(form, { inputs, outputs: Object.fromEntries(outputs.map(({ name, values }) => [name, values])), context: 7n })).toEqual(publicSignals)
  const steps = [{ kind: 'rank' as const, thresholds: [Float64Array.of(-Infinity, 2, Infinity)] }, { kind: 'arithmetic' as const, operator: 'Div' as const, operand: Float64Array.of(Infinity), swapped: false }]
  expect(decodeForm(encodeForm({ ...form, encoders: [{ ...(form.encoders[0] as (typeof form.encoders)[0]), steps }] })).encoders[0]?.steps).toEqual(steps)
})
