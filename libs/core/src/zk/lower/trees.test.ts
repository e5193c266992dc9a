import { describe, expect, it } from 'vitest'
import { compile } from '../compile.js'
import { read, violated } from '../r1cs/r1cs-file.js'
import { mutateEach, mutatePairs } from '../testing/mutation.js'
import { ModelBuilder, random } from '../testing/model-builder.js'
import { run, session } from '../testing/ort.js'
import { decodeProgram } from '../witness/program.js'
import { infer, witness } from '../witness/witness.js'
import { read as readWitness } from '../witness/wtns-file.js'
import { floatBefore } from './tree-attributes.js'

interface Spec {
  trees: number
  depth: number
  features: number
  classes: number
  mode?: string
  /** Classes that leaves vote for. */
  voting?: readonly number[]
  weight: (next: () => number) => number
  transform?: string
  /** 0, 1, … unless told otherwise. */
  labels?: readonly number[]
  seed: number
}

/** Attributes of a random full-depth ensemble; thresholds are float32 numbers in -1..1. */
function ensemble({ trees, depth, features, mode = 'BRANCH_LEQ', voting, classes, weight, seed }: Spec, votes: 'class' | 'target') {
  const next = random(seed)
  const lists: Record<string, number[]> = {}
  const modes: string[] = []
  const push = (name: string, value: number) => (lists[name] ??= []).push(value)
  for (let tree = 0; tree < trees; tree++) {
    const inner = 2 ** depth - 1
    for (let node = 0; node < 2 ** (depth + 1) - 1; node++) {
      const leaf = node >= inner
      push('nodes_treeids', tree)
      push('nodes_nodeids', node)
      push('nodes_featureids', leaf ? 0 : Math.floor(next() * features))
      push('nodes_values', leaf ? 0 : Math.fround(next() * 2 - 1))
      push('nodes_truenodeids', leaf ? 0 : 2 * node + 1)
      push('nodes_falsenodeids', leaf ? 0 : 2 * node + 2)
      modes.push(leaf ? 'LEAF' : mode)
      if (!leaf) continue
      const targets = voting ?? [tree % classes]
      for (const target of targets) {
        push(`${votes}_treeids`, tree)
        push(`${votes}_nodeids`, node)
        push(`${votes}_ids`, target)
        push(`${votes}_weights`, Math.fround(weight(next)))
      }
    }
  }
  const kind = (name: string) => (name === 'nodes_values' || name.endsWith('_weights') ? 'floats' : 'ints')
  const attributes = Object.fromEntries(Object.entries(lists).map(([name, value]) => [name, { kind: kind(name), value } as const]))
  return { ...attributes, nodes_modes: { kind: 'strings', value: modes } as const }
}

function classifier(spec: Spec, prepare: (b: ModelBuilder, x: string) => string = (_b, x) => x): Uint8Array {
  const b = new ModelBuilder()
  const x = prepare(b, b.input('x', ['n', spec.features]))
  const labels = { kind: 'ints', value: spec.labels ?? Array.from({ length: spec.classes }, (_, i) => i) } as const
  const label = b.node('TreeEnsembleClassifier', [x], { ...ensemble(spec, 'class'), classlabels_int64s: labels, post_transform: spec.transform ?? 'NONE' }, 2, 'ai.onnx.ml')
  return b.output(label).output(b.sibling(label, 1)).build()
}

function regressor(spec: Spec): Uint8Array {
  const b = new ModelBuilder()
  const x = b.input('x', ['n', spec.features])
  return b.output(b.node('TreeEnsembleRegressor', [x], { ...ensemble(spec, 'target'), n_targets: spec.classes, base_values: { kind: 'floats', value: Array.from({ length: spec.classes }, (_, i) => i / 4) }, post_transform: spec.transform ?? 'NONE' }, 1, 'ai.onnx.ml')).build()
}

