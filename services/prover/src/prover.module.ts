import type { DynamicModule, OnApplicationShutdown } from '@nestjs/common'
import { AppError, Hex, Secp256k1 } from '@haca/core'
import { VENDOR_ROOTS, type TrustAnchors, type Verifier } from '@haca/core/tee'
import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { AttestationService, EvidenceProducedSchema, InferenceCompletedSchema, KeyAppraisedSchema, PaymentFailedSchema } from '@haca/proto'
import { KeyArchive, openBlobs, type Blobs } from '@haca/platform/blobs'
import { openBus, type Bus, type Consumption } from '@haca/platform/bus'
import { KeyRegistry, TxSender, openChain, openPolicyFeed, senderLimits, type PolicyFeed } from '@haca/platform/chain'
import { Circuits } from '@haca/platform/circuits'
import { loadPrimitives } from '@haca/platform/crypto'
import { GrpcServer, readTls } from '@haca/platform/grpc'
import { BullJobs, type Jobs, type Worker } from '@haca/platform/jobs'
import type { Logger } from '@haca/platform/log'
import { HealthController, healthProviders } from '@haca/platform/nest'
import { connectRedis, redisOptions, type Redis } from '@haca/platform/store'
import { readFileSync } from 'node:fs'
import { privateKeyToAccount } from 'viem/accounts'
import { attestationService } from './attestation.grpc.js'
import { goldenSigner, type GoldenSigner } from './collateral/manifest/golden-values.js'
import { openCollateral, type CollateralSettings } from './collateral/open-collateral.js'
import type { VendorCollateral } from './collateral/vendor-collateral.js'
import { MemoryChallenges, RedisChallenges } from './challenges.js'
import type { ProverConfig } from './config.js'
import { consumeCompletions, type Line } from './consumer.js'
import { KeyHistories } from './key-histories.js'
import { LiveKeys, type Watch } from './live-keys.js'
import { ChainRegistrar } from './registrar.js'
import { acceptsSimulated } from './self-test.js'
import type { Prover } from './proving/index.js'
import { KeyFiles } from './zk/key-files.js'
import { openProver } from './zk/open-prover.js'

export interface Seams {
  bus: Bus
  blobs: Blobs
  jobs: Jobs
}

class ProverModule {}

/** Composition root. Which kinds of evidence count is the program's own choice, not a setting. */
export async function compose(config: ProverConfig, logger: Logger, verifiers: readonly Verifier[], seams?: Seams): Promise<DynamicModule> {
  const { env } = config
  const now = Date.now
  const crypto = nodeCrypto()
  if (config.profile === 'production' && (await acceptsSimulated(verifiers, crypto))) throw new Error('this build accepts SIMULATED evidence, and must not run with PROFILE=production')
  const bus = seams?.bus ?? openBus(env, 'prover', logger)
  const blobs = seams?.blobs ?? openBlobs(env)
  const jobs = seams?.jobs ?? new BullJobs(redisOptions(env), `${env.REDIS_PREFIX}-jobs`, logger)
  const redis = seams ? undefined : connectRedis(redisOptions(env), logger)
  const chain = openChain(env)
  const archive = new KeyArchive(blobs)
  const primitives = await loadPrimitives()
  const keys = new KeyRegistry(chain, env.TEE_REGISTRY_ADDRESS, { maxAgeMs: 5_000, now })
  const feed = openPolicyFeed(env, { chain, archive, primitives, logger, now })
  const account = privateKeyToAccount(env.PROVER_REGISTRAR_KEY.reveal())
  const sender = new TxSender({ chain, account, blobs, logger, ...senderLimits(env), now })
  const line: Line = { bus, jobs, logger, factSigners: env.FACT_SIGNERS, concurrency: env.PROVER_CONCURRENCY, inFlightMax: env.PROVER_IN_FLIGHT_MAX, provingConcurrency: env.PROVER_PROOFS_AT_ONCE }
  const scope = { chainId: env.CHAIN_ID, log: env.SETTLEMENT_LOG_ADDRESS }
  const prover = openProver({ engine: env.PROVER_ENGINE, threads: env.PROVER_ENGINE_THREADS, memoryBytes: env.PROVER_MEMORY_BYTES, timeoutMs: env.PROVER_PROOF_TIMEOUT_MS, logger })
  const evidenceKey = Hex.toBytes(env.PROVER_EVIDENCE_KEY.reveal())
  const recordScope = { chainId: env.CHAIN_ID, registry: env.TEE_REGISTRY_ADDRESS }
  const golden = env.PROVER_GOLDEN_VALUES_KEY && goldenSigner(Hex.toBytes(env.PROVER_GOLDEN_VALUES_KEY.reveal()))
  const roots = rootsOf(env.PROVER_SIMULATED_ROOT, golden)
  const collateral = openCollateral({ archive, blobs, roots: VENDOR_ROOTS, golden, crypto, logger, now }, collateralSettings(env))
  const watch: Watch = {
    ...{ archive, bus, keys, feed, verifiers, crypto, evidenceKey, logger, now },
    registrar: new ChainRegistrar(sender, env.TEE_REGISTRY_ADDRESS),
    scope: recordScope,
    collateral,
    roots,
  }
  const live = new LiveKeys(watch)
  const challenges = redis ? new RedisChallenges(redis, env.REDIS_PREFIX) : new MemoryChallenges()

  await bus.ensure([InferenceCompletedSchema, EvidenceProducedSchema, KeyAppraisedSchema, PaymentFailedSchema].map((schema) => ({ schema })))
  await jobs.open()
  await sender.start()
  await feed.start(env.POLICY_REFRESH_MS)
  await live.start(env.PROVER_REAPPRAISE_MS)
  collateral.start(env.PROVER_COLLATERAL_CHECK_MS)
  const grpc = new GrpcServer(logger).add(AttestationService, attestationService({ ...watch, challenges, live, verifierId: verifierId(evidenceKey) }))
  const grpcPort = await grpc.listen(config.host, env.PROVER_GRPC_PORT, readTls(env.PROVER_TLS_CERTIFICATE_FILE, env.PROVER_TLS_KEY_FILE))
  grpc.serving(true)
  logger.info({ collateral: env.PROVER_COLLATERAL, goldenValueSigner: golden ? Hex.fromBytes(golden.publicKey) : null }, 'collateral ready')
  logger.info({ grpcPort, kinds: verifiers.map(({ kind }) => kind) }, 'grpc listening')
  const running = await consumeCompletions(
    line,
    {
      ...{ blobs, keys, primitives, scope, evidenceKey, now },
      histories: new KeyHistories({ archive, recordScope, primitives, now, evidenceSigner: Secp256k1.addressOfKey(evidenceKey) }),
      removed: () => {
        const policy = feed.current()
        if (!policy.ok) throw new AppError(policy.reason, { retryable: true, ...(policy.detail ? { detail: policy.detail } : {}) })
        return policy.value.policy.removed
      },
      simulatedAllowed: verifiers.some(({ kind }) => kind === 'simulated'),
    },
    {
      ...{ blobs, scope, primitives, prover },
      circuits: new Circuits({ chain, modelRegistry: env.MODEL_REGISTRY_ADDRESS, blobs, devAllowed: config.profile === 'development', logger, now }),
      keyFiles: new KeyFiles(env.PROVER_KEYS_DIRECTORY, blobs),
    },
  )
  return {
    module: ProverModule,
    controllers: [HealthController],
    providers: [
      ...healthProviders({ kafka: () => bus.ping(), redis: () => jobs.ping(), policy: () => feed.epoch() !== undefined }),
      { provide: 'shutdown', useFactory: () => shutdown({ grpc, running, live, collateral, feed, prover, sender, drainMs: config.drainMs, ...(seams ? {} : { bus, jobs }), ...(redis ? { redis } : {}) }) },
    ],
  }
}

