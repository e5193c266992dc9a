import type { AppraisalRecord } from '@haca/core/tee'
import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

const appraised = metrics.counter('prover_appraisals_total', 'Receipts appraised by verdict', ['verdict', 'kind'])

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
