import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Body from './body.js'
import * as Tensor from './tensor.js'

const text = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const pixels = { name: 'pixels', shape: [1, 4], data: [0, 1, 2, 3] }
const specs: Tensor.Spec[] = [{ name: 'pixels', datatype: 'FP32', shape: [-1, 4] }]

const conform = (inputs: Partial<Tensor.Loose>[], s = specs, max = 8) => Tensor.conform(inputs.map((i) => ({ ...pixels, ...i })), s, max)
const refusal = (...args: Parameters<typeof conform>) => {
  const verdict = conform(...args)
  return verdict.ok ? 'ok' : [verdict.reason, verdict.field]
}

describe('request body', () => {
  it('reads a request with all wishes', () => {
    const body = { model: 'digits', inputs: [pixels], verification: 'tee', valueAtRisk: '5', deadlineMs: 10, budget: '7' }
    expect(Body.parse(text(body))).toEqual({
      ok: true,
      value: { model: 'digits', inputs: [{ ...pixels, datatype: undefined }], wish: { verification: 'tee', valueAtRisk: 5n, deadlineMs: 10, budget: 7n } },
    })
  })

  it('names the field it cannot read', () => {
    const cases: [unknown, string][] = [
      ['{', 'body'],
      ['[]', 'body'],
      ['null', 'body'],
      [{ inputs: [pixels] }, 'model'],
      [{ model: 'm' }, 'inputs'],
      [{ model: 'm', inputs: [] }, 'inputs'],
      [{ model: 'm', inputs: [1] }, 'inputs[0]'],
      [{ model: 'm', inputs: [{ ...pixels, shape: 4 }] }, 'inputs[0].shape'],
      [{ model: 'm', inputs: [{ ...pixels, dtype: 'FP32' }] }, 'inputs[0].dtype'],
      [{ model: 'm', inputs: [pixels], verfication: 'tee' }, 'verfication'],
      [{ model: 'm', inputs: [pixels], verification: 'maybe' }, 'verification'],
      [{ model: 'm', inputs: [pixels], budget: 5 }, 'budget'],
      [{ model: 'm', inputs: [pixels], deadlineMs: -1 }, 'deadlineMs'],
    ]
    for (const [body, field] of cases) expect(Body.parse(text(body)), JSON.stringify(body)).toMatchObject({ ok: false, reason: 'body.malformed', field })
    expect(Body.parse(Uint8Array.of(0xff, 0xfe))).toMatchObject({ ok: false, field: 'body' })
  })

  it('never throws on arbitrary bytes or JSON', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void Body.parse(bytes)))
    fc.assert(fc.property(fc.json(), (json) => void Body.parse(text(json))))
  })
})

