import type { Tensor } from '../ir/builder.js'
import { wellFormed } from '../ir/ops/trees.js'
import { DataType } from '../onnx/index.js'
import * as Activation from './activation.js'
import type { Context } from './context.js'
import { floorLog2, lowestExponent, round } from './number.js'
import { sizeOf } from './shape.js'
import * as Softmax from './softmax.js'
import { type Ensemble, floats, readEnsemble, toTrees } from './tree-attributes.js'
import type { Quantity, Value } from './value.js'

/** Bits of a leaf's weight, where weights are not exactly representable in fewer. */
const WEIGHT_BITS = 24

/** TreeEnsembleRegressor: for each target the sum of the reached leaves' weights. */
export function regressor(c: Context): Value[] {
  const aggregate = c.reader.string('aggregate_function', 'SUM')
  if (aggregate !== 'SUM' && aggregate !== 'AVERAGE') throw c.reader.refuse(`aggregates by ${aggregate}; use SUM or AVERAGE`)
  const targets = c.reader.int('n_targets', 1)
  const transform = c.reader.string('post_transform', 'NONE')
  const ensemble = readEnsemble(c, 'target')
  const base = baseValues(c, targets)
  const scores = score(c, ensemble, targets, base)
  if (aggregate === 'AVERAGE' && base.some((value) => value !== 0)) throw c.reader.refuse('AVERAGE with base values')
  const averaged = aggregate === 'SUM' ? scores : { ...scores, scale: scores.scale / ensemble.roots.length }
  if (c.exact && !Number.isInteger(Math.log2(averaged.scale))) throw c.inexact('averages over a number of trees that is no power of two')
  return [transformed(c, averaged, transform)]
}

/**
 * TreeEnsembleClassifier: label and scores. Labels follow onnxruntime: the largest of three or more scores (the first of
 * equal ones); of two classes of which one has votes, the second if its score is above 0, or above 1/2 if all weights are
 * positive.
 */
export function classifier(c: Context): Value[] {
  const { reader } = c
  const labels = reader.ints('classlabels_int64s')
  const names = reader.strings('classlabels_strings')
  const classes = labels?.length ?? names?.length ?? 0
  if (classes < 2) throw reader.refuse('fewer than two classes')
  if (names) c.notes.push(`${reader.operator} "${c.outputName()}": labels are given as indices into ${JSON.stringify(names)}`)
  const transform = reader.string('post_transform', 'NONE')
  const ensemble = readEnsemble(c, 'class')
  const base = baseValues(c, classes)
  const voted = new Set(ensemble.votes.map(({ target }) => target))
  const { scores, index } = classes === 2 && voted.size === 1 ? binary(c, ensemble, base) : multiple(c, ensemble, classes, base, labels)
  return [labelled(c, index, labels), transformed(c, scores, transform)]
}

/** Three or more classes, or two that both have votes. */
function multiple(c: Context, ensemble: Ensemble, classes: number, base: Float64Array, labels: readonly number[] | undefined): { scores: Quantity; index: Tensor } {
  if (floats(c, 'base_values').length === 0 && !everyClassVoted(ensemble, classes)) {
    throw c.reader.refuse('a class may be left without any vote, and onnxruntime passes over such a class; give base_values, or let one tree vote for each class in all its leaves')
  }
  const scores = score(c, ensemble, classes, base)
  if (classes === 2) return { scores, index: secondIsAboveZero(c, scores, ensemble, labels) }
  return { scores, index: c.builder.argMax(scores.tensor, { rows: 1, columns: classes, last: 0 }) }
}

/** Of two classes that both have votes onnxruntime makes no argmax: its label is 1 where the second's score is above 0. */
function secondIsAboveZero(c: Context, scores: Quantity, ensemble: Ensemble, labels: readonly number[] | undefined): Tensor {
  if (labels?.join() !== '0,1' || floats(c, 'base_values').length > 0 || !everyClassVoted(ensemble, 2)) {
    throw c.reader.refuse('two classes that both have votes, with base values, leaves without a vote, or labels other than 0 and 1; export with votes for the second class only')
  }
  const second = c.builder.gather([scores.tensor], Int32Array.of(1))
  return c.builder.step(c.builder.affine(second, { multiplier: Float64Array.of(1), offset: Float64Array.of(-1) }))
}

/** Whether every class has a tree all of whose leaves vote for it. */
function everyClassVoted({ nodes, roots, votes }: Ensemble, classes: number): boolean {
  const tree = new Map(roots.map((root) => [root, root]))
  const leaves = new Map(roots.map((root) => [root, 0]))
  for (const [i, node] of nodes.entries()) {
    const root = tree.get(i)!
    if (node === 'leaf') leaves.set(root, leaves.get(root)! + 1)
    else tree.set(node.above, root).set(node.notAbove, root)
  }
  const voting = new Map<string, Set<number>>()
  for (const { leaf, target } of votes) {
    const key = `${tree.get(leaf)}:${target}`
    voting.set(key, (voting.get(key) ?? new Set()).add(leaf))
  }
  return Array.from({ length: classes }, (_, target) => target).every((target) => roots.some((root) => voting.get(`${root}:${target}`)?.size === leaves.get(root)))
}

