import { Hex, Offer, PaymentHeader, Secp256k1 } from '@haca/core'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Network } from '../network.js'
import { exit } from './io.js'
import { main } from './main.js'

const address = (): Hex.Hex => Hex.checksum(Hex.fromBytes(randomBytes(20)))
const offerKey = randomBytes(32)
const network: Network = { chainId: 84532, settlementLog: address(), revenueVault: address(), token: { address: address(), name: 'USDC', version: '2' }, offerSigners: [Secp256k1.addressOfKey(offerKey)] }
const id = Hex.fromBytes(randomBytes(32))

function demand(): Response {
  const terms = { modelHash: id, mode: 1, token: network.token.address, payTo: network.revenueVault, unitPrice: 1_000n, ceiling: 1_000n, deadlineSeconds: 120, validUntil: 2_000_000_000, policyEpoch: 1, decisionHash: id }
  const offer = Offer.toJson(Offer.sign(terms, Offer.separator({ chainId: 84532, log: network.settlementLog }), offerKey))
  const entry = { scheme: 'exact', network: 'eip155:84532' as const, amount: '1000', asset: network.token.address, payTo: network.revenueVault, maxTimeoutSeconds: 300, extra: { name: 'USDC', version: '2', offer } }
  const required = { x402Version: 2 as const, resource: { url: 'http://gateway/v1/inference', description: '', mimeType: 'application/json' }, accepts: [entry] }
  return new Response('{}', { status: 402, headers: { [PaymentHeader.names.required]: PaymentHeader.encode(required) } })
}

let folder: string
let payments: string[]
let answer: () => Response
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-pay-'))
  payments = []
  vi.stubEnv('HACA_PRIVATE_KEY', Hex.fromBytes(randomBytes(32)))
  vi.stubEnv('TMPDIR', folder)
  vi.stubGlobal('fetch', async (_url: unknown, init: RequestInit = {}) => {
    const payment = new Headers(init.headers).get(PaymentHeader.names.signature)
    if (init.method === 'POST' && payment === null) return demand()
    if (payment !== null) payments.push(payment)
    return answer()
  })
  await writeFile(join(folder, 'request.json'), JSON.stringify({ model: 'digits', inputs: [] }))
  await writeFile(join(folder, 'network.json'), JSON.stringify(network))
})
afterEach(async () => {
  vi.unstubAllGlobals()
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await main(args, (text) => out.push(text), (text) => err.push(text))
  return { code, out: out.join('\n'), err: err.join('\n') }
}
const pay = (...more: string[]) => run('pay', '--url', 'http://gateway', '--max', '1000', '--network', join(folder, 'network.json'), join(folder, 'request.json'), ...more)
const late = (): Response => new Response('{}', { status: 503, headers: { 'retry-after': '0' } })

describe('haca pay', () => {
  it('keeps a call whose answer is late, and asks for it again without paying again', async () => {
    answer = late
    const first = await pay()
    expect(first.code).toBe(exit.pending)
    const [, file = ''] = /--call (\S+)/.exec(first.err) ?? []
    expect(existsSync(file)).toBe(true)
    answer = () => new Response('{"code":"gone"}', { status: 410 })
    expect((await pay('--call', file)).err).toContain('410 gone')
    expect(new Set(payments).size).toBe(1)
    expect(existsSync(file)).toBe(true)
  })

  it('keeps nothing of a call that has ended', async () => {
    answer = () => new Response('{"code":"gone"}', { status: 410 })
    expect((await pay()).code).toBe(exit.failed)
    expect((await readdir(folder)).filter((name) => name.startsWith('haca-call'))).toEqual([])
  })

  it('takes no wait that is no number', async () => {
    expect(await pay('--wait', 'long')).toMatchObject({ code: exit.usage, err: expect.stringContaining('--wait is a number of seconds') as string })
    expect(payments).toEqual([])
  })
})

describe('haca status', () => {
  const status = async (body: object): Promise<[number, string]> => {
    answer = () => Response.json(body)
    const { code, out } = await run('status', '--url', 'http://gateway', id)
    return [code, out]
  }

  it('says of what has ended that it has, and not that it is not there yet', async () => {
    expect(await status({ state: 'void', detail: 'nothing was charged' })).toEqual([exit.ok, 'void (nothing was charged), not paid'])
    expect(await status({ state: 'unpaid' })).toEqual([exit.ok, 'unpaid, not paid'])
    expect(await status({ state: 'anchored', batchId: 5 })).toEqual([exit.ok, 'anchored, its payment is no longer kept here, batch 5'])
    expect(await status({ state: 'delivered' })).toEqual([exit.pending, 'delivered, not settled yet, not anchored yet'])
  })
})

describe('the command', () => {
  it('exits 4 where the gateway does not answer', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('fetch failed')))
    const request = join(folder, 'request.json')
    for (const args of [['status', id], ['quote', request], ['attestation']]) {
      expect(await run(...args, '--url', 'http://gateway'), args[0]).toMatchObject({ code: exit.unreachable, err: expect.stringContaining('http://gateway does not answer') as string })
    }
  })

  it('exits 2, and says what is wrong, for words it does not know and files that are no receipts', async () => {
    answer = () => new Response('<html>')
    expect(await run('constructor')).toMatchObject({ code: exit.usage, err: expect.stringContaining('there is no verb "constructor"') as string })
    expect(await run('status', '--url', 'gateway', id)).toMatchObject({ code: exit.usage, err: expect.stringContaining('--url is the origin of a gateway') as string })
    expect(await run('verify', join(folder, 'request.json'))).toMatchObject({ code: exit.usage, err: expect.stringContaining('request.json is no receipt') as string })
    expect(await run('pay', '--url', 'http://gateway', '--max', '1', '--key-file', '/nonexistent', 'x')).toMatchObject({ code: exit.usage, err: expect.stringContaining('/nonexistent cannot be read') as string })
    expect(await run('attestation', '--url', 'http://gateway')).toMatchObject({ code: exit.failed, err: expect.stringContaining('no gateway answers there') as string })
  })
})
