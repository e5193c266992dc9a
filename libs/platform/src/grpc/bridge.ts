import { fromBinary, toBinary, type DescMessage, type DescMethod, type DescService, type Message } from '@bufbuild/protobuf'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'

/** A request whose bytes were not a message of its type; the server answers it with INVALID_ARGUMENT. */
export class Malformed {
  constructor(readonly detail: string) {}
}

const wire = new WeakMap<object, Uint8Array>()

/** The bytes a request arrived as: what a receipt's requestHash covers. */
export function wireBytes(message: Message): Uint8Array {
  const bytes = wire.get(message)
  if (!bytes) throw new Error('assertion failed: a message that came over gRPC')
  return bytes
}

const serialize = (schema: DescMessage) => (message: Message): Buffer => Buffer.from(toBinary(schema, message))

const deserialize = (schema: DescMessage) => (bytes: Buffer): Message | Malformed => {
  try {
    const message = fromBinary(schema, bytes)
    wire.set(message, bytes)
    return message
  } catch (error) {
    return new Malformed((error as Error).message)
  }
}

/** grpc-js definition of a method of a protobuf-es service. */
export const methodDefinition = (method: DescMethod): MethodDefinition<Message, Message> => ({
  path: `/${method.parent.typeName}/${method.name}`,
  requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
  responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
  requestSerialize: serialize(method.input),
  requestDeserialize: deserialize(method.input) as (bytes: Buffer) => Message,
  responseSerialize: serialize(method.output),
  responseDeserialize: (bytes) => fromBinary(method.output, bytes),
})

export const serviceDefinition = (service: DescService): ServiceDefinition =>
  Object.fromEntries(service.methods.map((method) => [method.name, methodDefinition(method)]))
