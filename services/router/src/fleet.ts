import type { NodeHeartbeat } from '@haca/proto'
import { Hex, type Fleet } from '@haca/core'
import type { KeyRegistry } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { Wire } from '@haca/platform/wire'
import type { Appraisals } from './appraisals.js'
import type { FleetView } from './ports.js'

/** A node not heard of for this long is forgotten. */
const forgetAfterMs = 10 * 60_000

/** The nodes by their own heartbeats, whether the chain knows their keys, and what provers say of them. What a heartbeat says of a key is never believed. */
export class Heartbeats implements FleetView {
  readonly #nodes = new Map<string, Omit<Fleet.Node, 'hardware'>>()
  #timer: NodeJS.Timeout | undefined

  constructor(
    readonly keys: KeyRegistry,
    readonly appraisals: Pick<Appraisals, 'hardwareOf'>,
    readonly logger: Logger,
    readonly now: () => number,
  ) {}

  /** Takes a heartbeat; the time is ours, so that a node's clock cannot keep it alive. */
  async hear(beat: NodeHeartbeat): Promise<void> {
    const node = Wire.address(beat.node, 'node')
    const known = this.#nodes.get(node)
    this.#nodes.set(node, {
      node,
      pool: beat.pool,
      keyKind: beat.keyKind,
      modelHashes: beat.modelHashes.map((hash) => Hex.fromBytes(hash)),
      queueDepth: beat.queueDepth,
      oldestAgeMs: beat.oldestAgeMs,
      serviceP50Ms: beat.serviceP50Ms,
      serviceP99Ms: beat.serviceP99Ms,
      accepting: beat.accepting,
      queueLimit: beat.queueLimit,
      seenAtMs: this.now(),
      registered: known?.registered ?? false,
    })
    if (!known?.registered) await this.#check(node, beat.keyKind)
  }

  /** Looks again and again whether known keys are still valid. */
  watch(everyMs: number): void {
    this.#timer = setInterval(() => void this.#checkAll(), everyMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  nodes(): Fleet.Node[] {
    return [...this.#nodes.values()].map((node) => ({ ...node, hardware: this.appraisals.hardwareOf(node.node) }))
  }

  async #checkAll(): Promise<void> {
    for (const [name, node] of this.#nodes) {
      if (this.now() - node.seenAtMs > forgetAfterMs) this.#nodes.delete(name)
      else await this.#check(node.node, node.keyKind)
    }
  }

  async #check(name: Hex.Hex, keyKind: number): Promise<void> {
    try {
      const validity = await this.keys.validity(name, keyKind, Math.floor(this.now() / 1000))
      const node = this.#nodes.get(name)
      if (node) node.registered = validity === 'valid'
    } catch (err) {
      this.logger.debug({ err, node: name }, 'key registry not read; the last answer stands')
    }
  }
}
