import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startKafka, startRedis, type Part } from './parts/index.js'

/** Gives wire tests a real Kafka and a real Redis in `KAFKA_BROKERS` and `REDIS_URL`: those that are there, or its own, stopped at the end. */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-wire-'))
  const parts: Part[] = []
  if (!process.env.KAFKA_BROKERS) {
    const { part, brokers } = await startKafka(folder)
    parts.push(part)
    process.env.KAFKA_BROKERS = brokers
  }
  if (!process.env.REDIS_URL) {
    const { part, url } = await startRedis(folder)
    parts.push(part)
    process.env.REDIS_URL = url
  }
  return async () => {
    await Promise.all(parts.map((part) => part.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}
