import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keccak_256 } from '@noble/hashes/sha3.js'
import * as Hex from '../hex.js'
import * as Money from '../money.js'
import * as MerkleSum from './merkle-sum.js'

const leafOf = (i: number): MerkleSum.Node => ({ hash: Hex.fromBytes(keccak_256(Uint8Array.of(i & 255, i >> 8))), sum: BigInt(i * i) })
const leavesOf = (n: number): MerkleSum.Node[] => Array.from({ length: n }, (_, i) => leafOf(i))

describe('Merkle-sum tree', () => {
  it('proves every leaf of every size up to 70, and only at its own place', () => {
    for (let count = 1; count <= 70; count++) {
      const leaves = leavesOf(count)
      const tree = MerkleSum.build(leaves)
      const root = MerkleSum.root(tree)
      expect(root.sum).toBe(leaves.reduce((sum, leaf) => sum + leaf.sum, 0n))
      leaves.forEach((leaf, index) => {
        const proof = MerkleSum.proof(tree, index)
        expect(MerkleSum.climb(leaf, { index, count }, proof)).toEqual(root)
        for (const other of [index + 1, index ^ 2, count]) {
          if (other === index) continue
          expect(MerkleSum.climb(leaf, { index: other, count }, proof)?.hash).not.toBe(root.hash)
        }
      })
    }
  })

  it('refuses a proof with a sibling left out, added, swapped, repriced or for another size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.nat(), fc.nat(), (count, at, level) => {
        const leaves = leavesOf(count)
        const tree = MerkleSum.build(leaves)
        const root = MerkleSum.root(tree)
        const index = at % count
        const leaf = leaves[index] as MerkleSum.Node
        const proof = MerkleSum.proof(tree, index)
        const refuses = (siblings: (MerkleSum.Node | null)[], node = leaf, size = count) =>
          expect(MerkleSum.climb(node, { index, count: size }, siblings)?.hash).not.toBe(root.hash)
        refuses(proof.slice(1))
        refuses(proof.slice(0, -1))
        refuses([...proof, null])
        refuses([...proof, leafOf(1)])
        refuses(proof, { ...leaf, sum: leaf.sum + 1n })
        const k = level % proof.length
        const sibling = proof[k] as MerkleSum.Node | null
        refuses(proof.map((s, i) => (i === k ? (sibling ? null : leafOf(3)) : s)))
        if (sibling) refuses(proof.map((s, i) => (i === k ? { ...sibling, sum: sibling.sum + 1n } : s)))
      }),
      { numRuns: 200 },
    )
  })

  it('refuses sums past uint128 when building and when climbing', () => {
    const big = { hash: leafOf(1).hash, sum: Money.max }
    const one = { hash: leafOf(2).hash, sum: 1n }
    expect(() => MerkleSum.build([big, one])).toThrow('uint128')
    expect(MerkleSum.climb(big, { index: 0, count: 2 }, [one])).toBeUndefined()
  })

  it('cannot pass a node off as a leaf: the prefixes differ', () => {
    const [a, b] = [leafOf(1), leafOf(2)]
    const inner = MerkleSum.parent(a, b)
    const asLeaf = MerkleSum.leaf({ chainId: 1, log: Hex.zeroAddress }, inner.hash, inner.sum)
    expect(asLeaf.hash).not.toBe(inner.hash)
  })
})
