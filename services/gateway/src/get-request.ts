import type { Hex } from '@haca/core'
import { Outcome, type BatchLedger, type Blobs } from '@haca/platform/blobs'
import type { Claims } from './ports.js'
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
}

export interface StatusReader {
  blobs: Blobs
  ledger: BatchLedger
  claims: Claims
}

/** Status of a request. Falls back to the object store for what the claims have let go. Throws `request.unknown`. */
export async function getRequest(requestId: Hex.Hex, { blobs, ledger, claims }: StatusReader): Promise<RequestStatus> {
  const [claim, outcome, pointer] = await Promise.all([claims.byRequest(requestId), Outcome.read(blobs, requestId), ledger.pointer(requestId)])
  if (!claim && !outcome?.case && !pointer) throw new Refusal('unknown', 'request.unknown', 'there is no request with this id; ids are kept for an hour after their payment expired, receipts for good', 'id')
  const stored = outcome?.case === 'completed' ? 'delivered' : outcome?.case === 'voided' ? 'void' : undefined
  const state = pointer && (claim?.state === 'settled' || !claim) ? 'anchored' : later(claim?.state, stored)
  const voided = outcome?.case === 'voided' ? outcome.value : undefined
  return {
    requestId,
    state,
    code: claim?.code ?? voided?.code ?? null,
    detail: claim?.detail ?? voided?.detail ?? null,
    payment: claim?.transaction ? { transaction: claim.transaction, blockNumber: claim.blockNumber as number } : null,
    batchId: pointer?.batchId ?? null,
    receipt: outcome?.value?.receipt || pointer ? `/v1/receipts/${requestId}` : null,
  }
}

/** The claim's state, unless the object store already knows more. */
const later = (claimed: RequestStatus['state'] | undefined, stored: 'delivered' | 'void' | undefined): RequestStatus['state'] =>
  stored && (!claimed || ['reserved', 'paying', 'accepted'].includes(claimed)) ? stored : (claimed ?? 'anchored')
