import { Metadata, status } from '@grpc/grpc-js'
import { Errors } from '@haca/core'

/** A gRPC status to answer with: short message, machine-readable reason in trailers. */
export class GrpcFailure extends Error {
  override readonly name = 'GrpcFailure'
  constructor(
    readonly code: status,
    message: string,
    readonly trailers: Metadata = new Metadata(),
  ) {
    super(message)
  }
}

/** The status an error becomes at the edge; what we did not foresee is INTERNAL without detail. */
export function statusOf(error: unknown): { code: status; details: string; metadata: Metadata } {
  if (error instanceof GrpcFailure) return { code: error.code, details: error.message, metadata: error.trailers }
  const known = Errors.find(error)
  const metadata = new Metadata()
  if (!known) return { code: status.INTERNAL, details: 'internal error', metadata }
  metadata.set('haca-code', known.code)
  return { code: known.retryable ? status.UNAVAILABLE : status.INTERNAL, details: known.retryable ? known.message : known.code, metadata }
}
