import type { AppraisalRecord } from '@haca/core/tee'
import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

const appraised = metrics.counter('prover_appraisals_total', 'Receipts appraised by verdict', ['verdict', 'kind'])

const proved = metrics.histogram('prover_proof_seconds', 'Seconds of proving alone', [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120])

/** What scalers read: proofs this replica holds or has in hand, and the age of the oldest by when its answer was durable. */
export const proofsWaiting = metrics.gauge('prover_proofs_waiting', 'Receipts whose proof is not published yet')
export const proofsOldestAge = metrics.gauge('prover_proofs_oldest_age_seconds', 'Age of the oldest receipt whose proof is not published yet')

/** A proof was made and verified. */
export const proofMade = (ms: number): void => proved.observe(ms / 1000)

/** A receipt became evidence. */
export function receiptAppraised(logger: Logger, { requestId, verdict, kind, failed }: { requestId: string; verdict: 'affirming' | 'contraindicated'; kind: string; failed: string[] }): void {
  appraised.inc({ verdict, kind })
  if (verdict === 'affirming') logger.debug({ requestId, kind }, 'receipt appraised')
  else logger.warn({ requestId, kind, failed }, 'receipt contraindicated')
}

const keys = metrics.counter('prover_key_appraisals_total', 'Appraisals of keys that said something new, by outcome', ['outcome', 'kind'])

/** A key was appraised, and something is new about it. */
export function keyAppraised(logger: Logger, record: AppraisalRecord.AppraisalRecord): void {
  const { node, kind, outcome, policyEpoch, hardwareId, imageId, expiresAt, reasons } = record
  keys.inc({ outcome, kind })
  const said = { node, kind, policyEpoch, hardwareId, imageId, expiresAt }
  if (outcome === 'affirming') logger.info(said, 'receipt key affirmed')
  else logger.warn({ ...said, failed: reasons.filter(({ ok }) => !ok).map(({ rule, detail }) => `${rule}: ${detail}`) }, 'receipt key contraindicated')
}
