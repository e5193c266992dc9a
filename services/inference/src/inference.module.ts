import type { DynamicModule, OnApplicationShutdown } from '@nestjs/common'
import { InferenceCompletedSchema, InferenceRequestedSchema, InferenceVoidedSchema, NodeHeartbeatSchema } from '@haca/proto'
import { Digest, Hex, Offer, Payment } from '@haca/core'
import { openBus, type Bus, type Consumption } from '@haca/platform/bus'
import { openBlobs, type Blobs } from '@haca/platform/blobs'
import { KeyRegistry, openChain, tokenOf } from '@haca/platform/chain'
import { Circuits } from '@haca/platform/circuits'
import { loadPrimitives } from '@haca/platform/crypto'
import { GrpcClient } from '@haca/platform/grpc'
import type { Logger } from '@haca/platform/log'
import { HealthController, healthProviders } from '@haca/platform/nest'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { InferenceConfig } from './config.js'
import { consumeRequests } from './consumer.js'
import { GrpcVerifier } from './enclave/ceremony.js'
import { ConfigfsTsm } from './enclave/configfs-tsm.js'
import { Dstack } from './enclave/dstack.js'
import { enroll } from './enclave/enroll.js'
import type { Hardware } from './enclave/hardware.js'
import { Keyring } from './enclave/keyring.js'
import { Nitro } from './enclave/nitro.js'
import { OpenGradientKey } from './enclave/opengradient.js'
import { Batcher } from './engine/batcher.js'
import { Engine } from './engine/engine.js'
import { Heartbeat } from './heartbeat.js'
import { loadModels } from './models.js'
import type { Node } from './serve-request.js'
import { ServiceTimes } from './service-times.js'

export interface Seams {
  bus: Bus
  blobs: Blobs
}

class InferenceModule {}

