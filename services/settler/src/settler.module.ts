import type { DynamicModule, OnApplicationShutdown } from '@nestjs/common'
import { BatchSettledSchema, EvidenceProducedSchema, InferenceCompletedSchema, InferenceVoidedSchema, PaymentFailedSchema, PaymentRequestedSchema, PaymentSettledSchema } from '@haca/proto'
import { Hex, Offer, Payment } from '@haca/core'
import { BatchLedger, openBlobs, type Blobs } from '@haca/platform/blobs'
import { openBus, type Bus, type Consumption } from '@haca/platform/bus'
import { KeyRegistry, TxSender, openChain, senderLimits, tokenOf, type Chain } from '@haca/platform/chain'
import { loadPrimitives } from '@haca/platform/crypto'
import type { Logger } from '@haca/platform/log'
import { HealthController, healthProviders } from '@haca/platform/nest'
import { privateKeyToAccount } from 'viem/accounts'
import type { SettlerConfig } from './config.js'
import { consumeAll } from './consumer.js'
import { Demands } from './demands.js'
import { backlogAge, backlogDepth, purse } from './events.js'
import { Facts } from './facts.js'
import { PaymentLane } from './payments/lane.js'
import { ChainPoster } from './payments/poster.js'
import { Proofs } from './proofs.js'
import { ChainCommitter } from './receipts/committer.js'
import { ReceiptLane } from './receipts/lane.js'
import { Refunds } from './refunds.js'
import { ChainVault } from './vault.js'
import type { Trust } from './verify-completion.js'
import { Watcher } from './watcher.js'

export interface Seams {
  bus: Bus
  blobs: Blobs
}

class SettlerModule {}

