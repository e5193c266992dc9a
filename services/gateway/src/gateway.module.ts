import type { BeforeApplicationShutdown, DynamicModule, OnApplicationShutdown } from '@nestjs/common'
import { Hex, Offer, Payment } from '@haca/core'
import {
  BatchSettledSchema,
  EvidenceProducedSchema,
  InferenceCompletedSchema,
  InferenceService,
  InferenceVoidedSchema,
  PaymentFailedSchema,
  PaymentRequestedSchema,
  PaymentSettledSchema,
} from '@haca/proto'
import { BatchLedger, KeyArchive, openBlobs, type Blobs } from '@haca/platform/blobs'
import { openBus, type Bus, type Consumption } from '@haca/platform/bus'
import { KeyRegistry, openChain, openPolicyFeed, tokenOf, type PolicyFeed } from '@haca/platform/chain'
import { loadPrimitives } from '@haca/platform/crypto'
import { GrpcClient, GrpcServer } from '@haca/platform/grpc'
import type { Logger } from '@haca/platform/log'
import { HealthController, healthProviders } from '@haca/platform/nest'
import { redisOptions } from '@haca/platform/store'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Waiters } from './await-outcome.js'
import { RedisClaims } from './claims/redis.js'
import type { GatewayConfig } from './config.js'
import { waiting } from './events.js'
import { inferenceService, inferenceStreams } from './grpc/inference.grpc.js'
import type { Attesting } from './get-attestation.js'
import { ATTESTING, AttestationController } from './http/attestation.controller.js'
import { GATEWAY, InferenceController, PUBLIC_URL, TOKEN_DECIMALS } from './http/inference.controller.js'
import { MODELS, ModelsController, NETWORK, type Network } from './http/models.controller.js'
import { BLOBS, OpenGradientController } from './http/opengradient.controller.js'
import { EventsController, WATCHING } from './http/events.controller.js'
import { READER, RecordsController } from './http/records.controller.js'
import type { Gateway } from './infer.js'
import { KeyRecords } from './key-records.js'
import { KnownOffers } from './known-offers.js'
import { Models } from './models.js'
import { OpenBatches } from './open-batches.js'
import { Outcomes } from './outcomes.js'
import { ChainPayers } from './payers.js'
import type { Claims, Payers, Router } from './ports.js'
import type { PolicyInForce } from './policy-epoch.js'
import { consumeEvents } from './project-events.js'
import { ClaimsRebuilder } from './rebuild-claims.js'
import { GrpcRouter } from './router-client.js'
import { sweep } from './sweep.js'
import { getRequest } from './get-request.js'
import { Webhooks } from './webhooks/webhooks.js'

/** What a caller of `compose` may bring, instead of having it opened. */
export interface Seams {
  bus: Bus
  blobs: Blobs
  claims?: Claims
  router?: Router
  payers?: Payers
  policy?: PolicyInForce
}

class GatewayModule {}

const sweepEveryMs = 10_000
const rebuildEveryMs = 2_000