/** Two classes, one with votes. */
function binary(c: Context, ensemble: Ensemble, base: Float64Array): { scores: Quantity; index: Tensor } {
  if (base.some((value) => value !== 0)) throw c.reader.refuse('two classes with base values; add them to the votes of one tree')
  const positive = ensemble.votes.every(({ weight }) => weight >= 0)
  const one = { ...ensemble, votes: ensemble.votes.map((vote) => ({ ...vote, target: 0 })) }
  const sum = score(c, one, 1, new Float64Array(1))
  const limit = Math.floor((positive ? 0.5 : 0) / sum.scale)
  const above = c.builder.step(c.builder.affine(sum.tensor, { multiplier: Float64Array.of(1), offset: Float64Array.of(-limit - 1) }))
  // With positive weights the scores are 1 - s and s, else -s and s.
  const unit = positive ? 1 / sum.scale : 0
  const other = c.builder.affine(sum.tensor, { multiplier: Float64Array.of(-1), offset: Float64Array.of(unit) })
  const scores = c.make([1, 2], c.builder.gather([other, sum.tensor], Int32Array.of(0, 1)), sum.scale)
  return { scores, index: above }
}

function labelled(c: Context, index: Tensor, labels: readonly number[] | undefined): Quantity {
  const plain = !labels || labels.every((label, i) => label === i)
  const tensor = plain ? index : c.builder.table(index, 0, Float64Array.from(labels))
  return c.make([1], tensor, 1, DataType.INT64)
}

/** Sums of the reached leaves' weights, [1, targets]. */
function score(c: Context, ensemble: Ensemble, targets: number, base: Float64Array): Quantity {
  const { bits, bitOf } = questions(c, ensemble)
  const weights = ensemble.votes.map(({ weight }) => weight)
  const scale = unitOf([...weights, ...base])
  const integers = (values: ArrayLike<number>) => Float64Array.from(values, (value) => round(value / scale))
  if (weights.some((weight) => !Number.isInteger(weight / scale))) c.notes.push(`${c.reader.operator} "${c.outputName()}": weights in units of ${scale}`)
  const trees = toTrees(ensemble, bitOf, integers(weights), integers(base))
  if (!wellFormed(trees, bits.size)) throw c.reader.invalid('trees that do not hang together')
  return c.make([1, targets], c.builder.trees(bits, trees), scale)
}

/** A power of two in which weights are whole, or have `WEIGHT_BITS` bits. */
function unitOf(values: readonly number[]): number {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (largest === 0) return 1
  const exact = values.reduce((least, value) => Math.min(least, lowestExponent(value)), Number.POSITIVE_INFINITY)
  return 2 ** Math.max(exact, floorLog2(largest) + 1 - WEIGHT_BITS)
}

/** One bit for each different question (feature, threshold). */
function questions(c: Context, { nodes }: Ensemble): { bits: Tensor; bitOf: (feature: number, threshold: number) => number } {
  const value = c.input(0)
  const features = sizeOf(value.shape)
  const asked = Array.from({ length: features }, () => new Set<number>())
  for (const node of nodes) if (node !== 'leaf') (asked[node.feature] ?? badFeature(c)).add(node.threshold)
  const thresholds = asked.map((set) => Float64Array.from(set).sort())
  const starts = thresholds.map((_, i) => thresholds.slice(0, i).reduce((total, list) => total + list.length, 0))
  const bitOf = (feature: number, threshold: number) => starts[feature]! + thresholds[feature]!.indexOf(threshold)
  if (value.kind === 'raw') return { bits: c.encodeRanks(value, thresholds), bitOf }
  const x = c.quantity(0)
  // x > threshold for integer·scale: integer ≥ floor(threshold / scale) + 1.
  const source = Int32Array.from(thresholds.flatMap((list, feature) => Array.from(list, () => feature)))
  const offset = Float64Array.from(thresholds.flatMap((list) => Array.from(list, (threshold) => -Math.floor(threshold / x.scale) - 1)))
  const spread = c.builder.gather([x.tensor], source)
  return { bits: c.builder.step(c.builder.affine(spread, { multiplier: Float64Array.of(1), offset })), bitOf }
}

function badFeature(c: Context): never {
  throw c.reader.invalid('asks for a feature that the input does not have')
}

function baseValues(c: Context, count: number): Float64Array {
  const values = floats(c, 'base_values')
  if (values.length === 0) return new Float64Array(count)
  if (values.length !== count) throw c.reader.refuse('has not one base value for each result')
  return Float64Array.from(values)
}

/** What becomes of the scores. */
function transformed(c: Context, scores: Quantity, transform: string): Quantity {
  if (transform === 'NONE') return scores
  if (transform === 'LOGISTIC') return Activation.sigmoidOf(c, scores)
  if (transform === 'SOFTMAX') return Softmax.softmaxOf(c, scores, 1)
  throw c.reader.refuse(`post_transform ${transform}; use NONE, LOGISTIC or SOFTMAX`)
}
