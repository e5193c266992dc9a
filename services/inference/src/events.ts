import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

const served = metrics.counter('inference_requests_total', 'Requests by outcome', ['outcome'])
const duration = metrics.histogram('inference_service_seconds', 'Seconds from taking a request to its durable outcome', [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30])

/** Queue figures that scalers read; set by the heartbeat. */
export const queueDepth = metrics.gauge('inference_queue_depth', 'Requests queued or running')
export const queueOldestAge = metrics.gauge('inference_queue_oldest_age_seconds', 'Age of the oldest request held')

/** A request ended on this node. */
export function requestServed(logger: Logger, { requestId, outcome, code, ms }: { requestId: string; outcome: 'completed' | 'voided'; code?: string; ms: number }): void {
  served.inc({ outcome })
  duration.observe(ms / 1000)
  if (outcome === 'voided') logger.info({ requestId, code }, 'request voided')
  else logger.debug({ requestId, ms }, 'request completed')
}
