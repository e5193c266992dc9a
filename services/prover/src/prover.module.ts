import type { DynamicModule, OnApplicationShutdown } from '@nestjs/common'
import { EvidenceProducedSchema, InferenceCompletedSchema, KeyAnnouncedSchema } from '@haca/proto'
import { Hex } from '@haca/core'
import { openBlobs, type Blobs } from '@haca/platform/blobs'
import { openBus, type Bus, type Consumption } from '@haca/platform/bus'
import { KeyRegistry, TxSender, openChain, senderLimits } from '@haca/platform/chain'
import { loadPrimitives } from '@haca/platform/crypto'
import { BullJobs, type Jobs, type Worker } from '@haca/platform/jobs'
import type { Logger } from '@haca/platform/log'
import { HealthController, healthProviders } from '@haca/platform/nest'
import { redisOptions } from '@haca/platform/store'
import { privateKeyToAccount } from 'viem/accounts'
import type { ProverConfig } from './config.js'
import { consumeCompletions, consumeKeys, type Line } from './consumer.js'
import { ChainRegistrar } from './registrar.js'

export interface Seams {
  bus: Bus
  blobs: Blobs
  jobs: Jobs
}

class ProverModule {}

/** Composition root. */
export async function compose(config: ProverConfig, logger: Logger, seams?: Seams): Promise<DynamicModule> {
  const { env } = config
  const now = Date.now
  const bus = seams?.bus ?? openBus(env, 'prover', logger)
  const blobs = seams?.blobs ?? openBlobs(env)
  const jobs = seams?.jobs ?? new BullJobs(redisOptions(env), `${env.REDIS_PREFIX}-jobs`, logger)
  const chain = openChain(env)
  const keys = new KeyRegistry(chain, env.TEE_REGISTRY_ADDRESS, { maxAgeMs: 5_000, now })
  const sender = new TxSender({
    chain,
    account: privateKeyToAccount(env.PROVER_REGISTRAR_KEY.reveal()),
    blobs,
    logger,
    ...senderLimits(env),
    now,
  })
  const line: Line = { bus, jobs, logger, concurrency: env.PROVER_CONCURRENCY, inFlightMax: env.PROVER_IN_FLIGHT_MAX }

  await bus.ensure([InferenceCompletedSchema, EvidenceProducedSchema, KeyAnnouncedSchema].map((schema) => ({ schema })))
  await jobs.open()
  await sender.start()
  const running = [
    ...(await consumeKeys(line, {
      ...{ blobs, keys, logger, now },
      registrar: new ChainRegistrar(sender, env.TEE_REGISTRY_ADDRESS),
      chainId: env.CHAIN_ID,
      registry: env.TEE_REGISTRY_ADDRESS,
      simulatedRoot: env.PROVER_SIMULATED_ROOT,
      keyHours: env.PROVER_KEY_HOURS,
    })),
    ...(await consumeCompletions(line, {
      ...{ blobs, keys, now },
      scope: { chainId: env.CHAIN_ID, log: env.SETTLEMENT_LOG_ADDRESS },
      primitives: await loadPrimitives(),
      evidenceKey: Hex.toBytes(env.PROVER_EVIDENCE_KEY.reveal()),
      simulatedAllowed: config.profile === 'development',
    })),
  ]
  return {
    module: ProverModule,
    controllers: [HealthController],
    providers: [
      ...healthProviders({ kafka: () => bus.ping(), redis: () => jobs.ping() }),
      { provide: 'shutdown', useFactory: () => shutdown({ running, sender, drainMs: config.drainMs, ...(seams ? {} : { bus, jobs }) }) },
    ],
  }
}

/** Stop order: intake, workers, the sender, connections. */
const shutdown = (parts: { running: (Consumption | Worker)[]; sender: TxSender; bus?: Bus; jobs?: Jobs; drainMs: number }): OnApplicationShutdown => ({
  onApplicationShutdown: async () => {
    for (const part of parts.running) await part.stop(parts.drainMs)
    await parts.sender.stop()
    await parts.jobs?.close()
    await parts.bus?.close()
  },
})
