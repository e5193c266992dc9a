import { Hex } from '@haca/core'
import { InferenceCompletedSchema, InferenceRequestedSchema, InferenceVoidedSchema } from '@haca/proto'
import type { Bus, Consumption } from '@haca/platform/bus'
import type { Logger } from '@haca/platform/log'
import { requestServed } from './events.js'
import { serveRequest, type Node } from './serve-request.js'
import type { ServiceTimes } from './service-times.js'

/** A request may be a mebibyte, for the price of one row, and takes seven times that once it is read; a pod has one gibibyte. */
const inFlightBytesMax = 32 << 20

/** Requests of this pool in; outcomes out. The outcome is durable before it is published, and published before the request is committed. */
export function consumeRequests(bus: Bus, node: Node, options: { pool: string; inFlightMax: number; times: ServiceTimes; logger: Logger }): Promise<Consumption> {
  return bus.consume({
    group: `inference-${options.pool}`,
    schema: InferenceRequestedSchema,
    pool: options.pool,
    inFlightMax: options.inFlightMax,
    inFlightBytesMax,
    handler: async (message) => {
      const takenAtMs = node.now()
      const outcome = await serveRequest(message, node)
      if (outcome.case === 'completed') await bus.publish(InferenceCompletedSchema, outcome.value)
      else await bus.publish(InferenceVoidedSchema, outcome.value)
      const ms = node.now() - takenAtMs
      options.times.record(ms)
      requestServed(options.logger, { requestId: Hex.fromBytes(message.requestId), outcome: outcome.case, ms, ...(outcome.case === 'voided' ? { code: outcome.value.code } : {}) })
    },
  })
}
