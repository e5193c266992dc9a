import type { AddressBook, LocalChain } from '@haca/contracts'
import type { Hex } from '@haca/core'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../root.js'
import { define, type Part } from '../parts/index.js'
import { roles } from './accounts.js'
import { engine } from './circuits.js'
import { modelsDirectory, usualModels } from './models.js'
import { localHardware, localImage } from './policy.js'

export const serviceNames = ['router', 'prover', 'settler', 'inference', 'gateway'] as const
export type ServiceName = (typeof serviceNames)[number]

/** Everything the services of one local stack have to be told. */
export interface World {
  folder: string
  brokers: string
  redisUrl: string
  rpcUrl: string
  book: AddressBook
  token: LocalChain
  /** Digest of each published model's manifest. */
  models: Record<string, Hex.Hex>
  /** SIMULATED trusted hardware: where it listens, and the file with its root. */
  simulator: { socket: string; rootFile: string }
  ports: Record<ServiceName, number> & { gatewayGrpc: number; routerGrpc: number; proverGrpc: number }
  /** Keeps the keys of several stacks on one Redis apart. */
  redisPrefix: string
  logLevel: string
  policy: typeof localPolicy
  /** More or other variables, per service. */
  env: Partial<Record<ServiceName, NodeJS.ProcessEnv>>
}

/** The router's figures of a local stack. Simulated hardware protects nothing, and is priced like that. */
export const localPolicy = {
  v: 1,
  hardware: Object.fromEntries(Object.keys(localHardware).map((id) => [id, { assurance: 'tee', compromisePpm: 1_000_000 }])),
  heartbeatMaxAgeMs: 10_000,
  deadlineSeconds: 120,
  // Measured by `npm run bench -- zk` on two cores, with room to spare; a second costs two tenths of a cent.
  proving: { fixedMs: 100, perMillionConstraintsMs: 20_000, secondAtomic: '2000' },
}

/** The environment of one service. */
export function environment(name: ServiceName, world: World): NodeJS.ProcessEnv {
  const { book, token } = world
  const common = {
    PROFILE: 'development',
    HOST: '127.0.0.1',
    PORT: String(world.ports[name]),
    LOG_LEVEL: world.logLevel,
    KAFKA_BROKERS: world.brokers,
    RPC_URL: world.rpcUrl,
    CHAIN_ID: String(book.chainId),
    BLOBS_DIRECTORY: join(world.folder, 'blobs'),
    SETTLEMENT_LOG_ADDRESS: book.settlementLog,
    REVENUE_VAULT_ADDRESS: book.revenueVault,
    TEE_REGISTRY_ADDRESS: book.teeRegistry,
    POLICY_REGISTRY_ADDRESS: book.policyRegistry,
    POLICY_SIGNERS: roles.policy.address,
    POLICY_REFRESH_MS: '1000',
    EVIDENCE_SIGNERS: roles.evidence.address,
    FACT_SIGNERS: roles.facts.address,
    MODEL_REGISTRY_ADDRESS: book.modelRegistry,
    PROOF_LEDGER_ADDRESS: book.proofLedger,
    TOKEN_ADDRESS: token.token,
    TOKEN_NAME: token.domain.name,
    TOKEN_VERSION: token.domain.version,
    OFFER_SIGNERS: roles.offers.address,
    REDIS_URL: world.redisUrl,
    REDIS_PREFIX: world.redisPrefix,
  }
  const own: Record<ServiceName, NodeJS.ProcessEnv> = {
    router: { ROUTER_GRPC_PORT: String(world.ports.routerGrpc), ROUTER_POLICY_FILE: policyFile(world), ROUTER_CATALOG_REFRESH_MS: '1000' },
    prover: {
      PROVER_GRPC_PORT: String(world.ports.proverGrpc),
      PROVER_ENGINE: engine,
      PROVER_KEYS_DIRECTORY: join(world.folder, 'proving-keys'),
      PROVER_REGISTRAR_KEY: roles.registrar.privateKey,
      PROVER_EVIDENCE_KEY: roles.evidence.privateKey,
      PROVER_SIMULATED_ROOT: world.simulator.rootFile,
    },
    settler: {
      PAYMENT_BATCHER_ADDRESS: book.paymentBatcher,
      SETTLER_PAYMENT_KEY: roles.payments.privateKey,
      SETTLER_FACT_KEY: roles.facts.privateKey,
      SETTLER_COMMIT_KEY: roles.commits.privateKey,
      SETTLER_FROM_BLOCK: String(book.fromBlock),
      SETTLER_BATCH_AGE_MS: '2000',
    },
    inference: {
      INFERENCE_POOL: 'cpu-a',
      INFERENCE_IMAGE_ID: localImage,
      INFERENCE_ATTESTATION_ADDRESS: `127.0.0.1:${world.ports.proverGrpc}`,
      INFERENCE_TEE_SOCKET: world.simulator.socket,
      INFERENCE_MODELS_DIRECTORY: modelsDirectory,
      INFERENCE_MODELS: (Object.keys(world.models).length > 0 ? Object.keys(world.models) : usualModels).join(','),
    },
    gateway: {
      GATEWAY_GRPC_PORT: String(world.ports.gatewayGrpc),
      GATEWAY_PUBLIC_URL: `http://127.0.0.1:${world.ports.gateway}`,
      GATEWAY_ROUTER_ADDRESS: `127.0.0.1:${world.ports.routerGrpc}`,
      GATEWAY_OFFER_KEY: roles.offers.privateKey,
      GATEWAY_WEBHOOKS: 'any',
    },
  }
  return { ...common, ...own[name], ...world.env[name] }
}

/** One service as a process of its own; ready when its probes say so. */
export function servicePart(name: ServiceName, world: World, readyWithinMs = 60_000): Part {
  return define({
    name,
    command: process.execPath,
    args: ['--enable-source-maps', '--disable-warning=TimeoutNegativeWarning', join(root, 'services', name, 'dist', name === 'prover' ? 'main.development.js' : 'main.js')],
    env: environment(name, world),
    logFile: join(world.folder, `logs/${name}.log`),
    ready: () => probe(`http://127.0.0.1:${world.ports[name]}/readyz`),
    readyWithinMs,
  })
}

async function probe(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok
  } catch {
    return false
  }
}

function policyFile({ folder, policy }: World): string {
  const file = join(folder, 'policy.json')
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, JSON.stringify(policy, null, 2))
  return file
}