/** Dyadic weights, so that float32 sums are exact and every result must be the same. */
const dyadic = (next: () => number) => Math.round(next() * 64 - 32) / 64
const positive = (next: () => number) => Math.round(next() * 64) / 1024

const models: Record<string, { onnx: Uint8Array; features: number; tolerance: number }> = {
  'three classes': { onnx: classifier({ trees: 12, depth: 4, features: 6, classes: 3, weight: dyadic, seed: 1 }), features: 6, tolerance: 0 },
  'BRANCH_LT': { onnx: classifier({ trees: 5, depth: 3, features: 4, classes: 3, weight: dyadic, mode: 'BRANCH_LT', seed: 2 }), features: 4, tolerance: 0 },
  'BRANCH_GT': { onnx: classifier({ trees: 5, depth: 3, features: 4, classes: 3, weight: dyadic, mode: 'BRANCH_GT', seed: 3 }), features: 4, tolerance: 0 },
  'BRANCH_GTE': { onnx: classifier({ trees: 5, depth: 3, features: 4, classes: 3, weight: dyadic, mode: 'BRANCH_GTE', seed: 4 }), features: 4, tolerance: 0 },
  'two classes, votes of both signs': { onnx: classifier({ trees: 20, depth: 3, features: 5, classes: 2, voting: [0], weight: dyadic, seed: 5 }), features: 5, tolerance: 0 },
  'two classes, positive votes': { onnx: classifier({ trees: 20, depth: 3, features: 5, classes: 2, voting: [0], weight: positive, seed: 6 }), features: 5, tolerance: 0 },
  'two classes that both have votes': { onnx: classifier({ trees: 9, depth: 3, features: 4, classes: 2, voting: [0, 1], weight: dyadic, seed: 12 }), features: 4, tolerance: 0 },
  'two classes through a sigmoid': { onnx: classifier({ trees: 20, depth: 3, features: 5, classes: 2, voting: [0], weight: dyadic, transform: 'LOGISTIC', seed: 7 }), features: 5, tolerance: 2 ** -8 },
  'two targets with base values': { onnx: regressor({ trees: 10, depth: 3, features: 5, classes: 2, weight: dyadic, seed: 8 }), features: 5, tolerance: 0 },
  'features that were integers': {
    onnx: classifier({ trees: 8, depth: 3, features: 4, classes: 3, weight: dyadic, seed: 9 }, (b, x) => b.node('Mul', [b.node('Clip', [b.node('Round', [b.node('Mul', [x, b.floats([16])])]), b.floats([-20], []), b.floats([20], [])]), b.floats([1 / 16])])),
    features: 4,
    tolerance: 0,
  },
}

describe.each(Object.entries(models))('a tree ensemble with %s', (_name, { onnx, features, tolerance }) => {
  const compiled = compile(onnx)
  const program = decodeProgram(compiled.program)

  it('answers as onnxruntime does, on a thousand inputs and at its thresholds', async () => {
    const [float, twin] = [await session(onnx), await session(compiled.integerOnnx)]
    const next = random(17)
    const labels = new Set<number>()
    for (let i = 0; i < 1000; i++) {
      // Float32 numbers, some of them rounded to sixteenths so that they hit thresholds of integer features.
      const x = Float32Array.from({ length: features }, () => (i % 3 === 0 ? Math.round((next() * 2.4 - 1.2) * 16) / 16 : next() * 2.4 - 1.2))
      const feeds = { x: { data: x, shape: [1, features] } }
      const [reference, integer, ours] = [await run(float, feeds), await run(twin, feeds), infer(program, { inputs: { x } })]
      for (const { name, values } of ours) {
        expect([...values], name).toEqual(integer[name])
        for (const [j, value] of values.entries()) if (!(Math.abs(value - reference[name]![j]!) <= tolerance)) expect(value, `${name} of ${x}`).toBe(reference[name]![j])
      }
      labels.add(ours[0]!.values[0]!)
    }
    expect(labels.size).toBeGreaterThan(1)
  })

  it('has a circuit that says so, in which no wire is free', () => {
    const r1cs = read(compiled.r1cs)
    const made = witness(program, { inputs: { x: Float32Array.from({ length: features }, (_, i) => i / 5 - 0.4) }, context: 3n })
    const wires = readWitness(made.wtns)
    expect(violated(r1cs, wires)).toBeUndefined()
    expect(mutateEach(r1cs, wires, [1n, -1n]).survivors).toEqual([[made.publicSignals.length]])
    expect(mutatePairs(r1cs, wires, 200).survivors).toEqual([])
  })
})

