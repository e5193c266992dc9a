import type { AddressBook } from '@haca/contracts'
import type { Hex } from '@haca/core'
import {
  BatchSettledSchema,
  EvidenceProducedSchema,
  InferenceCompletedSchema,
  InferenceRequestedSchema,
  InferenceVoidedSchema,
  KeyAppraisedSchema,
  NodeHeartbeatSchema,
  PaymentFailedSchema,
  PaymentRequestedSchema,
  PaymentSettledSchema,
} from '@haca/proto'
import { DirectoryBlobs } from '@haca/platform/blobs'
import { KafkaBus } from '@haca/platform/bus'
import { createLogger } from '@haca/platform/log'
import { rootFile } from '@haca/tee-simulator'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { anvilPart, freePort, hasKafka, kafkaPart, redisPart, type AnvilOptions, type Part } from '../parts/index.js'
import { payers, roles } from './accounts.js'
import { deployLocally } from './chain.js'
import { publishCircuits } from './circuits.js'
import { publishModels } from './models.js'
import { simulatorPart } from './nodes.js'
import { enactLocalPolicy } from './policy.js'
import { silent, type Progress } from './progress.js'
import { localPolicy, serviceNames, servicePart, type ServiceName, type World } from './services.js'

export interface StackOptions {
  /** Where data and logs go. */
  folder: string
  progress?: Progress
  chain?: AnvilOptions
  logLevel?: string
  /** More or other variables, per service. */
  env?: World['env']
  /** What differs from the local policy. */
  policy?: Partial<World['policy']>
  /** Accounts that shall hold USDC, besides the standard payers. */
  fund?: readonly Hex.Hex[]
  /** Models to publish and serve, with their circuits. */
  models?: readonly string[]
  /** Ports of the gateway, when they must be known beforehand. */
  gatewayPort?: number
  gatewayGrpcPort?: number
}

/** What outside scripts find in `stack.json`. */
export interface StackFile {
  gateway: { http: string; grpc: string }
  rpc: string
  kafka: string
  redis: string
  contracts: AddressBook
  token: { address: Hex.Hex; name: string; version: string }
  models: Record<string, Hex.Hex>
  /** Keys of the local chain's public test accounts. */
  payers: { address: Hex.Hex; privateKey: Hex.Hex }[]
  roles: Record<string, Hex.Hex>
  /** Who answers for policies, and whose appraisals count. */
  policySigners: Hex.Hex[]
  evidenceSigners: Hex.Hex[]
  simulated: true
  /** File with the root of the SIMULATED hardware, DER; good for this stack and nothing else. */
  simulatedRoot: string
  logs: string
}

export interface Stack extends StackFile {
  world: World
  /** What we started: chain, kafka, redis, the simulator and the services. Something that was there already is not in it. */
  parts: Map<string, Part>
  /** Starts a service that is not running. */
  startService(name: ServiceName): Promise<void>
  stop(): Promise<void>
}

/** Kafka can be had in no way. */
export class NoKafka extends Error {
  override readonly name = 'NoKafka'
}

/** Starts the whole stack on loopback: what `KAFKA_BROKERS`, `REDIS_URL` and `RPC_URL` name is used, the rest is started. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { progress = silent } = options
  const parts = new Map<string, Part>()
  const stop = async (): Promise<void> => {
    await Promise.all(serviceNames.map((name) => parts.get(name)?.stop()))
    await Promise.all(['simulator', 'redis', 'kafka', 'anvil'].map((name) => parts.get(name)?.stop()))
  }
  try {
    const world = await prepareWorld(options, parts)
    const start = async (name: ServiceName): Promise<void> => {
      const service = parts.get(name) ?? servicePart(name, world)
      parts.set(name, service)
      await service.start()
    }
    await progress.step('starting the five services', () => Promise.all(serviceNames.map(start)))
    await progress.step('waiting for a live pool', () => untilServed(world))
    const file = stackFile(world)
    await writeFile(join(world.folder, 'stack.json'), JSON.stringify(file, null, 2))
    return { ...file, world, parts, startService: start, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Everything around the services: chain with contracts and models, Kafka with topics, Redis, the simulator. */
