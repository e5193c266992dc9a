import { ConfigError, kind, z, type Rule, type Secret, type Values } from '../config/index.js'
import type { Logger } from '../log/index.js'
import { KafkaBus } from './kafka.js'

/** How a service reaches Kafka. */
export const kafkaShape = {
  KAFKA_BROKERS: kind.list().describe('host:port, separated by commas'),
  KAFKA_SSL: kind.flag().default(false),
  KAFKA_SASL_MECHANISM: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: kind.secret().optional(),
  KAFKA_PARTITIONS: kind.count(1, 1_000).default(4).describe('of topics made at start; at least the most replicas of any service'),
  KAFKA_REPLICATION_FACTOR: kind.count(1, 7).default(1),
  KAFKA_SESSION_TIMEOUT_MS: kind.count(6_000, 300_000).default(10_000),
}

type KafkaEnv = Values<typeof kafkaShape>

/** Production demands TLS, SASL and three replicas. */
export const kafkaRules: Rule<KafkaEnv & { PROFILE: string }>[] = [
  (env) => (env.PROFILE === 'production' && !env.KAFKA_SSL ? 'KAFKA_SSL must be true in production' : undefined),
  (env) => (env.PROFILE === 'production' && !(env.KAFKA_SASL_MECHANISM && env.KAFKA_SASL_USERNAME && env.KAFKA_SASL_PASSWORD) ? 'KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are required in production' : undefined),
  (env) => (env.PROFILE === 'production' && env.KAFKA_REPLICATION_FACTOR < 3 ? 'KAFKA_REPLICATION_FACTOR must be at least 3 in production' : undefined),
]

export function openBus(env: KafkaEnv, clientId: string, logger: Logger): KafkaBus {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = env
  return new KafkaBus({
    brokers: env.KAFKA_BROKERS,
    clientId,
    logger,
    partitions: env.KAFKA_PARTITIONS,
    replicationFactor: env.KAFKA_REPLICATION_FACTOR,
    sessionTimeoutMs: env.KAFKA_SESSION_TIMEOUT_MS,
    ssl: env.KAFKA_SSL,
    ...(mechanism ? { sasl: saslOf(mechanism, username, password) } : {}),
  })
}

function saslOf(mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', username: string | undefined, password: Secret<string> | undefined) {
  if (!username || !password) throw new ConfigError(['KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are required with KAFKA_SASL_MECHANISM'])
  return { mechanism, username, password: password.reveal() } as const
}
