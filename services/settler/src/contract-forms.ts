import type { MerkleSum, Receipt } from '@haca/core'

// Our values in the shape the contracts' ABIs take them.

export const contractReceipt = (r: Receipt.Receipt) => ({
  ...r,
  policyEpoch: BigInt(r.policyEpoch),
  issuedAt: BigInt(r.issuedAt),
  settleBy: BigInt(r.settleBy),
  seq: BigInt(r.seq),
})

/** The contract takes siblings and sums as lists without the promoted levels, which follow from index and count. */
export const contractProof = (collected: bigint, index: number, siblings: readonly (MerkleSum.Node | null)[]) => {
  const present = siblings.filter((s): s is MerkleSum.Node => s !== null)
  return { collected, index, siblings: present.map((s) => s.hash), sums: present.map((s) => s.sum) }
}
