import { create } from '@bufbuild/protobuf'
import { Assign, type Fleet } from '@haca/core'
import { AssignResponseSchema, type AssignRequest, type AssignResponse } from '@haca/proto'
import { Wire } from '@haca/platform/wire'
import type { FleetView } from './ports.js'

/** A live pool for an offer that has been paid. */
export function assignPool(request: AssignRequest, world: { fleet: FleetView; policy: Fleet.Policy; now: number }): AssignResponse {
  const paid = {
    modelHash: Wire.hex(request.modelHash, 32, 'model_hash'),
    mode: request.mode,
    requestId: Wire.hex(request.requestId, 32, 'request_id'),
  }
  const answer = Assign.assign(paid, world.fleet.nodes(), world.policy, world.now)
  return create(AssignResponseSchema, {
    outcome: answer.ok ? { case: 'pool', value: answer.value } : { case: 'refusal', value: { reason: answer.reason, detail: answer.detail ?? '' } },
  })
}
