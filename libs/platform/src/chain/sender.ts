import { AppError, type Hex } from '@haca/core'
import { keccak256, type PrivateKeyAccount, type TransactionReceipt } from 'viem'
import type { Logger } from '../log/index.js'
import type { Chain } from './client.js'
import { decide, fees, type SendLimits } from './send-state.js'
import { TxStore, type StoredTx } from './tx-store.js'
import type { Blobs } from '../blobs/index.js'

export interface TxSenderOptions extends SendLimits {
  chain: Chain
  account: PrivateKeyAccount
  blobs: Blobs
  logger: Logger
  /** Which block tag ends doubt about a transaction. */
  settledTag: 'latest' | 'safe' | 'finalized'
  /** Most wei per gas ever offered; beyond it the sender waits and alarms. */
  maxFeePerGasCap: bigint
  /** Milliseconds between looks at the chain. */
  pollMs: number
  now(): number
}

export interface SendRequest {
  to: Hex.Hex
  data: Hex.Hex
  /** Explicit: estimates silently starve the last call of a batch that tolerates failures. */
  gas: bigint
  /** Kept with the signed bytes and given back after a restart. */
  note: string
}

/** How a nonce ended. */
export type Followed = { outcome: 'final'; receipt: TransactionReceipt; note: string } | { outcome: 'superseded'; note: string }

interface InFlight {
  variants: StoredTx[]
  lastSentAtMs: number
  /** The block a variant was last seen in. */
  seenIn: bigint | undefined
  include(): void
  included: Promise<void>
  settle(end: Followed): void
  ended: Promise<Followed>
}

/**
 * Puts transactions of one key on the chain: sign, store, then send. A restart sends the stored bytes again; a fee bump is
 * the same nonce with a higher price and joins the set of hashes. The store's `putOnce` is the last fence between two
 * senders of one key: whoever stores a nonce first owns it.
 */