/** Composition root. */
export async function compose(config: GatewayConfig, logger: Logger, seams?: Seams): Promise<DynamicModule> {
  const { env } = config
  const now = Date.now
  const instance = env.INSTANCE_ID ?? randomUUID()
  const bus = seams?.bus ?? openBus(env, `gateway-${instance}`, logger)
  const blobs = seams?.blobs ?? openBlobs(env)
  const claims = seams?.claims ?? new RedisClaims(redisOptions(env), env.REDIS_PREFIX, logger)
  const primitives = await loadPrimitives()
  const token = tokenOf(env)
  const scope = { chainId: env.CHAIN_ID, log: env.SETTLEMENT_LOG_ADDRESS }
  const routerClient = new GrpcClient(env.GATEWAY_ROUTER_ADDRESS, env.GATEWAY_ROUTER_CA_FILE ? { rootCertificates: readFileSync(env.GATEWAY_ROUTER_CA_FILE) } : undefined)
  const router = seams?.router ?? new GrpcRouter(routerClient)
  const models = new Models(router, logger, now)
  const waiters = new Waiters()
  const outcomes = new Outcomes(blobs)
  const ledger = new BatchLedger(blobs, scope)
  const stopping = new AbortController()
  const watching = { blobs, ledger, claims, scope, waiters, watched: { count: 0 }, stopping: stopping.signal, now }
  const webhooks = new Webhooks({ blobs, key: Hex.toBytes(env.GATEWAY_OFFER_KEY.reveal()), primitives, reach: env.GATEWAY_WEBHOOKS, pauseMs: 500, logger, now })
  const proven = async (requestId: Hex.Hex): Promise<void> => {
    const status = await getRequest(requestId, watching)
    if (status.proof === 'proven') await webhooks.tell(status)
  }
  const projection = { claims, waiters, blobs, outcomes, instance, logger, factSigners: env.FACT_SIGNERS, primitives, proven }
  const tokenSeparator = Payment.tokenSeparator(token)
  const genuine = (payment: Payment.Payment): boolean => Payment.verify(payment, { token, payTo: env.REVENUE_VAULT_ADDRESS }, tokenSeparator, primitives).ok
  const rebuilder = new ClaimsRebuilder({ bus, claims, instance: `${instance}-${randomUUID()}`, projection, logger, genuine, horizonMs: (env.GATEWAY_PAYMENT_TIMEOUT_SECONDS + 3_600) * 1000, now })
  const rebuild = (): void => rebuilder.begin()
  const terms = {
    token,
    payTo: env.REVENUE_VAULT_ADDRESS,
    network: `eip155:${env.CHAIN_ID}`,
    paymentTimeoutSeconds: env.GATEWAY_PAYMENT_TIMEOUT_SECONDS,
    offerSeconds: env.GATEWAY_OFFER_SECONDS,
    offerKey: Hex.toBytes(env.GATEWAY_OFFER_KEY.reveal()),
    offerSeparator: Offer.separator(scope),
    primitives,
    known: new KnownOffers(),
    now,
  }
  const chain = openChain(env)
  const archive = new KeyArchive(blobs)
  const feed = seams?.policy ? undefined : openPolicyFeed(env, { chain, archive, primitives, logger, now })
  const policy = seams?.policy ?? (feed as PolicyFeed)
  const gateway: Gateway = {
    ...{ models, router, terms, claims, outcomes, webhooks, bus, waiters, scope, logger, instance, rebuild, now },
    verifier: { terms, offerSigners: env.OFFER_SIGNERS, remainingSeconds: env.GATEWAY_PAYMENT_REMAINING_SECONDS, primitives, now },
    payers: seams?.payers ?? new ChainPayers(chain, token.address),
    policy,
    limits: { payerCap: env.GATEWAY_PAYER_CAP_ATOMIC, totalCap: env.GATEWAY_UNESTABLISHED_CAP_ATOMIC, balanceMaxAgeMs: env.GATEWAY_BALANCE_MAX_AGE_MS },
    answerWaitMs: env.GATEWAY_ANSWER_WAIT_MS,
    settleWaitMaxMs: env.GATEWAY_SETTLE_WAIT_MAX_MS,
  }
  const records = new KeyRecords(archive, now)
  const reader = { blobs, ledger, batches: new OpenBatches(ledger, primitives), claims, scope, records }
  const registries = { teeRegistry: env.TEE_REGISTRY_ADDRESS, policyRegistry: env.POLICY_REGISTRY_ADDRESS }
  const keys = new KeyRegistry(chain, env.TEE_REGISTRY_ADDRESS, { maxAgeMs: 5_000, now })
  const attesting: Attesting = { records, keys, policy, deployment: { chainId: env.CHAIN_ID, settlementLog: scope.log, ...registries }, offerKey: terms.offerKey, now }

  await bus.ensure([EvidenceProducedSchema, InferenceCompletedSchema, InferenceVoidedSchema, PaymentSettledSchema, PaymentFailedSchema, PaymentRequestedSchema, BatchSettledSchema].map((schema) => ({ schema })))
  await claims.open()
  models.start()
  await feed?.start(env.POLICY_REFRESH_MS)
  await claims.listen(instance, (requestId) => waiters.wake(requestId))
  const events = await consumeEvents(bus, projection, 1_000)
  rebuilder.watch(rebuildEveryMs)
  const sweeping = setInterval(() => void sweep({ claims, blobs, bus, logger, now }).catch((err: unknown) => logger.warn({ err }, 'sweep failed; trying again')), sweepEveryMs)
  const gauges = setInterval(() => waiting.set(waiters.size()), 5_000)

  const tls = tlsFiles(config)
  const grpc = new GrpcServer(logger).add(InferenceService, inferenceService(gateway, reader, new URL(env.GATEWAY_PUBLIC_URL).host), inferenceStreams(watching))
  const grpcPort = await grpc.listen(config.host, env.GATEWAY_GRPC_PORT, tls && { certificate: tls.cert, key: tls.key })
  grpc.serving(true)
  logger.info({ grpcPort, instance, engine: primitives.engine }, 'grpc listening')

  const network: Network = {
    network: terms.network,
    chainId: env.CHAIN_ID,
    settlementLog: scope.log,
    revenueVault: terms.payTo,
    token: { address: token.address, name: token.name, version: token.version, decimals: env.TOKEN_DECIMALS },
    offerSigners: env.OFFER_SIGNERS,
    ...registries,
    evidenceSigners: env.EVIDENCE_SIGNERS,
    policySigners: env.POLICY_SIGNERS,
  }
  return {
    module: GatewayModule,
    controllers: [HealthController, InferenceController, OpenGradientController, RecordsController, EventsController, AttestationController, ModelsController],
    providers: [
      ...healthProviders({ claims: () => claims.ready(), models: () => models.ready(), policy: () => feed === undefined || feed.epoch() !== undefined, kafka: () => bus.ping() }),
      { provide: GATEWAY, useValue: gateway },
      { provide: PUBLIC_URL, useValue: env.GATEWAY_PUBLIC_URL },
      { provide: TOKEN_DECIMALS, useValue: env.TOKEN_DECIMALS },
      { provide: READER, useValue: reader },
      { provide: WATCHING, useValue: watching },
      { provide: ATTESTING, useValue: attesting },
      { provide: BLOBS, useValue: blobs },
      { provide: MODELS, useValue: models },
      { provide: NETWORK, useValue: network },
      {
        provide: 'shutdown',
        useFactory: () =>
          shutdown({
            ...{ stopping, grpc, events, models, rebuilder, routerClient },
            timers: [sweeping, gauges],
            drainMs: config.drainMs,
            ...(feed ? { feed } : {}),
            ...(seams ? {} : { bus }),
            ...(seams?.claims ? {} : { claims }),
          }),
      },
    ],
  }
}

