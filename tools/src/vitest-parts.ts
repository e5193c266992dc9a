import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafkaPart, redisPart, type Part } from './parts/index.js'

/** Gives wire tests a real Kafka and a real Redis in `KAFKA_BROKERS` and `REDIS_URL`: those that are there, or its own, stopped at the end. */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-wire-'))
  const parts: Part[] = []
  if (!process.env.KAFKA_BROKERS) {
    const { part, brokers } = await kafkaPart(folder)
    parts.push(part)
    await part.start()
    process.env.KAFKA_BROKERS = brokers
  }
  if (!process.env.REDIS_URL) {
    const { part, url } = await redisPart(folder)
    parts.push(part)
    await part.start()
    process.env.REDIS_URL = url
  }
  return async () => {
    await Promise.all(parts.map((part) => part.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}