describe('conforming tensors', () => {
  it('types values and counts rows', () => {
    const verdict = conform([{ shape: [2, 4], data: [0, 1, 2, 3, 4, 5, 6, 7] }])
    expect(verdict).toEqual({ ok: true, value: { units: 2, tensors: [{ name: 'pixels', datatype: 'FP32', shape: [2, 4], data: Float32Array.from([0, 1, 2, 3, 4, 5, 6, 7]) }] } })
  })

  it('names what does not fit', () => {
    expect(refusal([{ name: 'image' }])).toEqual(['tensor.unknown', 'inputs[0].name'])
    expect(refusal([{}, {}])).toEqual(['tensor.duplicate', 'inputs[1].name'])
    expect(refusal([{}], [...specs, { name: 'mask', datatype: 'BOOL', shape: [-1] }])).toEqual(['tensor.missing', 'inputs'])
    expect(refusal([{ datatype: 'INT8' }])).toEqual(['tensor.datatype', 'inputs[0].datatype'])
    expect(refusal([{ shape: [4] }])).toEqual(['tensor.shape', 'inputs[0].shape'])
    expect(refusal([{ shape: [1, 5] }])).toEqual(['tensor.shape', 'inputs[0].shape[1]'])
    expect(refusal([{ shape: [0, 4], data: [] }])).toEqual(['tensor.shape', 'inputs[0].shape[0]'])
    expect(refusal([{ shape: [1.5, 4] }])).toEqual(['tensor.shape', 'inputs[0].shape[0]'])
    expect(refusal([{ data: [0, 1, 2] }])).toEqual(['tensor.length', 'inputs[0].data'])
    expect(refusal([{ data: [0, 1, 'x', 3] }])).toEqual(['tensor.value', 'inputs[0].data[2]'])
    expect(refusal([{ data: [0, 1, null, 3] }])).toEqual(['tensor.value', 'inputs[0].data[2]'])
    expect(refusal([{ data: [0, 1, 'NaN', 3] }])).toEqual(['tensor.not-finite', 'inputs[0].data[2]'])
    expect(refusal([{ data: [0, 1, NaN, 3] }])).toEqual(['tensor.not-finite', 'inputs[0].data[2]'])
    expect(refusal([{ data: [0, 1, 1e39, 3] }])).toEqual(['tensor.value', 'inputs[0].data[2]'])
    expect(refusal([{ shape: [9, 4], data: Array(36).fill(0) }])).toEqual(['tensor.too-many-rows', 'inputs[0].shape[0]'])
    expect(refusal([{ shape: [1e9, 4] }])).toEqual(['tensor.shape', 'inputs[0].shape'])
  })

  it('lets NaN through only where the model says so', () => {
    const verdict = conform([{ data: ['NaN', 'Infinity', '-Infinity', 0] }], [{ ...(specs[0] as Tensor.Spec), allowNonFinite: true }])
    expect(verdict.ok && [...(verdict.value.tensors[0] as Tensor.Tensor).data]).toEqual([NaN, Infinity, -Infinity, 0])
    for (const value of ['toString', '__proto__', 'nan']) expect(refusal([{ data: [value, 0, 0, 0] }], [{ ...(specs[0] as Tensor.Spec), allowNonFinite: true }])).toEqual(['tensor.value', 'inputs[0].data[0]'])
  })

  it.each([
    ['BOOL', [true, false, 1, 0], [2]],
    ['INT8', [-128, 127], [128]],
    ['UINT8', [0, 255], [-1]],
    ['INT32', [-(2 ** 31), 2 ** 31 - 1], [2 ** 31]],
    ['INT64', ['-9223372036854775808', '9223372036854775807', 5], ['9223372036854775808']],
    ['INT64', [0], [2 ** 53]],
    ['INT32', [1], [1.5]],
    ['FP64', [1e300, -0.1], ['1']],
    ['BYTES', ['a', ''], [1]],
  ] as const)('holds %s to its range', (datatype, good, bad) => {
    const spec: Tensor.Spec[] = [{ name: 'x', datatype, shape: [-1] }]
    const of = (data: readonly unknown[]) => Tensor.conform([{ name: 'x', shape: [data.length], data }], spec, 8)
    const verdict = of(good)
    expect(verdict.ok).toBe(true)
    if (verdict.ok) expect(of(Tensor.toValues(verdict.value.tensors[0] as Tensor.Tensor))).toEqual(verdict)
    expect(of(bad)).toMatchObject({ ok: false, reason: 'tensor.value', field: 'inputs[0].data[0]' })
  })
})

describe('how a proof is shown', () => {
  const body = (change: object) => Body.parse(text({ model: 'm', inputs: [pixels], ...change }))

  it('is the caller’s to choose, and nobody’s to guess', () => {
    for (const proofSettlement of ['batch', 'single', 'dispute']) expect(body({ proofSettlement })).toMatchObject({ ok: true, value: { wish: { proofSettlement } } })
    const unsaid = body({})
    expect(unsaid.ok && 'proofSettlement' in unsaid.value.wish).toBe(false)
    for (const proofSettlement of ['later', '', 7, null]) expect(body({ proofSettlement })).toMatchObject({ ok: false, field: 'proofSettlement' })
  })
})