/** Certificate and key of both edges, where they are configured. */
export function tlsFiles({ env }: GatewayConfig): { cert: Buffer; key: Buffer } | undefined {
  if (!env.GATEWAY_TLS_CERTIFICATE_FILE || !env.GATEWAY_TLS_KEY_FILE) return undefined
  return { cert: readFileSync(env.GATEWAY_TLS_CERTIFICATE_FILE), key: readFileSync(env.GATEWAY_TLS_KEY_FILE) }
}

/** Stop order: streams, HTTP intake (by the framework), gRPC intake, events, timers, connections. */
const shutdown = (parts: {
  stopping: AbortController
  grpc: GrpcServer
  events: Consumption[]
  models: Models
  rebuilder: ClaimsRebuilder
  routerClient: GrpcClient
  timers: NodeJS.Timeout[]
  drainMs: number
  feed?: PolicyFeed
  bus?: Bus
  claims?: Claims
}): BeforeApplicationShutdown & OnApplicationShutdown => ({
  beforeApplicationShutdown: () => parts.stopping.abort(),
  onApplicationShutdown: async () => {
    await parts.grpc.close(parts.drainMs)
    for (const timer of parts.timers) clearInterval(timer)
    parts.rebuilder.stop()
    await Promise.all(parts.events.map((consumption) => consumption.stop(2_000)))
    parts.models.stop()
    parts.feed?.stop()
    parts.routerClient.close()
    await parts.claims?.close()
    await parts.bus?.close()
  },
})
