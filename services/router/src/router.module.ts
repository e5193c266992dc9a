import type { DynamicModule, OnApplicationShutdown } from '@nestjs/common'
import { KeyAppraisedSchema, NodeHeartbeatSchema, RouterService } from '@haca/proto'
import { openBus, type Bus, type Consumption } from '@haca/platform/bus'
import { KeyArchive, openBlobs, type Blobs } from '@haca/platform/blobs'
import { KeyRegistry, openChain, openPolicyFeed, type PolicyFeed } from '@haca/platform/chain'
import { loadPrimitives } from '@haca/platform/crypto'
import { GrpcServer, readTls } from '@haca/platform/grpc'
import type { Logger } from '@haca/platform/log'
import { HealthController, healthProviders } from '@haca/platform/nest'
import { randomUUID } from 'node:crypto'
import { Appraisals, hearAgain } from './appraisals.js'
import { assignPool } from './assign-pool.js'
import { ChainCatalog } from './catalog.js'
import type { RouterConfig } from './config.js'
import { Heartbeats } from './fleet.js'
import { listModels } from './list-models.js'
import { policyNow, readPricing } from './policy.js'
import { routeRequest } from './route-request.js'

/** What the router stands on; given from outside where several services share one process. */
export interface Seams {
  bus: Bus
  blobs: Blobs
}

class RouterModule {}

/** Composition root: the only place that knows Nest and the adapters. */
export async function compose(config: RouterConfig, logger: Logger, seams?: Seams): Promise<DynamicModule> {
  const bus = seams?.bus ?? openBus(config.env, 'router', logger)
  const blobs = seams?.blobs ?? openBlobs(config.env)
  const chain = openChain(config.env)
  const pricing = readPricing(config.policyFile, config.profile)
  const now = Date.now
  const catalog = new ChainCatalog(chain, config.env.MODEL_REGISTRY_ADDRESS, blobs, logger, config.catalogRefreshMs, config.profile === 'development')
  const primitives = await loadPrimitives()
  const feed = openPolicyFeed(config.env, { chain, archive: new KeyArchive(blobs), primitives, logger, now })
  const scope = { chainId: config.env.CHAIN_ID, registry: config.env.TEE_REGISTRY_ADDRESS }
  const appraisals = new Appraisals({ signers: config.env.EVIDENCE_SIGNERS, scope, primitives, feed, logger, now })
  const fleet = new Heartbeats(new KeyRegistry(chain, config.env.TEE_REGISTRY_ADDRESS, { maxAgeMs: 5_000, now }), appraisals, logger, now)
  const policy = () => policyNow(pricing, feed)

  await bus.ensure([{ schema: NodeHeartbeatSchema }, { schema: KeyAppraisedSchema }])
  await feed.start(config.env.POLICY_REFRESH_MS)
  const trust = await bus.consume({
    group: `router-trust-${randomUUID()}`, // every router hears every prover
    schema: KeyAppraisedSchema,
    from: 'latest',
    inFlightMax: 100,
    handler: (said) => appraisals.hear(said),
  })
  const heartbeats = await bus.consume({
    group: `router-${randomUUID()}`, // every router hears every node
    schema: NodeHeartbeatSchema,
    from: 'latest',
    inFlightMax: 100,
    handler: (beat) => fleet.hear(beat),
  })
  await hearAgain(bus, appraisals, { logger, now }).catch((err: unknown) => logger.warn({ err }, 'appraisals from before not read; they come again'))
  catalog.start()
  fleet.watch(2_000)

  const grpc = new GrpcServer(logger).add(RouterService, {
    route: async (request) => routeRequest(request, { catalog, fleet, policy: policy(), now: now(), logger }),
    assign: async (request) => assignPool(request, { fleet, policy: policy(), now: now() }),
    listModels: async () => listModels({ catalog, fleet, policy: policy(), now: now() }),
  })
  const port = await grpc.listen(config.host, config.grpcPort, readTls(config.env.ROUTER_TLS_CERTIFICATE_FILE, config.env.ROUTER_TLS_KEY_FILE))
  grpc.serving(true)
  logger.info({ grpcPort: port }, 'grpc listening')

  return {
    module: RouterModule,
    controllers: [HealthController],
    providers: [
      ...healthProviders({ catalog: () => catalog.ready(), policy: () => feed.epoch() !== undefined, kafka: () => bus.ping() }),
      { provide: 'shutdown', useFactory: () => shutdown({ grpc, consumptions: [heartbeats, trust], catalog, fleet, feed, bus: seams ? undefined : bus, drainMs: config.drainMs }) },
    ],
  }
}

/** Stop order: intake, then what runs, then connections. */
const shutdown = (parts: { grpc: GrpcServer; consumptions: Consumption[]; catalog: ChainCatalog; fleet: Heartbeats; feed: PolicyFeed; bus: Bus | undefined; drainMs: number }): OnApplicationShutdown => ({
  onApplicationShutdown: async () => {
    await parts.grpc.close(parts.drainMs)
    await Promise.all(parts.consumptions.map((consumption) => consumption.stop(0)))
    parts.feed.stop()
    parts.catalog.stop()
    parts.fleet.stop()
    await parts.bus?.close()
  },
})
