import { Hex, type Receipt } from '@haca/core'
import type { Bundle } from '@haca/sdk/verify'

// What tests of proofs say to the contracts, in the shape their ABIs take.

export const contractReceipt = (r: Receipt.Receipt) => ({ ...r, policyEpoch: BigInt(r.policyEpoch), issuedAt: BigInt(r.issuedAt), settleBy: BigInt(r.settleBy), seq: BigInt(r.seq) })

export function contractProof({ collected, index, siblings }: NonNullable<Bundle['inclusion']>) {
  const present = siblings.filter((s) => s !== null)
  return { collected: BigInt(collected), index, siblings: present.map((s) => s.hash), sums: present.map((s) => BigInt(s.sum)) }
}

/** The same bytes with the lowest bit of one of them turned over. */
export function flipped(hex: Hex.Hex, at: number): Hex.Hex {
  const bytes = Hex.toBytes(hex)
  bytes[at] = (bytes[at] as number) ^ 1
  return Hex.fromBytes(bytes)
}
