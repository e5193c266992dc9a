import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

const payments = metrics.counter('gateway_payments_checked_total', 'Payments verified in process by outcome', ['outcome'])
const answered = metrics.histogram('gateway_answer_seconds', 'Seconds from acceptance to the answer', [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30])
const conflicts = metrics.counter('gateway_state_conflicts_total', 'Events that contradict what is known of a request', ['event'])
export const waiting = metrics.gauge('gateway_requests_waiting', 'Requests somebody waits for')

/** A payment was verified, or was not. */
export function paymentChecked(logger: Logger, outcome: string): void {
  payments.inc({ outcome: outcome.startsWith('invalid_exact_evm') || outcome === 'ok' ? outcome : 'other' })
  if (outcome !== 'ok') logger.debug({ outcome }, 'payment not taken')
}

/** A caller got an answer. */
export function requestAnswered(logger: Logger, { requestId, ms }: { requestId: string; ms: number }): void {
  answered.observe(ms / 1000)
  logger.debug({ requestId, ms }, 'request answered')
}

/** An event came that the lifecycle does not allow. */
export function stateConflict(logger: Logger, { event, requestId, state }: { event: string; requestId: string; state: string }): void {
  conflicts.inc({ event })
  logger.error({ alarm: 'state-conflict', event, requestId, state }, 'an event contradicts what is known of a request')
}

const webhooks = metrics.counter('gateway_webhooks_total', 'Webhooks by outcome', ['outcome'])

/** A caller was told, or could not be. */
export function webhookDelivered(logger: Logger, { requestId, outcome }: { requestId: string; outcome: string }): void {
  const delivered = /^2\d\d$/.test(outcome)
  webhooks.inc({ outcome: delivered ? 'delivered' : 'given-up' })
  if (delivered) logger.debug({ requestId, outcome }, 'webhook delivered')
  else logger.info({ requestId, outcome }, 'webhook given up; the caller can ask for the status')
}
