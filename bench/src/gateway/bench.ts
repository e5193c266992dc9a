import { PaymentHeader } from '@haca/core'
import { digitBody, freePort, newWallet, redisPart, signPayment } from '@haca/tools'
import { Redis } from 'ioredis'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calibrate } from '../calibration.js'
import { median, report, say } from '../report.js'
import { drive, post, startServer, type Server } from '../load.js'

const rounds = 3
const atOnce = 64
/** Both sides are driven for this long before the clock starts, until they run compiled code and hold what they cache. */
const warmUpSeconds = 12
const counts = { ours: 10_000, official: 1_000 }
const body = digitBody(3)

/** CPU of a paid request: our gateway and its Redis beside the official middleware with the official facilitator, in one run. */
export async function run(json: boolean): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-bench-'))
  const redis = await redisPart(folder)
  await redis.part.start()
  const ours = await startServer(new URL('haca-server.js', import.meta.url), { REDIS_URL: redis.url, GATEWAY_GRPC_PORT: String(await freePort()) })
  const official = await startServer(new URL('official-server.js', import.meta.url))
  const store = new Redis(redis.url)
  try {
    await warm(ours, counts.ours)
    await warm(official, counts.official)
    const us = { gateway: [] as number[], redis: [] as number[], official: [] as number[] }
    for (let round = 0; round < rounds; round++) {
      const before = await redisCpu(store)
      us.gateway.push(await measure(ours, counts.ours))
      us.redis.push(((await redisCpu(store)) - before) / counts.ours)
      us.official.push(await measure(official, counts.official))
      say(`round ${round + 1}: ${us.gateway[round]?.toFixed(0)} + ${us.redis[round]?.toFixed(0)} µs beside ${us.official[round]?.toFixed(0)} µs`)
    }
    const oursTotal = median(us.gateway.map((g, i) => g + (us.redis[i] as number)))
    return report(
      'gateway: CPU per paid request',
      [
        { metric: 'HACA: Fastify, parse, verify, reserve, answer', value: median(us.gateway), unit: 'µs' },
        { metric: 'HACA: redis-server', value: median(us.redis), unit: 'µs' },
        { metric: 'official @x402/express with in-process facilitator, stubbed RPC', value: median(us.official), unit: 'µs' },
        { metric: 'times less CPU, Redis included', value: median(us.official) / oursTotal, unit: '×', bar: { at: 15, is: 'at least' } },
        await calibrate(),
        await calibrate({ engine: 'secp256k1' }),
      ],
      json,
    )
  } finally {
    store.disconnect()
    ours.stop()
    official.stop()
    await redis.part.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function warm(server: Server, count: number): Promise<void> {
  for (const until = Date.now() + warmUpSeconds * 1_000; Date.now() < until; ) await measure(server, count)
}

/** CPU per paid request in microseconds; every payment is signed before the clock starts. */
async function measure(server: Server, count: number): Promise<number> {
  const { headers } = await post(server.port, '/v1/inference', body, {})
  const required = PaymentHeader.decodeRequired(headers['payment-required'] as string)
  if (!required.ok) throw new Error(required.detail)
  const wallets = Array.from({ length: 20 }, newWallet)
  const payments = Array.from({ length: count }, (_, i) => signPayment(required.value, wallets[i % wallets.length] as (typeof wallets)[number]).header)
  await server.expect(payments)
  const before = await server.cpu()
  await drive(server.port, body, payments, atOnce)
  return ((await server.cpu()) - before) / count
}

async function redisCpu(redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  const read = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1] ?? 0)
  return (read('used_cpu_user') + read('used_cpu_sys')) * 1e6
}
