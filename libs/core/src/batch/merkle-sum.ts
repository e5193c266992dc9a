import * as Abi from '../abi.js'
import { AppError, assert } from '../errors.js'
import * as Hex from '../hex.js'
import * as Money from '../money.js'
import { portable, type Primitives } from '../secp256k1.js'

/** A node of the positional Merkle-sum tree: pairs go left to right, an odd last node is promoted unchanged. */
export interface Node {
  /** 32 bytes. */
  hash: Hex.Hex
  /** Atomic units below this node; uint128. */
  sum: Money.Atomic
}

type Keccak = Primitives['keccak256']

/** Most leaves in one batch. */
export const leavesMax = 10_000

/** keccak256(0x00 ‖ chainId:32 ‖ log:20 ‖ receiptHash:32 ‖ collected:16), with what was collected as its sum. */
export function leaf(
  scope: { chainId: number; log: Hex.Hex },
  receiptHash: Hex.Hex,
  collected: Money.Atomic,
  keccak256: Keccak = portable.keccak256,
): Node {
  const preimage = Abi.concat([
    Uint8Array.of(0x00),
    Abi.word(scope.chainId),
    Hex.toBytes(scope.log, 20),
    Hex.toBytes(receiptHash, 32),
    Abi.uint(collected, 16),
  ])
  return { hash: Hex.fromBytes(keccak256(preimage)), sum: collected }
}

/** keccak256(0x01 ‖ L.hash ‖ L.sum:16 ‖ R.hash ‖ R.sum:16). Throws `batch.overflow` past uint128. */
export function parent(left: Node, right: Node, keccak256: Keccak = portable.keccak256): Node {
  const sum = left.sum + right.sum
  if (sum > Money.max) throw new AppError('batch.overflow', { detail: 'the sum of a batch exceeds uint128' })
  const preimage = Abi.concat([
    Uint8Array.of(0x01),
    Hex.toBytes(left.hash, 32),
    Abi.uint(left.sum, 16),
    Hex.toBytes(right.hash, 32),
    Abi.uint(right.sum, 16),
  ])
  return { hash: Hex.fromBytes(keccak256(preimage)), sum }
}

/** All levels of a tree, leaves first, root last. */
export interface Tree {
  levels: readonly (readonly Node[])[]
}

/** Builds a tree over 1 to `leavesMax` leaves in index order. */
export function build(leaves: readonly Node[], keccak256: Keccak = portable.keccak256): Tree {
  assert(leaves.length >= 1 && leaves.length <= leavesMax, `between 1 and ${leavesMax} leaves`)
  const levels: (readonly Node[])[] = [leaves]
  for (let level = leaves; level.length > 1; ) {
    const next: Node[] = []
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i] as Node, level[i + 1]]
      next.push(right ? parent(left, right, keccak256) : left)
    }
    levels.push((level = next))
  }
  return { levels }
}

/** The tree's root: its sum is the batch's total. */
export const root = (tree: Tree): Node => (tree.levels[tree.levels.length - 1] as readonly Node[])[0] as Node

/** Siblings of leaf `index` from the bottom up; `null` where the node was promoted. */
export function proof(tree: Tree, index: number): (Node | null)[] {
  const count = (tree.levels[0] as readonly Node[]).length
  assert(Number.isInteger(index) && index >= 0 && index < count, 'an index within the batch')
  const siblings: (Node | null)[] = []
  for (const level of tree.levels.slice(0, -1)) {
    siblings.push(level[index ^ 1] ?? null)
    index >>= 1
  }
  return siblings
}

/**
 * Root that a leaf and its siblings lead to, or `undefined` when the proof cannot be one: `index` and `count` alone
 * decide at which levels a sibling is missing, so a proof can neither leave one out nor invent one.
 */
export function climb(
  leafNode: Node,
  position: { index: number; count: number },
  siblings: readonly (Node | null)[],
  keccak256: Keccak = portable.keccak256,
): Node | undefined {
  let { index, count } = position
  if (!Number.isInteger(index) || !Number.isInteger(count) || index < 0 || index >= count || count > leavesMax) return undefined
  let node = leafNode
  let used = 0
  for (; count > 1; index >>= 1, count = (count + 1) >> 1) {
    const sibling = siblings[used++]
    const promoted = (index ^ 1) >= count
    if (sibling === undefined || (sibling === null) !== promoted) return undefined
    if (sibling === null) continue
    if (node.sum + sibling.sum > Money.max) return undefined
    node = index & 1 ? parent(sibling, node, keccak256) : parent(node, sibling, keccak256)
  }
  return used === siblings.length ? node : undefined
}
