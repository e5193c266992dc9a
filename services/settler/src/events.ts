import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

const posted = metrics.counter('settler_payments_posted_total', 'Payments in mined batches by outcome', ['outcome'])
const failed = metrics.counter('settler_payments_failed_total', 'Payments that can no longer be collected', ['reason'])
const anchored = metrics.counter('settler_receipts_anchored_total', 'Receipts under a committed root', ['outcome'])
const batches = metrics.counter('settler_batches_committed_total', 'Batches committed')
const gas = metrics.counter('settler_gas_used_total', 'Gas used by kind of transaction', ['kind'])
export const backlogDepth = metrics.gauge('settler_backlog', 'Payments or receipts not ended', ['lane'])
export const backlogAge = metrics.gauge('settler_backlog_oldest_age_seconds', 'Age of the oldest in a lane', ['lane'])
export const purse = metrics.gauge('settler_purse_wei', 'Balance of a sending key', ['key'])

/** A payment batch is in a block. */
export function paymentsPosted(logger: Logger, { hash, count, credited, rejected, gasUsed }: { hash: string; count: number; credited: number; rejected: number; gasUsed: bigint }): void {
  posted.inc({ outcome: 'credited' }, credited)
  posted.inc({ outcome: 'rejected' }, rejected)
  gas.inc({ kind: 'payments' }, Number(gasUsed))
  logger.info({ hash, count, credited, rejected, gasUsed: String(gasUsed) }, 'payment batch mined')
}

const proofs = metrics.counter('settler_proofs_shown_total', 'Proofs shown to the ledger by outcome', ['outcome'])

/** Proofs are on the chain. */
export function proofsAccepted(logger: Logger, { hash, accepted, skipped, gasUsed }: { hash: string; accepted: number; skipped: number; gasUsed: bigint }): void {
  proofs.inc({ outcome: 'accepted' }, accepted)
  proofs.inc({ outcome: 'skipped' }, skipped)
  gas.inc({ kind: 'proofs' }, Number(gasUsed))
  logger.info({ hash, accepted, skipped, gasUsed: String(gasUsed) }, 'proofs accepted by the ledger')
}

/** A payment can no longer be collected. */
export function paymentFailed(logger: Logger, { paymentId, requestId, reason }: { paymentId: string; requestId: string; reason: string }): void {
  failed.inc({ reason })
  logger.warn({ paymentId, requestId, reason }, 'payment cannot be collected')
}

/** A batch of receipts is beyond doubt on the chain. */
export function batchCommitted(logger: Logger, { id, count, voids, hash, gasUsed }: { id: number; count: number; voids: number; hash: string; gasUsed: bigint }): void {
  batches.inc()
  anchored.inc({ outcome: 'collected' }, count - voids)
  anchored.inc({ outcome: 'void' }, voids)
  gas.inc({ kind: 'commit' }, Number(gasUsed))
  logger.info({ batch: id, count, voids, hash, gasUsed: String(gasUsed) }, 'batch committed')
}
