import { Hex, Secp256k1 } from '@haca/core'
import { MemoryBlobs } from '@haca/platform/blobs'
import { loadPrimitives } from '@haca/platform/crypto'
import { createLogger } from '@haca/platform/log'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { RequestStatus } from '../get-request.js'
import { webhookDigest, Webhooks } from './webhooks.js'

const requestId = `0x${'ab'.repeat(32)}` as Hex.Hex
const status: RequestStatus = { requestId, state: 'anchored', code: null, detail: null, payment: null, batchId: 1, receipt: `/v1/receipts/${requestId}`, proof: 'proven' }
const key = new Uint8Array(32).fill(7)
const now = 1_795_000_000_000
const primitives = await loadPrimitives()
const hooks = (reach: 'public' | 'any', blobs = new MemoryBlobs()) => new Webhooks({ blobs, key, primitives, reach, logger: createLogger('test', 'silent'), pauseMs: 1, now: () => now })

let server: Server | undefined
afterEach(() => new Promise<void>((done) => (server ? server.close(() => done()) : done())))

/** A receiver that answers with these statuses, one after another. */
async function receiver(...answers: number[]): Promise<{ url: string; got: { headers: IncomingHttpHeaders; body: string }[] }> {
  const got: { headers: IncomingHttpHeaders; body: string }[] = []
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
      response.writeHead(answers.shift() ?? 200, { location: 'http://127.0.0.1:1/' }).end()
    })
  })
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got }
}

describe('webhooks', () => {
  it.each([
    ['plain http', 'http://example.com/'],
    ['loopback', 'https://127.0.0.1/'],
    ['IPv6 loopback', 'https://[::1]/'],
    ['a mapped address', 'https://[::ffff:127.0.0.1]/'],
    ['cloud metadata', 'https://169.254.169.254/latest'],
    ['loopback in one number', 'https://2130706433/'],
    ['a user', 'https://user@example.com/'],
    ['another scheme', 'file:///etc/passwd'],
    ['no address', 'nonsense'],
    ['a long one', `https://example.com/${'a'.repeat(2_048)}`],
  ])('refuses %s', (_what, url) => {
    expect(() => hooks('public').check(url)).toThrow(expect.objectContaining({ code: 'webhook.refused' }))
  })

  it('takes an address on the public internet', () => {
    expect(hooks('public').check('https://example.com/hook?x=1').href).toBe('https://example.com/hook?x=1')
  })

  it('never calls a name that leads to this machine', async () => {
    const { url, got } = await receiver()
    const blobs = new MemoryBlobs()
    await hooks('any', blobs).keep(requestId, new URL(url.replace('127.0.0.1', 'localhost').replace('http:', 'https:')))
    await hooks('public', blobs).tell(status)
    expect(got).toEqual([])
  })

  it('signs what it tells, under an id that is the same each time, and goes on until it is taken', async () => {
    const { url, got } = await receiver(503)
    const told = hooks('any')
    await told.keep(requestId, told.check(url))
    await told.keep(requestId, new URL('http://127.0.0.1:1/')) // the first address stands
    await told.tell(status)
    expect(got).toHaveLength(2)
    expect(got[0]?.headers['haca-webhook-id']).toBe(got[1]?.headers['haca-webhook-id'])
    const { headers, body } = got[1] as (typeof got)[number]
    expect(JSON.parse(body)).toEqual({ type: 'request.proven', ...status })
    const digest = webhookDigest(Number(headers['haca-webhook-timestamp']), new TextEncoder().encode(body), primitives)
    const by = primitives.recover(digest, Hex.toBytes(headers['haca-webhook-signature'] as string))
    expect(Hex.checksum(Hex.fromBytes(by as Uint8Array))).toBe(Hex.checksum(Secp256k1.addressOfKey(key)))
  })

  it('follows no redirect, and tells nobody who did not ask', async () => {
    const { url, got } = await receiver(302, 302, 302, 302)
    const told = hooks('any')
    await told.tell(status)
    expect(got).toHaveLength(0)
    await told.keep(requestId, new URL(url))
    await told.tell(status)
    expect(got).toHaveLength(4)
  })
})