/** Composition root. The node answers probes at once, and is ready when its models are warm and its key is registered. */
export async function compose(config: InferenceConfig, logger: Logger, seams?: Seams): Promise<DynamicModule> {
  const { env } = config
  const now = Date.now
  const bus = seams?.bus ?? openBus(env, `inference-${env.INFERENCE_POOL}`, logger)
  const blobs = seams?.blobs ?? openBlobs(env)
  const chain = openChain(env)
  const keys = new KeyRegistry(chain, env.TEE_REGISTRY_ADDRESS, { maxAgeMs: 5_000, now })
  const models = await loadModels(env.INFERENCE_MODELS_DIRECTORY, env.INFERENCE_MODELS)
  const engine = new Engine({ models, provider: env.INFERENCE_EXECUTION_PROVIDER, threads: env.INFERENCE_THREADS, runTimeoutMs: env.INFERENCE_RUN_TIMEOUT_MS, logger })
  const runner = new Batcher((modelHash, inputs) => engine.run(modelHash, inputs), { rowsMax: env.INFERENCE_BATCH_ROWS_MAX, now })
  const stopping = new AbortController()
  const running: { consumption?: Consumption; heartbeat?: Heartbeat; keyring?: Keyring } = {}
  const prover = new GrpcClient(env.INFERENCE_ATTESTATION_ADDRESS, env.INFERENCE_ATTESTATION_CA_FILE ? { rootCertificates: readFileSync(env.INFERENCE_ATTESTATION_CA_FILE) } : undefined)
  const token = tokenOf(env)
  const scope = { chainId: env.CHAIN_ID, log: env.SETTLEMENT_LOG_ADDRESS }
  const circuits = new Circuits({ chain, modelRegistry: env.MODEL_REGISTRY_ADDRESS, blobs, devAllowed: config.profile === 'development', logger, now })

  const boot = async (): Promise<void> => {
    await engine.start()
    await bus.ensure([
      { schema: InferenceRequestedSchema, pool: env.INFERENCE_POOL },
      ...[InferenceCompletedSchema, InferenceVoidedSchema, NodeHeartbeatSchema].map((schema) => ({ schema })),
    ])
    const hardware = await hardwareOf(env)
    refuseSimulation(hardware, config)
    const claimed = {
      ...{ chainId: env.CHAIN_ID, registry: env.TEE_REGISTRY_ADDRESS, imageId: env.INFERENCE_IMAGE_ID, models: [...models.keys()] },
      nodeId: Hex.toBytes(Digest.content(new TextEncoder().encode(`${env.INFERENCE_POOL}/${hostname()}`))),
    }
    const verifier = new GrpcVerifier(prover)
    const signal = stopping.signal
    const openGradient = await OpenGradientKey.make()
    const vouch = (receiptKey: Uint8Array): Promise<void> => openGradient.publish(blobs, receiptKey)
    const signer = await Keyring.open({ enroll: () => enroll({ hardware, verifier, keys, claimed, scope, vouch, logger, now, signal }), keys, logger, now, signal, watchEveryMs: 1_000 })
    running.keyring = signer
    const node: Node = {
      blobs,
      runner,
      signer,
      openGradient,
      stating: { circuits, chainId: scope.chainId, settlementLog: scope.log },
      models,
      rules: { token, payTo: env.REVENUE_VAULT_ADDRESS },
      tokenSeparator: Payment.tokenSeparator(token),
      offerSeparator: Offer.separator(scope),
      offerSigners: env.OFFER_SIGNERS,
      primitives: await loadPrimitives(),
      settleMarginSeconds: env.SETTLE_MARGIN_SECONDS,
      now,
    }
    const times = new ServiceTimes(now)
    running.consumption = await consumeRequests(bus, node, { pool: env.INFERENCE_POOL, inFlightMax: env.INFERENCE_QUEUE_MAX, times, logger })
    running.heartbeat = new Heartbeat({
      ...{ bus, logger, signer, runner, times, now },
      pool: env.INFERENCE_POOL,
      modelHashes: [...models.keys()],
      queueLimit: env.INFERENCE_QUEUE_MAX,
      everyMs: env.INFERENCE_HEARTBEAT_MS,
    })
    await running.heartbeat.start()
    logger.info({ pool: env.INFERENCE_POOL, node: signer.node, models: env.INFERENCE_MODELS }, 'serving')
  }
  boot().catch((err: unknown) => {
    if (stopping.signal.aborted) return
    logger.fatal({ err }, 'the node cannot serve')
    process.exit(1)
  })

  return {
    module: InferenceModule,
    controllers: [HealthController],
    providers: [
      ...healthProviders({ serving: () => running.heartbeat !== undefined, kafka: () => bus.ping() }),
      { provide: 'shutdown', useFactory: () => shutdown({ running, engine, stopping, prover, bus: seams ? undefined : bus, drainMs: config.drainMs }) },
    ],
  }
}

/** The machine this node runs on. One program for all of them. */
async function hardwareOf(env: InferenceConfig['env']): Promise<Hardware> {
  switch (env.INFERENCE_TEE) {
    case 'dstack':
      return Dstack.connect(env.INFERENCE_TEE_SOCKET)
    case 'configfs-tsm':
      return ConfigfsTsm.connect()
    case 'nitro':
      return new Nitro(env.INFERENCE_NSM_BRIDGE)
  }
}

/** Simulated hardware proves nothing, and must not get as far as asking. */
function refuseSimulation({ kind }: Hardware, { profile }: InferenceConfig): void {
  if (profile === 'production' && kind === 'simulated') throw new Error('the guest agent is a SIMULATOR, which PROFILE=production refuses')
}

/** Stop order: say so, take no more, finish what is held, then the engine and the connections. */
const shutdown = (parts: {
  running: { consumption?: Consumption; heartbeat?: Heartbeat; keyring?: Keyring }
  prover: GrpcClient
  engine: Engine
  stopping: AbortController
  bus: Bus | undefined
  drainMs: number
}): OnApplicationShutdown => ({
  onApplicationShutdown: async () => {
    parts.stopping.abort()
    await parts.running.heartbeat?.drain()
    await parts.running.consumption?.stop(parts.drainMs)
    parts.running.heartbeat?.stop()
    await parts.engine.close()
    await parts.running.keyring?.ended()
    parts.prover.close()
    await parts.bus?.close()
  },
})
