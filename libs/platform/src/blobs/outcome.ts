import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { RequestOutcomeSchema, type InferenceCompleted, type InferenceVoided, type RequestOutcome } from '@haca/proto'
import type { Hex } from '@haca/core'
import type { Blobs } from './blobs.js'

const keyOf = (requestId: Hex.Hex): string => `results/${requestId.slice(2, 4)}/${requestId.slice(2)}`

/** What became of a request, if anything did. */
export async function read(blobs: Blobs, requestId: Hex.Hex): Promise<RequestOutcome['outcome'] | undefined> {
  const bytes = await blobs.get(keyOf(requestId))
  return bytes && fromBinary(RequestOutcomeSchema, bytes).outcome
}

/** Writes an outcome unless one is there. Whoever was first decided; its outcome is answered. */
export async function decide(
  blobs: Blobs,
  requestId: Hex.Hex,
  outcome: { case: 'completed'; value: InferenceCompleted } | { case: 'voided'; value: InferenceVoided },
): Promise<{ first: boolean; outcome: RequestOutcome['outcome'] }> {
  const bytes = toBinary(RequestOutcomeSchema, create(RequestOutcomeSchema, { outcome }))
  const kept = await blobs.putOnce(keyOf(requestId), bytes)
  return { first: kept.stored, outcome: kept.stored ? outcome : fromBinary(RequestOutcomeSchema, kept.bytes).outcome }
}