const collateralSettings = (env: ProverConfig['env']): CollateralSettings => ({
  mode: env.PROVER_COLLATERAL,
  urls: {
    intelPcs: env.PROVER_COLLATERAL_INTEL_URL,
    intelCertificates: env.PROVER_COLLATERAL_INTEL_CERTIFICATES_URL,
    amdKds: env.PROVER_COLLATERAL_AMD_URL,
    nvidiaRim: env.PROVER_COLLATERAL_NVIDIA_RIM_URL,
    nvidiaOcsp: env.PROVER_COLLATERAL_NVIDIA_OCSP_URL,
    aws: env.PROVER_COLLATERAL_AWS_URL,
  },
  deadlineMs: env.PROVER_COLLATERAL_DEADLINE_MS,
})

/** The vendors' roots, whoever signs golden values here, and the simulator's root where this build has a verifier for it and its file is there. */
function rootsOf(simulatedRoot: string | undefined, golden: GoldenSigner | undefined): () => TrustAnchors {
  const known: TrustAnchors = { ...VENDOR_ROOTS, ...(golden ? { goldenValueSigners: [golden.publicKey] } : {}) }
  return () => (simulatedRoot ? { ...known, simulated: [new Uint8Array(readFileSync(simulatedRoot))] } : known)
}

/** A verifier is named by the address that signs its records. */
function verifierId(evidenceKey: Uint8Array): Uint8Array {
  const name = new Uint8Array(32)
  name.set(Hex.toBytes(Secp256k1.addressOfKey(evidenceKey)), 12)
  return name
}

/** Stop order: intake, workers, the sender, connections. */
const shutdown = (parts: {
  grpc: GrpcServer
  running: (Consumption | Worker)[]
  live: LiveKeys
  collateral: VendorCollateral
  feed: PolicyFeed
  prover: Prover
  sender: TxSender
  bus?: Bus
  jobs?: Jobs
  redis?: Redis
  drainMs: number
}): OnApplicationShutdown => ({
  onApplicationShutdown: async () => {
    await parts.grpc.close(parts.drainMs)
    for (const part of parts.running) await part.stop(parts.drainMs)
    await parts.live.stop()
    await parts.collateral.stop()
    parts.feed.stop()
    await parts.prover.close()
    await parts.sender.stop()
    await parts.jobs?.close()
    parts.redis?.disconnect()
    await parts.bus?.close()
  },
})
