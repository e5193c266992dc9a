import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as Manifest from './manifest.js'

const whole = {
  ...{ v: 1, name: 'digits', version: '1.0.0', description: 'Tells digits apart.', licence: 'MIT', batching: 'stack', maxUnits: 8 },
  files: [{ role: 'weights', path: 'model.onnx', sha256: '0'.repeat(64), bytes: 1 }],
  engine: { name: 'onnxruntime', opset: 17 },
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64], allowNonFinite: false }],
  outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }],
  labels: ['zero', 'one'],
  accuracy: { metric: 'accuracy', value: 0.97, heldOut: 360, dataSet: 'digits' },
}

const read = (patch: object) => Manifest.read(new TextEncoder().encode(JSON.stringify({ ...whole, ...patch })))

describe('a manifest', () => {
  it('is read with its optional fields and without', () => {
    expect(read({}).manifest).toEqual(whole)
    expect(read({ labels: undefined, accuracy: undefined }).manifest).not.toHaveProperty('labels')
    for (const name of ['digits', 'digits-lenet', 'digits-mlp', 'breast-cancer', 'breast-cancer-trees']) Manifest.read(readFileSync(new URL(`../../../../models/${name}/manifest.json`, import.meta.url)))
  })

  // Anybody registers models; one that cannot be described would take the list of all others with it.
  it.each([
    ['labels', { labels: 5 }],
    ['labels', { labels: [1] }],
    ['labels', { labels: null }],
    ['accuracy', { accuracy: {} }],
    ['accuracy', { accuracy: null }],
    ['accuracy', { accuracy: { ...whole.accuracy, value: 'all of them' } }],
    ['inputs', { inputs: [{ ...whole.inputs[0], allowNonFinite: 'no' }] }],
  ])('names what is malformed: %s', (field, patch) => {
    expect(() => read(patch)).toThrow(`manifest field ${field} is missing or malformed`)
  })
})
