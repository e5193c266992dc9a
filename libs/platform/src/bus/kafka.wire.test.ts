import { create } from '@bufbuild/protobuf'
import { InferenceRequestedSchema } from '@haca/proto'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../log/index.js'
import { conformance } from './bus.conformance.js'
import { KafkaBus } from './kafka.js'

describe('kafka bus', () =>
  conformance(
    async () =>
      new KafkaBus({
        brokers: (process.env.KAFKA_BROKERS as string).split(','),
        clientId: 'conformance',
        logger: createLogger('test', 'silent'),
        partitions: 3,
        replicationFactor: 1,
        sessionTimeoutMs: 6_000,
      }),
  ))

it('takes many large records at once: a broker bounds what comes in one piece', async () => {
  const bus = new KafkaBus({ brokers: (process.env.KAFKA_BROKERS as string).split(','), clientId: 'large', logger: createLogger('test', 'silent'), partitions: 1, replicationFactor: 1, sessionTimeoutMs: 6_000 })
  const pool = `p-${randomUUID()}`
  await bus.ensure([{ schema: InferenceRequestedSchema, pool }])
  const body = new Uint8Array(1 << 20)
  const publish = (): Promise<void> => bus.publish(InferenceRequestedSchema, create(InferenceRequestedSchema, { requestId: randomBytes(32), pool, body }))
  await Promise.all(Array.from({ length: 8 }, publish))
  const larger = bus.publish(InferenceRequestedSchema, create(InferenceRequestedSchema, { requestId: randomBytes(32), pool, body: new Uint8Array(4 << 20) }))
  await expect(larger).rejects.toMatchObject({ code: 'bus.record-too-large', retryable: false })
  let read = 0
  await bus.replay({ schema: InferenceRequestedSchema, pool, sinceMs: 0, visit: async (message) => void (message.body.length === body.length && read++) })
  expect(read).toBe(8)
  await bus.close()
})
