import { create, toBinary } from '@bufbuild/protobuf'
import { AppError } from '@haca/core'
import { InferRequestSchema, InferResponseSchema, InferenceService, QuoteResponseSchema } from '@haca/proto'
import { Client, Metadata, credentials, status, type ServiceError } from '@grpc/grpc-js'
import { Pki } from '@haca/core/tee/testing'
import protoLoader from '@grpc/proto-loader'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '../log/index.js'
import { GrpcClient, GrpcFailure, GrpcServer, readTls, wireBytes } from './index.js'

const { method } = InferenceService
let server: GrpcServer
let client: GrpcClient
let address: string

beforeAll(async () => {
  const trailers = new Metadata()
  trailers.set('payment-required-bin', Buffer.from('{"x402Version":2}'))
  server = new GrpcServer(createLogger('test', 'silent')).add(InferenceService, {
    quote: async (request) => create(QuoteResponseSchema, { model: request.request?.model ?? '' }),
    infer: async (request, call) => {
      if (request.model === 'unpaid') throw new GrpcFailure(status.FAILED_PRECONDITION, 'payment required', trailers)
      if (request.model === 'busy') throw new AppError('router.unavailable', { retryable: true })
      if (request.model === 'half') throw new GrpcFailure(status.NOT_FOUND, `no model "${'m'.repeat(5)}\ud83d"`)
      if (request.model === 'long') throw new GrpcFailure(status.NOT_FOUND, 'm'.repeat(1 << 20))
      if (request.model === 'bug') throw new Error('secret detail')
      call.trailers.set('payment-response-bin', Buffer.from('{"success":true}'))
      return create(InferResponseSchema, { answer: wireBytes(request) })
    },
    getRequest: undefined as never,
    getReceipt: undefined as never,
  })
  address = `127.0.0.1:${await server.listen('127.0.0.1', 0)}`
  server.serving(true)
  client = new GrpcClient(address)
})
afterAll(async () => {
  client.close()
  await server.close(1_000)
})

const failure = (call: Promise<unknown>): Promise<ServiceError> => call.then(() => expect.fail('it answered'), (error: ServiceError) => error)

