import { type LinearCombination, add, constant, one, subtract, sum } from '../../r1cs/linear-combination.js'
import { bounds } from '../bounds.js'
import { malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/**
 * Decision trees over a vector of bits. Nodes of all trees stand in one list, parents before children. Result j is base[j]
 * plus the weights that the reached leaves give to it.
 */
export interface Trees {
  /** Index of the bit a node asks, or -1 for a leaf. */
  bit: Int32Array
  /** Node for a bit of 0, and for a bit of 1; -1 for leaves. */
  whenZero: Int32Array
  whenOne: Int32Array
  /** Nodes where a tree begins. */
  roots: Int32Array
  /** Votes: leaf, target, weight. */
  voteLeaf: Int32Array
  voteTarget: Int32Array
  voteWeight: Float64Array
  base: Float64Array
}

/**
 * Each node gets the product of the answers on its path, which is 1 for reached nodes and 0 for others: child = parent·bit,
 * sibling = parent - child. Constraints: 1 for each inner node but the roots; the votes are free.
 *
 * Sound: no hints; every wire is a product of earlier ones. Bits must be boolean, which their producer proves.
 */
export const trees: Operation<Trees> = {
  name: 'trees',
  arity: 1,
  size: ({ base }) => base.length,

  bound(attributes) {
    const lo = Float64Array.from(attributes.base)
    const hi = Float64Array.from(attributes.base)
    const tree = treeOf(attributes)
    // Per tree and target, the smallest and largest sum of votes of one leaf.
    const votes = new Map<number, Map<number, number>>()
    for (const [i, leaf] of attributes.voteLeaf.entries()) {
      const ofLeaf = votes.get(leaf) ?? new Map<number, number>()
      votes.set(leaf, ofLeaf.set(attributes.voteTarget[i]!, (ofLeaf.get(attributes.voteTarget[i]!) ?? 0) + attributes.voteWeight[i]!))
    }
    for (const root of attributes.roots) {
      const leaves = [...attributes.bit.keys()].filter((node) => tree[node] === root && attributes.bit[node]! < 0)
      for (let target = 0; target < lo.length; target++) {
        const sums = leaves.map((leaf) => votes.get(leaf)?.get(target) ?? 0)
        lo[target]! += sums.reduce((a, b) => Math.min(a, b))
        hi[target]! += sums.reduce((a, b) => Math.max(a, b))
      }
    }
    const beyond = [...attributes.voteWeight, ...attributes.base].reduce((total, value) => total + Math.abs(value), 0)
    return bounds(lo, hi, new Uint8Array(lo.length), beyond)
  },

  constrain(system, attributes, [bits]) {
    const reached: LinearCombination[] = []
    for (const root of attributes.roots) reached[root] = one
    const isRoot = new Set(attributes.roots)
    for (const [node, bit] of attributes.bit.entries()) {
      if (bit < 0) continue
      const parent = reached[node]!
      let child = bits![bit]!
      if (!isRoot.has(node)) {
        child = system.wire()
        system.product(parent, bits![bit]!, child)
      }
      reached[attributes.whenOne[node]!] = child
      reached[attributes.whenZero[node]!] = subtract(parent, child)
    }
    return Array.from(attributes.base, (base, target) => {
      const votes = [...attributes.voteLeaf.keys()].filter((i) => attributes.voteTarget[i] === target)
      return add(constant(base), sum(votes.map((i) => [attributes.voteWeight[i]!, reached[attributes.voteLeaf[i]!]!] as const)))
    })
  },

  evaluate(attributes, [bits], wires) {
    const reached = new Float64Array(attributes.bit.length)
    const isRoot = new Set(attributes.roots)
    for (const root of attributes.roots) reached[root] = 1
    for (const [node, bit] of attributes.bit.entries()) {
      if (bit < 0) continue
      const child = reached[node]! * bits![bit]!
      if (!isRoot.has(node)) wires.small(child)
      reached[attributes.whenOne[node]!] = child
      reached[attributes.whenZero[node]!] = reached[node]! - child
    }
    const out = Float64Array.from(attributes.base)
    for (const [i, leaf] of attributes.voteLeaf.entries()) out[attributes.voteTarget[i]!]! += attributes.voteWeight[i]! * reached[leaf]!
    return out
  },

  /** A leaf is reached if the number of its path's conditions that hold equals the path's length: a matrix product. */
  twin(graph, attributes, [bits]) {
    const paths = pathsOf(attributes)
    const leaves = [...paths.keys()]
    const bitCount = Math.max(0, ...attributes.bit) + 1
    const signs = new Float64Array(bitCount * leaves.length)
    const expected = leaves.map((leaf, column) => {
      let ones = 0
      for (const { bit, value } of paths.get(leaf)!) {
        signs[bit * leaves.length + column]! += value === 1 ? 1 : -1
        ones += value
      }
      return ones
    })
    const used = graph.node('Gather', [bits!, graph.indices(Array.from({ length: bitCount }, (_, i) => i))])
    const counted = graph.node('MatMul', [graph.reshape(used, [1, bitCount]), graph.integers(signs, [bitCount, leaves.length])])
    const reached = graph.cast(graph.node('Equal', [counted, graph.integers(expected, [1, leaves.length])]))
    const column = new Map(leaves.map((leaf, i) => [leaf, i]))
    const weights = new Float64Array(leaves.length * attributes.base.length)
    for (const [i, leaf] of attributes.voteLeaf.entries()) weights[column.get(leaf)! * attributes.base.length + attributes.voteTarget[i]!]! += attributes.voteWeight[i]!
    const votes = graph.node('MatMul', [reached, graph.integers(weights, [leaves.length, attributes.base.length])])
    return graph.reshape(graph.node('Add', [votes, graph.integers(attributes.base)]), [-1])
  },

  encode(out, attributes) {
    for (const list of [attributes.bit, attributes.whenZero, attributes.whenOne, attributes.roots, attributes.voteLeaf, attributes.voteTarget]) out.deltas(list)
    out.ints(attributes.voteWeight)
    out.ints(attributes.base)
  },

  decode(from, [bitCount]) {
    const [bit, whenZero, whenOne, roots, voteLeaf, voteTarget] = [from.deltas(), from.deltas(), from.deltas(), from.deltas(), from.deltas(), from.deltas()]
    const attributes: Trees = { bit, whenZero, whenOne, roots, voteLeaf, voteTarget, voteWeight: from.ints(), base: from.ints() }
    if (!wellFormed(attributes, bitCount!)) throw malformedProgram('trees that do not hang together')
    return attributes
  },
}

/** Every node but the roots is the child of exactly one earlier node; leaves have no children; votes name leaves. */
export function wellFormed({ bit, whenZero, whenOne, roots, voteLeaf, voteTarget, voteWeight, base }: Trees, bitCount: number): boolean {
  const count = bit.length
  if (whenZero.length !== count || whenOne.length !== count || voteLeaf.length !== voteTarget.length || voteLeaf.length !== voteWeight.length) return false
  const parents = new Uint8Array(count)
  const claim = (node: number, after: number): boolean => {
    if (!(node > after && node < count) || parents[node] !== 0) return false
    parents[node] = 1
    return true
  }
  if (!roots.every((root) => claim(root, -1))) return false
  for (const [node, at] of bit.entries()) {
    const leaf = at === -1 && whenZero[node] === -1 && whenOne[node] === -1
    if (!leaf && !(at >= 0 && at < bitCount && claim(whenZero[node]!, node) && claim(whenOne[node]!, node))) return false
  }
  return parents.every((claimed) => claimed === 1) && voteLeaf.every((leaf) => bit[leaf] === -1) && voteTarget.every((target) => target >= 0 && target < base.length)
}

/** Root of each node's tree. */
function treeOf({ bit, whenZero, whenOne, roots }: Trees): Int32Array {
  const tree = new Int32Array(bit.length)
  for (const root of roots) tree[root] = root
  for (const [node, at] of bit.entries()) {
    if (at < 0) continue
    tree[whenZero[node]!] = tree[node]!
    tree[whenOne[node]!] = tree[node]!
  }
  return tree
}

/** For each leaf the answers that lead to it. */
function pathsOf({ bit, whenZero, whenOne, roots }: Trees): Map<number, { bit: number; value: 0 | 1 }[]> {
  const paths = new Map<number, { bit: number; value: 0 | 1 }[]>(Array.from(roots, (root) => [root, []]))
  for (const [node, at] of bit.entries()) {
    if (at < 0) continue
    const path = paths.get(node)!
    paths.delete(node)
    paths.set(whenZero[node]!, [...path, { bit: at, value: 0 }])
    paths.set(whenOne[node]!, [...path, { bit: at, value: 1 }])
  }
  return paths
}
