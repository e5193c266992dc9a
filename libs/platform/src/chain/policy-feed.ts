import { policyRegistryAbi } from '@haca/contracts'
import { accept, AppError, Receipt, refuse, type Hex, type Secp256k1, type Verdict } from '@haca/core'
import { Removals, SignedPolicy, type Policy } from '@haca/core/tee'
import type { KeyArchive } from '../blobs/index.js'
import type { Logger } from '../log/index.js'
import type { Chain } from './client.js'

/** A policy as it holds now, and when the chain was last seen to say so. */
export interface InForce {
  policy: Policy.Policy
  /** SHA-256 of the signed envelope, its name in the archive. */
  daRef: Hex.Hex
  /** Unix milliseconds, by the newest block that said so. */
  readAtMs: number
}

export type NoPolicy = 'policy.unknown' | 'policy.stale'

export interface PolicyFeedOptions {
  chain: Chain
  /** PolicyRegistry. */
  address: Hex.Hex
  chainId: number
  archive: KeyArchive
  /** Addresses that answer for a document's content; one of them must have signed it. */
  signers: readonly Hex.Hex[]
  primitives: Secp256k1.Primitives
  /** A policy last seen longer ago does not count. */
  maxAgeMs: number
  logger: Logger
  now(): number
}

const pageSize = 100n

/**
 * The policy in force, followed on chain: the document that holders voted for, from the archive, less what guardians removed since. Whoever
 * decides by it fails closed: a policy that cannot be seen, or was seen too long ago, is no policy.
 */
export class PolicyFeed {
  #inForce: InForce | undefined
  /** What the chain said of the epoch in force. A number alone may come again: a reorganisation takes an epoch back, and the next one is another. */
  #said = ''
  #document: { digest: Hex.Hex; policy: Policy.Policy } | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  readonly #listeners = new Set<(inForce: InForce) => void>()

  constructor(readonly options: PolicyFeedOptions) {}

  /** Reads now and then every `everyMs`; resolves after the first try, whatever came of it. */
  async start(everyMs: number): Promise<void> {
    const turn = async (): Promise<void> => {
      await this.refresh().catch((err: unknown) => this.options.logger.warn({ err }, 'policy not read; trying again'))
      if (!this.#stopped) this.#timer = setTimeout(() => void turn(), everyMs)
    }
    await turn()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** The policy in force, or why there is none to decide by. */
  current(): Verdict<InForce, NoPolicy> {
    if (!this.#inForce) return refuse('policy.unknown', 'no policy was read from the chain yet')
    const age = this.options.now() - this.#inForce.readAtMs
    if (age > this.options.maxAgeMs) return refuse('policy.stale', `the policy was last seen ${Math.round(age / 1000)} s ago, ${this.options.maxAgeMs / 1000} s are allowed`)
    return accept(this.#inForce)
  }

  /** The newest epoch that was seen, however long ago. */
  epoch(): number | undefined {
    return this.#inForce?.policy.epoch
  }

  /** Hears of every new epoch, after it is in force here. Answers how to stop listening. */
  onChange(listener: (inForce: InForce) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads the chain once. Throws `policy.missing` or PolicyError where the document in force cannot be had; then nothing changes. */
  async refresh(): Promise<void> {
    const { chain, address, now } = this.options
    // A node that stands still answers what was true when it stopped; everything is asked of one block, and is as old as that.
    const block = await chain.getBlock({ blockTag: 'latest' })
    const known = this.#inForce
    const readAtMs = Math.max(Math.min(now(), Number(block.timestamp) * 1000), known?.readAtMs ?? 0)
    const call = { address, abi: policyRegistryAbi, blockNumber: block.number } as const
    const [epoch, adopted] = await chain.readContract({ ...call, functionName: 'current' })
    if (adopted.epoch === 0n) throw new AppError('policy.missing', { retryable: true, detail: 'holders have adopted no policy yet' })
    // A node that lags behind another answers with yesterday's epoch; what was taken away since stays away.
    if (known && epoch.epoch < BigInt(known.policy.epoch)) return
    const said = [epoch.epoch, epoch.startedAt, epoch.policyEpoch, epoch.removalCount, adopted.digest].join()
    if (known && said === this.#said) {
      this.#inForce = { ...known, readAtMs }
      return
    }
    const document = await this.#open(adopted.digest, adopted.daRef)
    requireVoted(document, adopted.keyKinds)
    const removed = await this.#removals(epoch.epoch, epoch.removalCount, block.number)
    const inForce: InForce = { policy: Removals.withRemovals(document, Number(epoch.epoch), removed), daRef: adopted.daRef, readAtMs }
    this.#inForce = inForce
    this.#said = said
    this.options.logger.info({ epoch: inForce.policy.epoch, digest: adopted.digest, removals: removed.length }, 'policy in force')
    for (const listener of this.#listeners) listener(inForce)
  }

  async #open(digest: Hex.Hex, daRef: Hex.Hex): Promise<Policy.Policy> {
    if (this.#document?.digest === digest) return this.#document.policy
    const { address, chainId, archive, signers, primitives } = this.options
    const envelope = await archive.policy(daRef)
    if (!envelope) throw new AppError('policy.missing', { retryable: true, detail: `the policy envelope ${daRef} is not in the object store` })
    const policy = SignedPolicy.openPolicy(envelope, { chainId, registry: address, signers }, primitives)
    if (`0x${policy.digest}` !== digest) throw new AppError('policy.altered', { detail: `the envelope ${daRef} holds another document than the chain names` })
    this.#document = { digest, policy }
    return policy
  }

  /** What is removed in an epoch, of the first `count` removals. Another node of the chain may answer than the one that counted them, and be behind it. */
  async #removals(inEpoch: bigint, count: bigint, blockNumber: bigint): Promise<Removals.Removal[]> {
    const found: Removals.Removal[] = []
    for (let from = 0n; from < count; from += pageSize) {
      const limit = count - from < pageSize ? count - from : pageSize
      const page = await this.options.chain.readContract({ address: this.options.address, abi: policyRegistryAbi, functionName: 'removals', args: [from, limit], blockNumber })
      if (BigInt(page.length) !== limit) throw new AppError('policy.behind', { retryable: true, detail: `of ${count} removals only ${from + BigInt(page.length)} were answered` })
      for (const { kind, value, reason, removedIn, restoredIn } of page) {
        const entry = Removals.REMOVAL_ENTRIES[kind]
        if (!entry) throw new AppError('policy.unreadable', { detail: `the registry names a removal of kind ${kind}` })
        if (restoredIn === 0n || restoredIn > inEpoch) found.push({ entry, value, reason, epoch: Number(removedIn) })
      }
    }
    return found
  }
}

/** The chain refuses a vote on kinds of keys that a deployment must not admit, by a mask beside the digest; a document that admits more was not voted for. */
function requireVoted({ hardware }: Policy.Policy, keyKinds: bigint): void {
  const unvoted = hardware.find(({ kind }) => kind in Receipt.keyKinds && !((keyKinds >> BigInt(Receipt.keyKinds[kind as Receipt.KeyKind])) & 1n))
  if (unvoted) throw new AppError('policy.altered', { detail: `the document admits ${unvoted.kind} as ${unvoted.id}; holders were told that it does not` })
}