describe('gRPC bridge', () => {
  it('carries messages, the bytes they came as, and trailers', async () => {
    const request = create(InferRequestSchema, { model: 'digits', inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1n, 2n], fp32Contents: [0.5, NaN] }] })
    const { message, trailers } = await client.unary(method.infer, request, { timeoutMs: 2_000 })
    expect(Buffer.from(message.answer)).toEqual(Buffer.from(toBinary(InferRequestSchema, request)))
    expect(trailers.get('payment-response-bin')[0]?.toString()).toBe('{"success":true}')
  })

  it('answers failures with their status and trailers, and hides what nobody foresaw', async () => {
    const unpaid = await failure(client.unary(method.infer, { model: 'unpaid' }, { timeoutMs: 2_000 }))
    expect([unpaid.code, unpaid.metadata.get('payment-required-bin')[0]?.toString()]).toEqual([status.FAILED_PRECONDITION, '{"x402Version":2}'])
    const busy = await failure(client.unary(method.infer, { model: 'busy' }, { timeoutMs: 2_000 }))
    expect([busy.code, busy.metadata.get('haca-code')[0]]).toEqual([status.UNAVAILABLE, 'router.unavailable'])
    const bug = await failure(client.unary(method.infer, { model: 'bug' }, { timeoutMs: 2_000 }))
    expect([bug.code, bug.details]).toEqual([status.INTERNAL, 'internal error'])
  })

  it('answers with a message that holds half a character, and with one longer than any header', async () => {
    const half = await failure(client.unary(method.infer, { model: 'half' }, { timeoutMs: 2_000 }))
    expect([half.code, half.details]).toEqual([status.NOT_FOUND, 'no model "mmmmm\ufffd"'])
    const long = await failure(client.unary(method.infer, { model: 'long' }, { timeoutMs: 2_000 }))
    expect([long.code, long.details]).toEqual([status.NOT_FOUND, 'm'.repeat(1_000)])
  })

  it('answers bytes that are no message with INVALID_ARGUMENT, and streams with UNIMPLEMENTED', async () => {
    const raw = new Client(address, credentials.createInsecure())
    const send = (path: string, bytes: Buffer) =>
      new Promise<ServiceError | null>((done) => raw.makeUnaryRequest(path, (b: Buffer) => b, (b) => b, bytes, (error) => done(error)))
    expect((await send('/haca.v1.InferenceService/Infer', Buffer.from([0xff, 0xff, 0xff])))?.code).toBe(status.INVALID_ARGUMENT)
    expect((await send('/haca.v1.InferenceService/InferStream', Buffer.alloc(0)))?.code).toBe(status.UNIMPLEMENTED)
    expect((await send('/haca.v1.InferenceService/InferSession', Buffer.alloc(0)))?.code).toBe(status.UNIMPLEMENTED)
    expect((await send('/haca.v1.InferenceService/GetRequest', Buffer.alloc(0)))?.code).toBe(status.UNIMPLEMENTED)
    raw.close()
  })

  it('serves health and reflection', async () => {
    const healthProto = protoLoader.fromJSON({ nested: { grpc: { nested: { health: { nested: { v1: { nested: {
      HealthCheckRequest: { fields: { service: { type: 'string', id: 1 } } },
      HealthCheckResponse: { fields: { status: { type: 'int32', id: 1 } } },
      Health: { methods: { Check: { requestType: 'HealthCheckRequest', responseType: 'HealthCheckResponse' } } },
    } } } } } } } } as never)
    const check = (healthProto['grpc.health.v1.Health'] as never as Record<string, { path: string; requestSerialize(v: unknown): Buffer; responseDeserialize(b: Buffer): unknown }>).Check
    if (!check) throw new Error('no health definition')
    const raw = new Client(address, credentials.createInsecure())
    const answer = await new Promise((done, fail) => raw.makeUnaryRequest(check.path, check.requestSerialize, check.responseDeserialize, { service: 'haca.v1.InferenceService' }, (e, v) => (e ? fail(e) : done(v))))
    expect(answer).toMatchObject({ status: 1 })
    // ServerReflectionRequest.list_services (field 7) = "*"; the answer must name our service.
    const listed = await new Promise<Buffer>((done, fail) => {
      const call = raw.makeBidiStreamRequest('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', (b: Buffer) => b, (b) => b)
      call.once('data', (b: Buffer) => (call.end(), done(b)))
      call.once('error', fail)
      call.write(Buffer.from([0x3a, 0x01, 0x2a]))
    })
    expect(listed.toString('latin1')).toContain('haca.v1.InferenceService')
    raw.close()
  })
})

describe('gRPC over TLS', () => {
  it('answers who knows its CA, and neither who knows another nor who does not encrypt', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'haca-grpc-'))
    const certificate = Pki.issueCertificate({ subject: 'localhost', key: Pki.generateKey('P-256'), ca: true })
    const files = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
    await writeFile(files.certificate, certificate.pem)
    await writeFile(files.key, certificate.key.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const quotes = { quote: async () => create(QuoteResponseSchema, { model: 'digits' }), infer: undefined as never, getRequest: undefined as never, getReceipt: undefined as never }
    const encrypted = new GrpcServer(createLogger('test', 'silent')).add(InferenceService, quotes)
    const port = await encrypted.listen('127.0.0.1', 0, readTls(files.certificate, files.key))
    encrypted.serving(true)
    const ask = async (tls: { rootCertificates: Buffer } | undefined): Promise<string> => {
      const one = new GrpcClient(`localhost:${port}`, tls)
      try {
        return (await one.unary(method.quote, {}, { timeoutMs: 2_000 })).message.model
      } catch {
        return 'refused'
      } finally {
        one.close()
      }
    }
    const other = Pki.issueCertificate({ subject: 'localhost', key: Pki.generateKey('P-256'), ca: true })
    expect(await Promise.all([{ rootCertificates: Buffer.from(certificate.pem) }, { rootCertificates: Buffer.from(other.pem) }, undefined].map(ask))).toEqual(['digits', 'refused', 'refused'])
    await encrypted.close(1_000)
    await rm(folder, { recursive: true })
  })

  it('is off where no files are named', () => {
    expect(readTls(undefined, undefined)).toBeUndefined()
    expect(() => readTls('/nonexistent/tls.crt', '/nonexistent/tls.key')).toThrow('/nonexistent/tls.crt')
  })
})
