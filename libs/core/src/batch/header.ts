import * as Abi from '../abi.js'
import * as Hex from '../hex.js'
import * as Money from '../money.js'
import { portable } from '../secp256k1.js'

/** What a batch commits to on chain. `prev` must equal the log's tip; `id` counts from 1; the first `prev` is zero. */
export interface Header {
  prev: Hex.Hex
  root: Hex.Hex
  token: Hex.Hex
  /** Sum of the leaves in atomic units. */
  total: Money.Atomic
  /** SHA-256 of the leaf file. */
  daRef: Hex.Hex
  /** Root over the evidence digests, same order as the leaves. */
  evidenceRoot: Hex.Hex
  id: number
  count: number
}

/** keccak256(abi.encode(prev, root, token, total, daRef, evidenceRoot, id, count)): the log's next tip. */
export const hash = (header: Header): Hex.Hex =>
  Hex.fromBytes(
    portable.keccak256(
      Abi.encode([
        { type: 'bytes32', value: header.prev },
        { type: 'bytes32', value: header.root },
        { type: 'address', value: header.token },
        { type: 'uint', value: header.total },
        { type: 'bytes32', value: header.daRef },
        { type: 'bytes32', value: header.evidenceRoot },
        { type: 'uint', value: header.id },
        { type: 'uint', value: header.count },
      ]),
    ),
  )

/** JSON form: `total` as a decimal string. */
export type Json = Omit<Header, 'total'> & { total: string }

export const toJson = (header: Header): Json => ({ ...header, total: header.total.toString() })
export const fromJson = (json: Json): Header => ({ ...json, total: Money.parse(json.total) })