export class TxSender {
  readonly address: Hex.Hex
  readonly #store: TxStore
  readonly #inFlight = new Map<number, InFlight>()
  #next: number | undefined
  #signing: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(readonly options: TxSenderOptions) {
    this.address = options.account.address
    this.#store = new TxStore(options.blobs, this.address)
  }

  /** Takes up what an earlier process left: every stored nonce the chain has not settled. Their ends come like those of `send`. */
  async start(): Promise<{ nonce: number; note: string; ended: Promise<Followed> }[]> {
    const settled = await this.options.chain.getTransactionCount({ address: this.address, blockTag: this.options.settledTag })
    const stored = await this.#store.from(settled)
    for (const tx of stored) this.#track(tx)
    this.#next = stored.reduce((next, tx) => Math.max(next, tx.nonce + 1), settled)
    this.#timer = setInterval(() => void this.#follow(), this.options.pollMs)
    void this.#follow()
    return [...this.#inFlight].map(([nonce, entry]) => ({ nonce, note: (entry.variants[0] as StoredTx).note, ended: entry.ended }))
  }

  /** Stops following. What is on its way stays stored and is taken up by the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#turn
  }

  /** Transactions sent and not settled. */
  pending(): number {
    return this.#inFlight.size
  }

  /**
   * Signs, stores and sends. Resolves once the bytes are stored: from then on they will be on the chain or superseded, and
   * `ended` tells which. `included` resolves when a block has them for the first time, or there is an end. Rejects with a retryable AppError when nothing was stored.
   */
  send(request: SendRequest): Promise<{ hash: Hex.Hex; nonce: number; included: Promise<void>; ended: Promise<Followed> }> {
    const turn = this.#signing.then(() => this.#signAndStore(request))
    this.#signing = turn.catch(() => undefined)
    return turn.then(async (tx) => {
      const entry = this.#track(tx)
      await this.#broadcast(entry, tx)
      return { hash: tx.hash, nonce: tx.nonce, included: entry.included, ended: entry.ended }
    })
  }

  async #signAndStore(request: SendRequest): Promise<StoredTx> {
    try {
      const nonce = await this.#nextNonce()
      const tx = await this.#sign(request, nonce, 0, undefined)
      const kept = await this.#store.append(tx)
      this.#next = nonce + 1
      if (kept.hash === tx.hash) return tx
      this.#track(kept) // another process of ours was first; its transaction must get on the chain, and ours takes the next nonce
      throw new AppError('chain.nonce-taken', { retryable: true })
    } catch (error) {
      throw error instanceof AppError ? error : new AppError('chain.unreachable', { retryable: true, cause: error })
    }
  }

  async #nextNonce(): Promise<number> {
    const onChain = await this.options.chain.getTransactionCount({ address: this.address, blockTag: 'latest' })
    if (this.#next === undefined) {
      const stored = await this.#store.from(onChain)
      this.#next = stored.reduce((next, tx) => Math.max(next, tx.nonce + 1), onChain)
    }
    return Math.max(this.#next, onChain)
  }

  async #sign(request: SendRequest, nonce: number, attempt: number, last: StoredTx | undefined): Promise<StoredTx> {
    const { chain, account, maxFeePerGasCap } = this.options
    const block = await chain.getBlock({ blockTag: 'latest' })
    const price = fees({ baseFee: block.baseFeePerGas ?? 0n, tip: tipWei }, last && { max: BigInt(last.maxFeePerGas), tip: BigInt(last.maxPriorityFeePerGas) })
    if (price.max > maxFeePerGasCap) throw new AppError('chain.fee-cap', { retryable: true, detail: `the chain asks ${price.max} wei per gas, the cap is ${maxFeePerGasCap}` })
    const raw = await account.signTransaction({
      type: 'eip1559',
      chainId: chain.chain.id,
      nonce,
      to: request.to,
      data: request.data,
      gas: request.gas,
      maxFeePerGas: price.max,
      maxPriorityFeePerGas: price.tip,
    })
    return {
      nonce,
      attempt,
      hash: keccak256(raw),
      raw,
      to: request.to,
      data: request.data,
      gas: request.gas.toString(),
      maxFeePerGas: price.max.toString(),
      maxPriorityFeePerGas: price.tip.toString(),
      note: request.note,
      signedAtMs: this.options.now(),
    }
  }

  #track(tx: StoredTx): InFlight {
    let entry = this.#inFlight.get(tx.nonce)
    if (!entry) {
      const { promise: ended, resolve: settle } = Promise.withResolvers<Followed>()
      const { promise: included, resolve: include } = Promise.withResolvers<void>()
      this.#inFlight.set(tx.nonce, (entry = { variants: [], lastSentAtMs: 0, seenIn: undefined, include, included, settle, ended }))
    }
    if (!entry.variants.some((v) => v.hash === tx.hash)) entry.variants.push(tx)
    return entry
  }

  async #broadcast(entry: InFlight, tx: StoredTx): Promise<void> {
    entry.lastSentAtMs = this.options.now()
    try {
      await this.options.chain.sendRawTransaction({ serializedTransaction: tx.raw })
    } catch (error) {
      // Whatever the node says, the bytes are stored: the follower sends them again or finds them in a block.
      if (!isKnown(error)) this.options.logger.warn({ err: error, nonce: tx.nonce, hash: tx.hash }, 'transaction not taken by the node; it will be sent again')
    }
  }

  /** One look at the chain at a time. */
  #follow(): Promise<void> {
    return (this.#turn = this.#turn.then(() => this.#followOnce()).catch((err: unknown) => this.options.logger.warn({ err, address: this.address }, 'chain not followed; trying again')))
  }

  async #followOnce(): Promise<void> {
    if (this.#stopped) return
    const { chain, settledTag } = this.options
    const [chainNonce, settled] = await Promise.all([
      chain.getTransactionCount({ address: this.address, blockTag: 'latest' }),
      chain.getBlock({ blockTag: settledTag }),
    ])
    await this.#repairGap(chainNonce)
    for (const [nonce, entry] of [...this.#inFlight].sort(([a], [b]) => a - b)) {
      await this.#step(nonce, entry, { chainNonce, settledBlock: settled.number })
    }
  }

  /** A reorganisation deeper than the settled tag gave nonces back that were done: their stored bytes must be sent again, or the later ones wait for ever. */
  async #repairGap(chainNonce: number): Promise<void> {
    const lowest = Math.min(...this.#inFlight.keys(), this.#next ?? Infinity)
    if (chainNonce >= lowest || lowest === Infinity) return
    this.options.logger.warn({ chainNonce, lowest, address: this.address }, 'the chain gave nonces back; sending their transactions again')
    for (const tx of await this.#store.from(chainNonce)) this.#track(tx)
  }

  async #step(nonce: number, entry: InFlight, at: { chainNonce: number; settledBlock: bigint }): Promise<void> {
    const newest = entry.variants.at(-1) as StoredTx
    // Seen in a block that is not beyond doubt yet: hundreds may be, and there is nothing to ask until it is, or the nonce is free again.
    if (at.chainNonce > nonce && entry.seenIn !== undefined && entry.seenIn > at.settledBlock) return
    const receipt = at.chainNonce > nonce ? await this.#receipt(entry) : undefined
    entry.seenIn = receipt?.blockNumber
    if (receipt) entry.include()
    const minedIn = receipt && { blockNumber: receipt.blockNumber, hash: receipt.transactionHash, reverted: receipt.status === 'reverted' }
    const action = decide({ newestSignedAtMs: newest.signedAtMs, lastSentAtMs: entry.lastSentAtMs, minedIn, nonce, ...at }, this.options, this.options.now())
    if (action === 'final' && receipt) return this.#end(nonce, entry, { outcome: 'final', receipt, note: newest.note })
    if (action === 'superseded') return this.#end(nonce, entry, { outcome: 'superseded', note: newest.note })
    if (action === 'resend') return this.#broadcast(entry, newest)
    if (action === 'bump') return this.#bump(entry, newest)
  }

  /** Receipt of whichever variant was mined. A receipt that cannot be had is unknown, not absent: the error goes up. */
  async #receipt(entry: InFlight): Promise<TransactionReceipt | undefined> {
    for (const variant of entry.variants) {
      const receipt = await this.options.chain.getTransactionReceipt({ hash: variant.hash }).catch((error: Error) => {
        if (error.name === 'TransactionReceiptNotFoundError') return undefined
        throw error
      })
      if (receipt) return receipt
    }
    return undefined
  }

  async #bump(entry: InFlight, last: StoredTx): Promise<void> {
    const attempt = last.attempt + 1
    if (attempt > 99) return this.#broadcast(entry, last)
    try {
      const request = { to: last.to, data: last.data, gas: BigInt(last.gas), note: last.note }
      const kept = await this.#store.append(await this.#sign(request, last.nonce, attempt, last))
      this.#track(kept)
      this.options.logger.info({ nonce: kept.nonce, attempt, hash: kept.hash }, 'transaction fee raised')
      await this.#broadcast(entry, kept)
    } catch (error) {
      this.options.logger.error({ alarm: 'fee-cap', err: error, nonce: last.nonce }, 'transaction fee not raised; the last one is sent again')
      await this.#broadcast(entry, last)
    }
  }

  #end(nonce: number, entry: InFlight, end: Followed): void {
    this.#inFlight.delete(nonce)
    entry.include()
    entry.settle(end)
  }
}

/** Priority fee in wei per gas; Base's sequencer takes any. */
const tipWei = 1_000_000n

/** Answers of nodes that already have the transaction, in the dialects of geth, reth and anvil. */
const isKnown = (error: unknown): boolean => /already known|already imported|nonce too low|known transaction/i.test(String((error as { details?: string })?.details ?? error))
