import * as Abi from '../abi.js'
import { assert } from '../errors.js'
import * as Hex from '../hex.js'
import { portable } from '../secp256k1.js'

/**
 * Root over what a batch's results rest on, in leaf order: leaf = keccak256(0x02 ‖ receiptHash ‖ evidenceDigest),
 * node = keccak256(0x03 ‖ L ‖ R), an odd last node promoted. The prefixes differ from the sum tree's, so that no
 * proof of one can be shown as a proof of the other.
 */
export function evidenceRoot(rows: readonly { receiptHash: Hex.Hex; evidenceDigest: Hex.Hex }[]): Hex.Hex {
  assert(rows.length >= 1, 'at least one row')
  let level = rows.map((row) =>
    portable.keccak256(Abi.concat([Uint8Array.of(0x02), Hex.toBytes(row.receiptHash, 32), Hex.toBytes(row.evidenceDigest, 32)])),
  )
  while (level.length > 1) {
    const next: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i] as Uint8Array, level[i + 1]]
      next.push(right ? portable.keccak256(Abi.concat([Uint8Array.of(0x03), left, right])) : left)
    }
    level = next
  }
  return Hex.fromBytes(level[0] as Uint8Array)
}
