import type { Trees } from '../ir/ops/trees.js'
import type { Context } from './context.js'
import { numbers } from '../graph/graph.js'

/** Most nodes of an ensemble. */
const NODES_MAX = 2 ** 20

/** An ensemble as ONNX lists it, with nodes renumbered so that parents come before children. */
export interface Ensemble {
  /** For each node: the feature it asks, its threshold as "x > threshold goes to `above`", or a leaf. */
  nodes: ({ feature: number; threshold: number; above: number; notAbove: number } | 'leaf')[]
  roots: number[]
  votes: { leaf: number; target: number; weight: number }[]
}

/** Reads the `nodes_…` and `class_…` or `target_…` attributes. */
export function readEnsemble(c: Context, votes: 'class' | 'target'): Ensemble {
  const { reader } = c
  const ints = (name: string): readonly number[] => reader.ints(name) ?? []
  const treeIds = ints('nodes_treeids')
  const nodeIds = ints('nodes_nodeids')
  const features = ints('nodes_featureids')
  const modes = reader.strings('nodes_modes') ?? []
  const values = floats(c, 'nodes_values')
  const whenTrue = ints('nodes_truenodeids')
  const whenFalse = ints('nodes_falsenodeids')
  reader.ignore('nodes_hitrates', 'nodes_hitrates_as_tensor')
  const count = treeIds.length
  if (count < 1 || count > NODES_MAX) throw reader.refuse(`an ensemble has 1 to ${NODES_MAX} nodes`)
  if ([nodeIds, features, modes, values, whenTrue, whenFalse].some((list) => list.length !== count)) throw reader.invalid('node lists of different lengths')
  if (ints('nodes_missing_value_tracks_true').some((flag) => flag !== 0)) {
    c.notes.push(`${reader.operator}: missing values are refused at the input, so where they would go does not matter`)
  }
  const byId = new Map(treeIds.map((tree, i) => [`${tree}:${nodeIds[i]}`, i]))
  if (byId.size !== count) throw reader.invalid('a node stands twice')
  const child = (i: number, id: number): number => {
    const found = byId.get(`${treeIds[i]}:${id}`)
    if (found === undefined) throw reader.invalid('a branch leads nowhere')
    return found
  }
  const raw = modes.map((mode, i) => (mode === 'LEAF' ? 'leaf' : branch(c, mode, features[i]!, values[i]!, child(i, whenTrue[i]!), child(i, whenFalse[i]!))))
  const weights = floats(c, `${votes}_weights`)
  const voteTrees = ints(`${votes}_treeids`)
  const voteNodes = ints(`${votes}_nodeids`)
  const voteTargets = ints(`${votes}_ids`)
  const listed = weights.map((weight, i) => ({ leaf: byId.get(`${voteTrees[i]}:${voteNodes[i]}`), target: voteTargets[i]!, weight }))
  return order(c, raw, listed)
}

type Branch = Exclude<Ensemble['nodes'][number], 'leaf'>

/** Every mode as "x > threshold": x < v is x ≤ the float32 before v, because x is a float32. */
function branch(c: Context, mode: string, feature: number, value: number, yes: number, no: number): Branch {
  if (!Number.isFinite(value)) throw c.reader.refuse('a threshold is not finite')
  const threshold = Math.fround(value)
  if (threshold !== value) throw c.reader.refuse('a threshold is no float32; export with float32 thresholds')
  switch (mode) {
    case 'BRANCH_LEQ':
      return { feature, threshold, above: no, notAbove: yes }
    case 'BRANCH_LT':
      return { feature, threshold: floatBefore(threshold), above: no, notAbove: yes }
    case 'BRANCH_GT':
      return { feature, threshold, above: yes, notAbove: no }
    case 'BRANCH_GTE':
      return { feature, threshold: floatBefore(threshold), above: yes, notAbove: no }
    default:
      throw c.reader.refuse(`nodes of mode ${mode}; export with LEQ, LT, GT or GTE`)
  }
}

/** The largest float32 below a float32. */
export function floatBefore(x: number): number {
  const at = new DataView(new ArrayBuffer(4))
  at.setFloat32(0, x)
  const bits = at.getInt32(0)
  // Positive floats ascend with their bits, negative ones descend; below both zeros stands the smallest negative one.
  at.setInt32(0, x === 0 ? -0x7fffffff : bits >= 0 ? bits - 1 : bits + 1)
  return at.getFloat32(0)
}

/** Renumbers so that every node comes after its parent; refuses what is not a forest. */
function order(c: Context, nodes: readonly (Branch | 'leaf')[], votes: readonly { leaf: number | undefined; target: number; weight: number }[]): Ensemble {
  const isChild = new Set(nodes.flatMap((node) => (node === 'leaf' ? [] : [node.above, node.notAbove])))
  const roots = [...nodes.keys()].filter((i) => !isChild.has(i))
  const place = new Map<number, number>()
  const queue = [...roots]
  for (const i of queue) {
    if (place.has(i)) throw c.reader.invalid('a node has two parents')
    place.set(i, place.size)
    const node = nodes[i]!
    if (node !== 'leaf') queue.push(node.above, node.notAbove)
  }
  if (place.size !== nodes.length) throw c.reader.invalid('nodes go round in a circle')
  const ordered: Ensemble['nodes'] = []
  for (const [i, at] of place) {
    const node = nodes[i]!
    ordered[at] = node === 'leaf' ? node : { ...node, above: place.get(node.above)!, notAbove: place.get(node.notAbove)! }
  }
  return {
    nodes: ordered,
    roots: roots.map((i) => place.get(i)!),
    votes: votes.map(({ leaf, target, weight }) => {
      if (leaf === undefined || nodes[leaf] !== 'leaf') throw c.reader.invalid('a vote belongs to no leaf')
      return { leaf: place.get(leaf)!, target, weight }
    }),
  }
}

/** A list of floats that may also be given as a tensor, as an array. */
export function floats(c: Context, name: string): readonly number[] {
  const tensor = c.reader.tensor(`${name}_as_tensor`)
  return tensor ? [...numbers(tensor)] : (c.reader.floats(name) ?? [])
}

/** The operation's form of an ensemble whose question (feature, threshold) has the given bit. */
export function toTrees({ nodes, roots, votes }: Ensemble, bitOf: (feature: number, threshold: number) => number, weights: Float64Array, base: Float64Array): Trees {
  const of = (pick: (node: Branch) => number) => Int32Array.from(nodes, (node) => (node === 'leaf' ? -1 : pick(node)))
  return {
    bit: of(({ feature, threshold }) => bitOf(feature, threshold)),
    whenZero: of(({ notAbove }) => notAbove),
    whenOne: of(({ above }) => above),
    roots: Int32Array.from(roots),
    voteLeaf: Int32Array.from(votes, ({ leaf }) => leaf),
    voteTarget: Int32Array.from(votes, ({ target }) => target),
    voteWeight: weights,
    base,
  }
}
