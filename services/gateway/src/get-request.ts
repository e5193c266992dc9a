import { Receipt, type Hex } from '@haca/core'
import type { RequestOutcome } from '@haca/proto'
import { Outcome, type BatchLedger, type Blobs } from '@haca/platform/blobs'
import { proofStage, type ProofStage } from '@haca/platform/circuits'
import { Wire } from '@haca/platform/wire'
import type { Claims } from './ports.js'
import { anchorKey } from './project-events.js'
import { promisesProof } from './read-proof.js'
import { Refusal } from './refusal.js'

/** Where a request stands. It never contains the answer: a request id becomes public with its payment. */
export interface RequestStatus {
  requestId: Hex.Hex
  state: 'reserved' | 'paying' | 'accepted' | 'delivered' | 'settled' | 'anchored' | 'void' | 'unpaid'
  code: string | null
  detail: string | null
  /** Null: not settled yet, or void. */
  payment: { transaction: Hex.Hex; blockNumber: number } | null
  /** Batch the receipt was sealed in; null: not yet. */
  batchId: number | null
  /** Set once there is a receipt. */
  receipt: string | null
  /** Null: none was bought, or there is no receipt yet that could promise one. */
  proof: ProofStage | null
}

export interface StatusReader {
  blobs: Blobs
  ledger: BatchLedger
  claims: Claims
  scope: Receipt.Scope
}

/** Status of a request. Falls back to the object store for what the claims have let go. Throws `request.unknown`. */
export async function getRequest(requestId: Hex.Hex, { blobs, ledger, claims, scope }: StatusReader): Promise<RequestStatus> {
  const [claim, outcome, pointer] = await Promise.all([claims.byRequest(requestId), Outcome.read(blobs, requestId), ledger.pointer(requestId)])
  if (!claim && !outcome?.case && !pointer) throw new Refusal('unknown', 'request.unknown', 'there is no request with this id; ids are kept for an hour after their payment expired, receipts for good', 'id')
  const stored = outcome?.case === 'completed' ? 'delivered' : outcome?.case === 'voided' ? 'void' : undefined
  // Sealed is not anchored: that is what the chain says.
  const settled = claim?.state === 'settled' || (!claim && stored !== 'void')
  const anchored = pointer && settled && (await blobs.get(anchorKey(pointer.batchId))) !== undefined
  const state = anchored ? 'anchored' : later(claim?.state, stored)
  const voided = outcome?.case === 'voided' ? outcome.value : undefined
  return {
    requestId,
    state,
    code: claim?.code ?? voided?.code ?? null,
    detail: claim?.detail ?? voided?.detail ?? null,
    payment: claim?.transaction ? { transaction: claim.transaction, blockNumber: claim.blockNumber as number } : null,
    batchId: pointer?.batchId ?? null,
    receipt: outcome?.value?.receipt || pointer ? `/v1/receipts/${requestId}` : null,
    proof: outcome?.case === 'completed' ? await proofOf(outcome, blobs, scope) : null,
  }
}

async function proofOf({ value }: Extract<RequestOutcome['outcome'], { case: 'completed' }>, blobs: Blobs, scope: Receipt.Scope): Promise<RequestStatus['proof']> {
  const { receipt } = Wire.toSignedReceipt(value.receipt)
  if (!promisesProof(receipt)) return null
  return proofStage(blobs, Receipt.hash(receipt, scope))
}

/** The claim's state, unless the object store already knows more. */
const later = (claimed: RequestStatus['state'] | undefined, stored: 'delivered' | 'void' | undefined): RequestStatus['state'] =>
  stored && (!claimed || ['reserved', 'paying', 'accepted'].includes(claimed)) ? stored : (claimed ?? 'delivered')
