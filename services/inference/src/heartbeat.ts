import { create } from '@bufbuild/protobuf'
import { Hex } from '@haca/core'
import { NodeHeartbeatSchema } from '@haca/proto'
import type { Bus } from '@haca/platform/bus'
import type { Logger } from '@haca/platform/log'
import { queueDepth, queueOldestAge } from './events.js'
import type { ReceiptSigner, Runner } from './ports.js'
import type { ServiceTimes } from './service-times.js'

export interface HeartbeatOptions {
  bus: Bus
  logger: Logger
  signer: ReceiptSigner
  runner: Runner
  times: ServiceTimes
  pool: string
  modelHashes: readonly Hex.Hex[]
  queueLimit: number
  everyMs: number
  now(): number
}

/** Tells the routers that this node lives, what it serves and how busy it is. */
export class Heartbeat {
  #timer: NodeJS.Timeout | undefined
  #accepting = true

  constructor(readonly options: HeartbeatOptions) {}

  async start(): Promise<void> {
    await this.beat()
    this.#timer = setInterval(() => void this.beat(), this.options.everyMs)
  }

  /** From now on says that it takes no more. */
  async drain(): Promise<void> {
    this.#accepting = false
    await this.beat()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async beat(): Promise<void> {
    const { bus, logger, signer, runner, times, now } = this.options
    const { depth, oldestAgeMs } = runner.load()
    const { p50, p99 } = times.quantiles()
    queueDepth.set(depth)
    queueOldestAge.set(oldestAgeMs / 1000)
    const message = create(NodeHeartbeatSchema, {
      node: Hex.toBytes(signer.node),
      pool: this.options.pool,
      keyKind: signer.keyKind,
      modelHashes: this.options.modelHashes.map((hash) => Hex.toBytes(hash)),
      queueDepth: depth,
      oldestAgeMs: Math.round(oldestAgeMs),
      serviceP50Ms: p50,
      serviceP99Ms: p99,
      sentAtMs: BigInt(now()),
      accepting: this.#accepting && signer.usable(),
      queueLimit: this.options.queueLimit,
      evidenceId: Hex.toBytes(signer.evidenceId),
    })
    await bus.publish(NodeHeartbeatSchema, message).catch((err: unknown) => logger.warn({ err }, 'heartbeat not sent'))
  }
}
