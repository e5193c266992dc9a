import { toBinary, type DescFile, type DescMethodServerStreaming, type DescMethodUnary, type DescService, type Message, type MessageShape } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { Metadata, Server, ServerCredentials, status, type ServerUnaryCall, type ServerWritableStream, type UntypedServiceImplementation, type sendUnaryData } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import type { Logger } from '../log/index.js'
import { Malformed, serviceDefinition } from './bridge.js'
import { GrpcFailure, statusOf } from './failure.js'

/** What a handler sees of a call and may set on its answer. */
export interface Call {
  metadata: Metadata
  /** Sent after the answer, also with an error. */
  trailers: Metadata
  /** Unix milliseconds until which the caller waits; `undefined` without a deadline. */
  deadlineMs: number | undefined
  peer: string
  method: string
}

/** A call that is answered by a stream. */
export interface StreamCall extends Call {
  /** Aborted when the caller is gone or has waited long enough. */
  signal: AbortSignal
}

/** One function per unary method of a service; a method without one answers UNIMPLEMENTED. */
export type Handlers<S extends DescService> = {
  [K in keyof S['method'] as S['method'][K] extends DescMethodUnary ? K : never]: S['method'][K] extends DescMethodUnary
    ? (request: MessageShape<S['method'][K]['input']>, call: Call) => Promise<MessageShape<S['method'][K]['output']>>
    : never
}

/** One function per method that answers by a stream. */
export type Streams<S extends DescService> = {
  [K in keyof S['method'] as S['method'][K] extends DescMethodServerStreaming ? K : never]?: S['method'][K] extends DescMethodServerStreaming
    ? (request: MessageShape<S['method'][K]['input']>, call: StreamCall) => AsyncIterable<MessageShape<S['method'][K]['output']>>
    : never
}

export interface TlsFiles {
  certificate: Buffer
  key: Buffer
}

const messageBytesMax = 4 << 20

/** A gRPC server with health (grpc.health.v1) and reflection, from protobuf-es descriptors. */
export class GrpcServer {
  readonly #server = new Server({
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.max_connection_age_ms': 600_000,
    'grpc.max_connection_age_grace_ms': 60_000,
  })
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING' })
  readonly #services: DescService[] = []

  constructor(readonly logger: Logger) {
    this.#health.addToServer(this.#server)
  }

  add<S extends DescService>(service: S, handlers: Handlers<S>, streams: Streams<S> = {} as Streams<S>): this {
    const implementation: UntypedServiceImplementation = {}
    for (const method of service.methods) {
      const handler = ({ ...handlers, ...streams } as Record<string, unknown>)[method.localName]
      if (handler && method.methodKind === 'unary') implementation[method.name] = this.#unary(method.name, handler as UnaryHandler)
      else if (handler && method.methodKind === 'server_streaming') implementation[method.name] = this.#stream(method.name, handler as StreamHandler)
      else implementation[method.name] = unimplemented(method.name)
    }
    this.#server.addService(serviceDefinition(service), implementation)
    this.#services.push(service)
    return this
  }

  /** Listens and answers the port that was bound. */
  async listen(host: string, port: number, tls?: TlsFiles): Promise<number> {
    new ReflectionService({ services: { fileDescriptorProtos: descriptors(this.#services) } } as never).addToServer(this.#server)
    const credentials = tls ? ServerCredentials.createSsl(null, [{ cert_chain: tls.certificate, private_key: tls.key }]) : ServerCredentials.createInsecure()
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${host}:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
    })
  }

  /** What health checks answer. */
  serving(ready: boolean): void {
    this.#health.setStatus('', ready ? 'SERVING' : 'NOT_SERVING')
    for (const service of this.#services) this.#health.setStatus(service.typeName, ready ? 'SERVING' : 'NOT_SERVING')
  }

  /** Takes no new calls, waits for the running ones up to `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.serving(false)
    const forced = setTimeout(() => this.#server.forceShutdown(), drainMs)
    await new Promise<void>((done) => this.#server.tryShutdown(() => done()))
    clearTimeout(forced)
  }

  #unary(method: string, handler: UnaryHandler) {
    return (call: ServerUnaryCall<Message | Malformed, Message>, respond: sendUnaryData<Message>): void => {
      const context: Call = { metadata: call.metadata, trailers: new Metadata(), deadlineMs: deadlineOf(call), peer: call.getPeer(), method }
      const run = async (): Promise<Message> => {
        if (call.request instanceof Malformed) throw new GrpcFailure(status.INVALID_ARGUMENT, `the request is not a message of its type: ${call.request.detail}`)
        return handler(call.request, context)
      }
      run().then(
        (answer) => respond(null, answer, context.trailers),
        (error: unknown) => {
          const failure = statusOf(error)
          failure.metadata.merge(context.trailers)
          if (failure.code === status.INTERNAL) this.logger.error({ err: error, method }, 'grpc call failed')
          respond({ code: failure.code, details: failure.details, metadata: failure.metadata })
        },
      )
    }
  }

  #stream(method: string, handler: StreamHandler) {
    return (call: ServerWritableStream<Message | Malformed, Message>): void => {
      const gone = new AbortController()
      call.once('cancelled', () => gone.abort())
      const context: StreamCall = { metadata: call.metadata, trailers: new Metadata(), deadlineMs: deadlineOf(call), peer: call.getPeer(), method, signal: gone.signal }
      const run = async (): Promise<void> => {
        if (call.request instanceof Malformed) throw new GrpcFailure(status.INVALID_ARGUMENT, `the request is not a message of its type: ${call.request.detail}`)
        for await (const message of handler(call.request, context)) {
          if (gone.signal.aborted) return
          if (!call.write(message)) await new Promise((next) => (call.once('drain', next), gone.signal.addEventListener('abort', next, { once: true })))
        }
        call.end(context.trailers)
      }
      run().catch((error: unknown) => {
        const failure = statusOf(error)
        failure.metadata.merge(context.trailers)
        if (failure.code === status.INTERNAL) this.logger.error({ err: error, method }, 'grpc stream failed')
        call.emit('error', { code: failure.code, details: failure.details, metadata: failure.metadata })
      })
    }
  }
}

type UnaryHandler = (request: Message, call: Call) => Promise<Message>
type StreamHandler = (request: Message, call: StreamCall) => AsyncIterable<Message>

function deadlineOf(call: ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>): number | undefined {
  const deadline = call.getDeadline()
  const at = deadline instanceof Date ? deadline.getTime() : deadline
  return Number.isFinite(at) ? at : undefined
}

const unimplemented = (name: string) => (...args: unknown[]) => {
  const failure = { code: status.UNIMPLEMENTED, details: `${name} is not served yet` }
  const respond = args.at(-1)
  if (typeof respond === 'function') (respond as sendUnaryData<Message>)(failure)
  else (args[0] as { emit(event: string, error: unknown): void }).emit('error', failure)
}

/** Reflection wants a proto-loader package; the serialised file descriptors are the part of it that it reads. */
function descriptors(services: readonly DescService[]): Buffer[] {
  const found = new Map<string, DescFile>()
  const visit = (file: DescFile): void => {
    if (found.has(file.proto.name)) return
    found.set(file.proto.name, file)
    file.dependencies.forEach(visit)
  }
  for (const service of services) visit(service.file)
  return [...found.values()].map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)))
}
