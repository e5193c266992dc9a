import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
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

/** Longest message of a status, in characters: it travels percent-encoded in one header, and peers take 8 KiB of those. */
const detailsMax = 1_000

/**
 * A message as a header may carry it. What a caller named may be of any length, and cut in the middle of a character: grpc-js encodes by
 * `encodeURI`, which throws for half of one.
 */
export const sendable = (message: string): string => message.slice(0, detailsMax).toWellFormed()

/** The status an error becomes at the edge; what we did not foresee is INTERNAL without detail. */
export function statusOf(error: unknown): { code: status; details: string; metadata: Metadata } {
  const { code, details, metadata } = foreseen(error)
  return { code, details: sendable(details), metadata }
}

function foreseen(error: unknown): { code: status; details: string; metadata: Metadata } {
  if (error instanceof GrpcFailure) return { code: error.code, details: error.message, metadata: error.trailers }
  const known = Errors.find(error)
  const metadata = new Metadata()
  if (!known) return { code: status.INTERNAL, details: 'internal error', metadata }
  metadata.set('haca-code', known.code)
  return { code: known.retryable ? status.UNAVAILABLE : status.INTERNAL, details: known.retryable ? known.message : known.code, metadata }
}

/**
 * `grpc-status-details-bin`: google.rpc.Status with one google.rpc.ErrorInfo (AIP-193), so that a client can tell why without
 * reading a message made for people.
 */
export function errorDetails({ code, message, reason, domain }: { code: status; message: string; reason: string; domain: string }): Buffer {
  const info = new BinaryWriter().tag(1, WireType.LengthDelimited).string(reason).tag(2, WireType.LengthDelimited).string(domain).finish()
  const any = new BinaryWriter().tag(1, WireType.LengthDelimited).string('type.googleapis.com/google.rpc.ErrorInfo').tag(2, WireType.LengthDelimited).bytes(info).finish()
  return Buffer.from(
    new BinaryWriter().tag(1, WireType.Varint).int32(code).tag(2, WireType.LengthDelimited).string(sendable(message)).tag(3, WireType.LengthDelimited).bytes(any).finish(),
  )
}
