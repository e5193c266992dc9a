import { create } from '@bufbuild/protobuf'
import { AppError, Digest, Errors, Hex } from '@haca/core'
import { ChallengeResponseSchema, EnrollResponseSchema, SignedAppraisalSchema, type AttestationService } from '@haca/proto'
import { GrpcFailure, status, type Handlers } from '@haca/platform/grpc'
import { Wire } from '@haca/platform/wire'
import { drawChallenge, enrollKey, type Enrolment } from './enroll-key.js'

/** The ceremony over gRPC. */
export const attestationService = (enrolment: Enrolment): Handlers<typeof AttestationService> => ({
  challenge: (request) =>
    spoken(async () => {
      const policy = enrolment.feed.current()
      if (!policy.ok) throw new AppError(policy.reason, { retryable: true, ...(policy.detail ? { detail: policy.detail } : {}) })
      const challenge = drawChallenge(Wire.address(request.node, 'node'), enrolment)
      return create(ChallengeResponseSchema, {
        ...{ verifierId: challenge.verifierId, random: challenge.random, expiresAt: BigInt(challenge.expiresAt) },
        policyDigest: Hex.toBytes(`0x${policy.value.policy.digest}`),
        policyEpoch: BigInt(policy.value.policy.epoch),
      })
    }),
  enroll: (request) =>
    spoken(async () => {
      const { record, signature } = await enrollKey(request.collection, enrolment)
      return create(EnrollResponseSchema, { evidenceId: Hex.toBytes(Digest.content(request.collection)), appraisal: create(SignedAppraisalSchema, { record, signature }) })
    }),
})

/** Our errors as gRPC has them: what the node must change, and what it need only try again. */
async function spoken<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    const known = Errors.find(error)
    if (!known) throw error
    const detail = known.message
    if (known.retryable) throw new GrpcFailure(status.UNAVAILABLE, detail)
    if (known.code === 'challenge.unknown' || known.code === 'key.known') throw new GrpcFailure(status.FAILED_PRECONDITION, detail)
    if (known.code === 'evidence.malformed' || known.code === 'message.malformed') throw new GrpcFailure(status.INVALID_ARGUMENT, detail)
    throw error
  }
}