describe('tree ensembles', () => {
  it('answer exactly at thresholds and next to them', async () => {
    const b = new ModelBuilder()
    const leaf = { kind: 'ints', value: [0, 0, 0] } as const
    const x = b.input('x', [1, 1])
    // One node: x ≤ 0.1 (as float32) votes for 5, else for 7.
    const threshold = Math.fround(0.1)
    const onnx = b.output(b.node('TreeEnsembleRegressor', [x], {
      nodes_treeids: leaf, nodes_nodeids: { kind: 'ints', value: [0, 1, 2] }, nodes_featureids: leaf, nodes_values: { kind: 'floats', value: [threshold, 0, 0] },
      nodes_modes: { kind: 'strings', value: ['BRANCH_LEQ', 'LEAF', 'LEAF'] }, nodes_truenodeids: { kind: 'ints', value: [1, 0, 0] }, nodes_falsenodeids: { kind: 'ints', value: [2, 0, 0] },
      target_treeids: { kind: 'ints', value: [0, 0] }, target_nodeids: { kind: 'ints', value: [1, 2] }, target_ids: { kind: 'ints', value: [0, 0] }, target_weights: { kind: 'floats', value: [5, 7] }, n_targets: 1,
    }, 1, 'ai.onnx.ml')).build()
    const program = decodeProgram(compile(onnx).program)
    const at = (value: number) => infer(program, { inputs: { x: [value] } })[0]!.values[0]
    expect([at(threshold), at(floatBefore(threshold)), at(threshold + 2 ** -27), at(-1e30), at(1e30)]).toEqual([5, 5, 7, 5, 7])
  })

  it('cost one constraint an inner node but the roots, and two a threshold', () => {
    const { manifest } = compile(models['three classes']!.onnx, undefined, { outputs: ['v0_1'] })
    const inner = 12 * 15
    expect(manifest.costs['trees']).toBe(inner - 12)
    // Random thresholds all differ; a feature's first level needs no order, so six less than two each.
    expect(manifest.costs['thermometer']).toBe(2 * inner - 6)
  })

  it('refuse two classes that both have votes under other labels than 0 and 1, saying what to do', () => {
    const onnx = classifier({ trees: 2, depth: 2, features: 2, classes: 2, voting: [0, 1], labels: [3, 5], weight: positive, seed: 3 })
    expect(() => compile(onnx)).toThrow(expect.objectContaining({ code: 'zk.operator-unsupported', message: expect.stringContaining('export with votes for the second class only') }))
  })

  it('refuse a class that may be left without any vote, which onnxruntime passes over', () => {
    const onnx = classifier({ trees: 2, depth: 2, features: 2, classes: 3, weight: dyadic, seed: 3 })
    expect(() => compile(onnx)).toThrow(expect.objectContaining({ code: 'zk.operator-unsupported', message: expect.stringContaining('without any vote') }))
  })

  it('knows the float32 before each float32', () => {
    // IEEE 754: before 1 stands 1 - 2^-24, before 0 the smallest negative subnormal, before -1 stands -1 - 2^-23.
    expect([1, 0, -1, 2 ** -149].map(floatBefore)).toEqual([1 - 2 ** -24, -(2 ** -149), -1 - 2 ** -23, 0])
  })
})