/** Composition root. */
export async function compose(config: SettlerConfig, logger: Logger, seams?: Seams): Promise<DynamicModule> {
  const { env } = config
  const now = Date.now
  const bus = seams?.bus ?? openBus(env, 'settler', logger)
  const blobs = seams?.blobs ?? openBlobs(env)
  const chain = openChain(env)
  const token = tokenOf(env)
  const scope = { chainId: env.CHAIN_ID, log: env.SETTLEMENT_LOG_ADDRESS }
  const vaultAddress = env.REVENUE_VAULT_ADDRESS
  const sender = (key: Hex.Hex): TxSender => new TxSender({ chain, account: privateKeyToAccount(key), blobs, logger, ...senderLimits(env), now })
  const paymentSender = sender(env.SETTLER_PAYMENT_KEY.reveal())
  const commitSender = sender(env.SETTLER_COMMIT_KEY.reveal())
  const vault = new ChainVault(chain, vaultAddress, token.address, BigInt(env.SETTLER_FROM_BLOCK), env.CHAIN_SETTLED_TAG)
  const ledger = new BatchLedger(blobs, scope)
  const primitives = await loadPrimitives()
  const facts = new Facts(bus, Hex.toBytes(env.SETTLER_FACT_KEY.reveal()), primitives)
  const trust: Trust = {
    rules: { token, payTo: vaultAddress },
    scope,
    tokenSeparator: Payment.tokenSeparator(token),
    offerSeparator: Offer.separator(scope),
    offerSigners: env.OFFER_SIGNERS,
    evidenceSigners: env.EVIDENCE_SIGNERS,
    keys: new KeyRegistry(chain, env.TEE_REGISTRY_ADDRESS, { maxAgeMs: 5_000, now }),
    primitives,
  }

  await bus.ensure(
    [InferenceCompletedSchema, InferenceVoidedSchema, EvidenceProducedSchema, PaymentRequestedSchema, PaymentSettledSchema, PaymentFailedSchema, BatchSettledSchema].map((schema) => ({ schema })),
  )
  const poster = new ChainPoster(paymentSender, commitSender, { batcher: env.PAYMENT_BATCHER_ADDRESS, vault: vaultAddress, token: token.address }, logger)
  await poster.start()
  const payments = new PaymentLane({
    ...{ vault, poster, logger, now },
    flushMs: env.SETTLER_PAYMENT_FLUSH_MS,
    batchMax: env.SETTLER_PAYMENT_BATCH_MAX,
    batchesMax: 8,
    settleMarginSeconds: env.SETTLE_MARGIN_SECONDS,
    lookAgainMs: 3_000,
  })
  payments.start()
  const refunds = new Refunds({ chain, sender: commitSender, vault: vaultAddress, log: scope.log, ledger, logger, safeTag: env.CHAIN_SETTLED_TAG, retryMs: 5_000 })
  const committer = new ChainCommitter({ chain, log: scope.log, sender: commitSender, ledger, logger, committed: async (sealed) => refunds.committed(sealed.header.id) })
  await committer.start(await commitSender.start())
  await refunds.start()
  const receipts = new ReceiptLane({
    ...{ ledger, committer, vault, logger, now },
    token: token.address,
    batchMax: env.SETTLER_BATCH_SIZE_MAX,
    batchAgeMs: env.SETTLER_BATCH_AGE_MS,
    evidenceWithinSeconds: env.SETTLER_EVIDENCE_WITHIN_SECONDS,
  })
  receipts.start()
  const demands = new Demands({ chain, sender: commitSender, log: scope.log, ledger, logger })
  const proofs = new Proofs({ chain, sender: commitSender, log: scope.log, proofLedger: env.PROOF_LEDGER_ADDRESS, ledger, logger, mode: env.SETTLER_PROOFS })
  const watcher = new Watcher({
    ...{ chain, blobs, facts, logger, now },
    log: scope.log,
    vault: vaultAddress,
    fromBlock: env.SETTLER_FROM_BLOCK,
    pollMs: env.CHAIN_POLL_MS,
    demanded: (demand) => demands.answer(demand),
    proofDemanded: (demand) => proofs.answer(demand),
    anchored: (batchId) => proofs.ofBatch(batchId),
  })
  await watcher.start()
  const consumptions = await consumeAll(bus, { trust, payments, receipts, refunds, facts, bus, blobs, logger, now }, env.SETTLER_IN_FLIGHT_MAX)
  const gauges = watchGauges({ chain, payments, receipts, keys: { payments: paymentSender.address, commits: commitSender.address }, alarmWei: env.SETTLER_PURSE_ALARM_WEI, logger })

  return {
    module: SettlerModule,
    controllers: [HealthController],
    providers: [
      ...healthProviders({ kafka: () => bus.ping(), chain: () => now() - watcher.lastSeenMs < 30_000 }),
      {
        provide: 'shutdown',
        useFactory: () =>
          shutdown({ consumptions, stops: [() => payments.stop(), () => receipts.stop(), () => refunds.stop(), () => watcher.stop(), () => paymentSender.stop(), () => commitSender.stop(), () => clearInterval(gauges)], bus: seams ? undefined : bus }),
      },
    ],
  }
}

function watchGauges(parts: { chain: Chain; payments: PaymentLane; receipts: ReceiptLane; keys: Record<string, Hex.Hex>; alarmWei: bigint; logger: Logger }): NodeJS.Timeout {
  const look = async (): Promise<void> => {
    for (const [lane, { depth, oldestAgeMs }] of Object.entries({ payments: parts.payments.backlog(), receipts: parts.receipts.backlog() })) {
      backlogDepth.set({ lane }, depth)
      backlogAge.set({ lane }, oldestAgeMs / 1000)
    }
    for (const [key, address] of Object.entries(parts.keys)) {
      const wei = await parts.chain.getBalance({ address })
      purse.set({ key }, Number(wei))
      if (wei < parts.alarmWei) parts.logger.error({ alarm: 'purse-low', key, address, wei: String(wei) }, 'sending key is low on gas money')
    }
  }
  return setInterval(() => void look().catch((err: unknown) => parts.logger.debug({ err }, 'gauges not read')), 5_000)
}

/** Stop order: intake, lanes, watcher and senders, connections. What is on its way stays stored; nothing waits for the chain here. */
const shutdown = (parts: { consumptions: Consumption[]; stops: (() => void | Promise<void>)[]; bus: Bus | undefined }): OnApplicationShutdown => ({
  onApplicationShutdown: async () => {
    await Promise.all(parts.consumptions.map((consumption) => consumption.stop(1_000)))
    for (const stop of parts.stops) await stop()
    await parts.bus?.close()
  },
})
