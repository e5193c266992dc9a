import type { DescMethod, Message, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import { Client, Metadata, credentials, status, type ServiceError } from '@grpc/grpc-js'
import { AppError } from '@haca/core'
import { methodDefinition } from './bridge.js'

export interface CallOptions {
  metadata?: Metadata
  /** Milliseconds after which the call is given up. */
  timeoutMs: number
}

export interface Reply<T> {
  message: T
  /** Trailing metadata. */
  trailers: Metadata
}

/** A gRPC client for protobuf-es services over one channel. */
export class GrpcClient {
  readonly #client: Client

  /** `address` is host:port; several addresses behind one name are used round robin. */
  constructor(address: string, tls?: { rootCertificates: Buffer }) {
    this.#client = new Client(address, tls ? credentials.createSsl(tls.rootCertificates) : credentials.createInsecure(), {
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      'grpc.max_receive_message_length': 4 << 20,
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 2_000,
    })
  }

  /** Calls a unary method. Rejects with grpc-js' ServiceError; `asAppError` turns it into ours. */
  unary<M extends DescMethod>(method: M, request: MessageInitShape<M['input']>, options: CallOptions): Promise<Reply<MessageShape<M['output']>>> {
    const definition = methodDefinition(method)
    return new Promise((resolve, reject) => {
      let trailers = new Metadata()
      const call = this.#client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        create(method.input, request) as Message,
        options.metadata ?? new Metadata(),
        { deadline: Date.now() + options.timeoutMs },
        (error, message) => (error ? reject(error) : setImmediate(() => resolve({ message: message as MessageShape<M['output']>, trailers }))),
      )
      call.on('status', (end) => (trailers = end.metadata))
    })
  }

  /** Calls a method that answers by a stream. Iterating rejects with grpc-js' ServiceError; leaving the loop cancels the call. */
  async *stream<M extends DescMethod>(method: M, request: MessageInitShape<M['input']>, options: CallOptions): AsyncGenerator<MessageShape<M['output']>> {
    const definition = methodDefinition(method)
    const call = this.#client.makeServerStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      create(method.input, request) as Message,
      options.metadata ?? new Metadata(),
      { deadline: Date.now() + options.timeoutMs },
    )
    try {
      for await (const message of call) yield message as MessageShape<M['output']>
    } finally {
      call.cancel()
    }
  }

  close(): void {
    this.#client.close()
  }
}

/** A peer that could not be asked. What it answered with a business status is not an error of this kind. */
export function asAppError(code: string, error: unknown): AppError {
  const retryable = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED].includes((error as ServiceError).code)
  return new AppError(code, { retryable, cause: error })
}
