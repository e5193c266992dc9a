import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

const appraised = metrics.counter('prover_appraisals_total', 'Receipts appraised by verdict', ['verdict', 'kind'])

/** A receipt became evidence. */
export function receiptAppraised(logger: Logger, { requestId, verdict, kind, failed }: { requestId: string; verdict: 'affirming' | 'contraindicated'; kind: string; failed: string[] }): void {
  appraised.inc({ verdict, kind })
  if (verdict === 'affirming') logger.debug({ requestId, kind }, 'receipt appraised')
  else logger.warn({ requestId, kind, failed }, 'receipt contraindicated')
}
