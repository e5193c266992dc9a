import type { Batch, Hex, Receipt } from '@haca/core'
import type { Archive, Attestation } from './attestation.js'
import type { ProofBundle } from './zk-claim.js'

/** What `GET /v1/receipts/{id}` gives: everything that is known of one receipt. What is not known yet is null. */
export interface Bundle {
  v: 1
  requestId: Hex.Hex
  simulated: boolean
  domain: { name: string; version: string; chainId: number; verifyingContract: Hex.Hex }
  receipt: Receipt.Json
  signature: Hex.Hex
  receiptHash: Hex.Hex
  payment: { transaction: Hex.Hex; blockNumber: number; amount: string } | null
  evidence: { evidenceId: Hex.Hex; kind: string; verdict: 'affirming' | 'contraindicated'; rules: { rule: string; ok: boolean; detail: string }[] } | null
  /** Absent in bundles of gateways that sold no proofs. */
  proof?: ProofBundle | null
  inclusion: {
    header: Batch.Json
    headerHash: Hex.Hex
    index: number
    collected: string
    siblings: ({ hash: Hex.Hex; sum: string } | null)[]
    evidenceDigest: Hex.Hex
    anchor: { transaction: Hex.Hex; blockNumber: number; blockHash: Hex.Hex } | null
  } | null
  /** How the key that signed came to be trusted; null where it was never appraised. Absent in bundles of before. */
  attestation?: Attestation | null
  /** What the attestation names, in full: then nobody has to be asked. */
  archive?: Archive
}