export async function prepareWorld(options: StackOptions, parts: Map<string, Part>, inMemory?: { brokers: string; redisUrl: string }): Promise<World> {
  const { folder, progress = silent } = options
  if (!inMemory && !process.env.KAFKA_BROKERS && !hasKafka()) throw new NoKafka('no Kafka: KAFKA_BROKERS is not set and the jars are not there')
  await mkdir(folder, { recursive: true })
  const [rpcUrl, brokers, redisUrl] = await progress.step('starting chain, Kafka and Redis', () =>
    Promise.all([
      given('RPC_URL', async () => (await begin(parts, await anvilPart(folder, options.chain))).url),
      inMemory?.brokers ?? given('KAFKA_BROKERS', () => ourKafka(folder, parts)),
      inMemory?.redisUrl ?? given('REDIS_URL', async () => (await begin(parts, await redisPart(folder))).url),
    ]),
  )
  const [{ book, token }] = await progress.step('deploying contracts and making topics', () =>
    Promise.all([deployLocally(rpcUrl, options.fund), inMemory ? undefined : makeTopics(brokers)]),
  )
  const blobs = new DirectoryBlobs(join(folder, 'blobs'))
  const models = await progress.step('publishing models', () => publishModels(rpcUrl, book, blobs, options.models))
  await progress.step('voting on the hardware policy', () => enactLocalPolicy(rpcUrl, book, models, blobs))
  await progress.step('publishing circuits under development keys', () => publishCircuits(rpcUrl, book, blobs, models))
  return {
    ...{ folder, brokers, redisUrl, rpcUrl, book, token, models },
    simulator: await startTeeSimulator(folder, parts),
    ports: {
      router: await freePort(),
      prover: await freePort(),
      settler: await freePort(),
      inference: await freePort(),
      gateway: options.gatewayPort ?? (await freePort()),
      gatewayGrpc: options.gatewayGrpcPort ?? (await freePort()),
      routerGrpc: await freePort(),
      proverGrpc: await freePort(),
    },
    redisPrefix: `haca-${randomBytes(3).toString('hex')}`,
    logLevel: options.logLevel ?? 'info',
    policy: { ...localPolicy, ...options.policy },
    env: options.env ?? {},
  }
}

/** What outside scripts may know of a stack. */
export const stackFile = ({ ports, rpcUrl, brokers, redisUrl, book, token, models, simulator, folder }: World): StackFile => ({
  gateway: { http: `http://127.0.0.1:${ports.gateway}`, grpc: `127.0.0.1:${ports.gatewayGrpc}` },
  rpc: rpcUrl,
  kafka: brokers,
  redis: redisUrl,
  contracts: book,
  token: { address: token.token, ...token.domain },
  models,
  payers: payers.map(({ address, privateKey }) => ({ address, privateKey })),
  roles: Object.fromEntries(Object.entries(roles).map(([name, account]) => [name, account.address])),
  policySigners: [roles.policy.address],
  evidenceSigners: [roles.evidence.address],
  simulated: true,
  simulatedRoot: simulator.rootFile,
  logs: join(folder, 'logs'),
})

async function ourKafka(folder: string, parts: Map<string, Part>): Promise<string> {
  return (await begin(parts, await kafkaPart(folder))).brokers
}

/** An address from the environment, or of what is started for it. */
const given = (name: string, start: () => Promise<string>): Promise<string> => (process.env[name] ? Promise.resolve(process.env[name]) : start())

/** Registers a part before it starts, so that a failure elsewhere stops it too. */
async function begin<T extends { part: Part }>(parts: Map<string, Part>, prepared: T): Promise<T> {
  parts.set(prepared.part.name, prepared.part)
  await prepared.part.start()
  return prepared
}

/** All topics at once: each service makes its own when it must, but five of them asking at the same time is slow. */
async function makeTopics(brokers: string): Promise<void> {
  const bus = new KafkaBus({ brokers: brokers.split(','), clientId: 'setup', logger: createLogger('setup', 'silent'), partitions: 4, replicationFactor: 1, sessionTimeoutMs: 10_000 })
  await bus.ensure([{ schema: InferenceRequestedSchema, pool: 'cpu-a' }, ...topics.map((schema) => ({ schema }))])
  await bus.close()
}

const topics = [
  BatchSettledSchema,
  EvidenceProducedSchema,
  InferenceCompletedSchema,
  InferenceVoidedSchema,
  KeyAppraisedSchema,
  NodeHeartbeatSchema,
  PaymentFailedSchema,
  PaymentRequestedSchema,
  PaymentSettledSchema,
]

async function startTeeSimulator(folder: string, parts: Map<string, Part>): Promise<World['simulator']> {
  const { part, socket, directory } = simulatorPart({ folder }, 'simulator')
  await begin(parts, { part })
  return { socket, rootFile: rootFile(directory) }
}

/** Waits until the gateway can sell every model. */
export async function untilServed(world: World): Promise<void> {
  const count = Object.keys(world.models).length
  for (const until = Date.now() + 60_000; Date.now() < until; await new Promise((next) => setTimeout(next, 100))) {
    const response = await fetch(`http://127.0.0.1:${world.ports.gateway}/v1/models`).catch(() => undefined)
    const body = response?.ok ? ((await response.json()) as { models: { pools: string[] }[] }) : undefined
    if (body && body.models.filter((m) => m.pools.length > 0).length >= count) return
  }
  throw new Error(`no live pool serves all ${count} models; logs are in ${join(world.folder, 'logs')}`)
}
