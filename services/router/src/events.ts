import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

const decisions = metrics.counter('router_decisions_total', 'Routing decisions by outcome', ['outcome'])

/** A routing decision was taken. */
export function routed(logger: Logger, { model, outcome }: { model: string; outcome: string }): void {
  decisions.inc({ outcome })
  logger.debug({ model, outcome }, 'request routed')
}
