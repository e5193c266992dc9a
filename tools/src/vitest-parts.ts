import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startKafka, startRedis, type Part } from './parts/index.js'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string
    redisUrl: string
  }
}

/** Gives wire tests a real Kafka and a real Redis: those of `KAFKA_BROKERS` and `REDIS_URL`, or its own, stopped at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-wire-'))
  const parts: Part[] = []
  const provide = async (name: 'kafkaBrokers' | 'redisUrl', given: string | undefined, start: () => Promise<{ part: Part; address: string }>) => {
    if (given) return project.provide(name, given)
    const { part, address } = await start()
    parts.push(part)
    project.provide(name, address)
  }
  await provide('kafkaBrokers', process.env.KAFKA_BROKERS, async () => startKafka(folder).then(({ part, brokers }) => ({ part, address: brokers })))
  await provide('redisUrl', process.env.REDIS_URL, async () => startRedis(folder).then(({ part, url }) => ({ part, address: url })))
  return async () => {
    await Promise.all(parts.map((part) => part.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}
