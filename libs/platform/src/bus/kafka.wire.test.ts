import { describe } from 'vitest'
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
