import { create } from '@bufbuild/protobuf'
import { revenueVaultAbi, settlementLogAbi } from '@haca/contracts'
import { Hex } from '@haca/core'
import { BatchSettledSchema, Finality, PaymentSettledSchema } from '@haca/proto'
import type { Blobs } from '@haca/platform/blobs'
import type { Chain } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { decodeEventLog, type Log } from 'viem'
import type { Demand } from './demands.js'
import type { Facts } from './facts.js'

export interface WatcherOptions {
  chain: Chain
  blobs: Blobs
  facts: Facts
  logger: Logger
  log: Hex.Hex
  vault: Hex.Hex
  /** First block to read when there is no cursor. */
  fromBlock: number
  pollMs: number
  /** Told of every demand for a signature, every demand for a proof, and every anchored batch; the cursor moves on when they resolve. */
  demanded(demand: Demand): Promise<void>
  proofDemanded(demand: Demand): Promise<void>
  anchored(batchId: number): Promise<void>
  now(): number
}

/** A block we have read up to, by number and hash. */
interface Mark {
  number: number
  hash: Hex.Hex
}

const rangeMax = 2_000
/** Marks kept to find the way back from a reorganisation. */
const marksMax = 200

/**
 * Publishes what the chain's logs say, from a stored cursor: the chain is the outbox. A restart reads on; a reorganised
 * block is read again from the last mark that is still on the chain, and consumers absorb the repetition.
 */
export class Watcher {
  #marks: Mark[] = []
  #timer: NodeJS.Timeout | undefined
  #turning: Promise<void> = Promise.resolve()
  #stopped = false
  /** Unix milliseconds of the last look that reached the head, or of a demand answered on the way there. */
  lastSeenMs = 0

  constructor(readonly options: WatcherOptions) {}

  async start(): Promise<void> {
    const bytes = await this.options.blobs.get(this.#cursorKey())
    this.#marks = bytes ? (JSON.parse(new TextDecoder().decode(bytes)) as Mark[]) : []
    this.#timer = setInterval(() => void this.#turn(), this.options.pollMs)
    void this.#turn()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#turning
  }

  #turn(): Promise<void> {
    let busy = true
    void this.#turning.then(() => (busy = false))
    return (this.#turning = this.#turning
      .then(() => (this.#stopped ? undefined : this.#look()))
      .catch((err: unknown) => this.options.logger.warn({ err, busy }, 'logs not read; trying again')))
  }

  async #look(): Promise<void> {
    const { chain } = this.options
    const head = await chain.getBlock({ blockTag: 'latest' })
    await this.#dropReorganised()
    const from = (this.#marks.at(-1)?.number ?? this.options.fromBlock - 1) + 1
    for (let at = from; at <= Number(head.number); at += rangeMax) {
      const to = Math.min(at + rangeMax - 1, Number(head.number))
      // The range's last block is read before and after its logs: if it changed in between, the logs are of two chains.
      const before = to === Number(head.number) ? head.hash : (await chain.getBlock({ blockNumber: BigInt(to) })).hash
      const logs = await chain.getLogs({ address: [this.options.vault, this.options.log], fromBlock: BigInt(at), toBlock: BigInt(to) })
      const after = (await chain.getBlock({ blockNumber: BigInt(to) })).hash
      if (before !== after) return
      await Promise.all(logs.map((log) => this.#publish(log)))
      // One after another: anybody may demand, thousands at once, and what else our key has to send must not wait behind all of them.
      for (const log of logs) {
        if (this.#stopped) return
        await this.#answer(log)
        this.lastSeenMs = this.options.now()
      }
      await this.#mark({ number: to, hash: after })
    }
    this.lastSeenMs = this.options.now()
  }

  /** Goes back to the newest mark the chain still has. */
  async #dropReorganised(): Promise<void> {
    while (this.#marks.length > 0) {
      const mark = this.#marks.at(-1) as Mark
      const block = await this.options.chain.getBlock({ blockNumber: BigInt(mark.number) }).catch((error: Error) => {
        if (error.name === 'BlockNotFoundError') return undefined
        throw error
      })
      if (block?.hash === mark.hash) return
      this.options.logger.warn({ number: mark.number, was: mark.hash, is: block?.hash }, 'block was reorganised; reading again')
      this.#marks.pop()
    }
  }

  async #publish(log: Log): Promise<void> {
    const where = {
      transactionHash: Hex.toBytes(log.transactionHash as Hex.Hex),
      blockNumber: log.blockNumber as bigint,
      blockHash: Hex.toBytes(log.blockHash as Hex.Hex),
      finality: Finality.INCLUDED,
    }
    const event = decode(log)
    if (event?.eventName === 'PaymentCredited') {
      const { paymentId, payer, token, amount } = event.args
      await this.options.facts.tell(
        PaymentSettledSchema,
        create(PaymentSettledSchema, {
          ...where,
          paymentId: Hex.toBytes(paymentId),
          payer: Hex.toBytes(payer),
          token: Hex.toBytes(token),
          amount: amount.toString(),
          observedAtMs: BigInt(this.options.now()),
        }),
      )
    }
    if (event?.eventName === 'BatchCommitted') {
      const { id, headerHash, token, root, total, daRef, evidenceRoot, count } = event.args
      await this.options.facts.tell(
        BatchSettledSchema,
        create(BatchSettledSchema, {
          ...where,
          batchId: id,
          headerHash: Hex.toBytes(headerHash),
          root: Hex.toBytes(root),
          token: Hex.toBytes(token),
          total: total.toString(),
          daRef: Hex.toBytes(daRef),
          evidenceRoot: Hex.toBytes(evidenceRoot),
          count,
        }),
      )
      await this.options.anchored(Number(id))
    }
  }

  async #answer(log: Log): Promise<void> {
    const event = decode(log)
    if (event?.eventName === 'SignatureDemanded') {
      const { receiptHash, batchId, index, dueAt } = event.args
      await this.options.demanded({ receiptHash, batchId: Number(batchId), index, dueAt: Number(dueAt) })
    }
    if (event?.eventName === 'ProofDemanded') {
      const { receiptHash, batchId, index, dueAt } = event.args
      await this.options.proofDemanded({ receiptHash, batchId: Number(batchId), index, dueAt: Number(dueAt) })
    }
  }

  async #mark(mark: Mark): Promise<void> {
    this.#marks = [...this.#marks, mark].slice(-marksMax)
    await this.options.blobs.put(this.#cursorKey(), new TextEncoder().encode(JSON.stringify(this.#marks)))
  }

  #cursorKey(): string {
    return `cursors/${this.options.log.toLowerCase()}`
  }
}

const abi = [...revenueVaultAbi.filter((item) => item.type === 'event' && item.name === 'PaymentCredited'), ...settlementLogAbi.filter((item) => item.type === 'event' && (item.name === 'BatchCommitted' || item.name === 'SignatureDemanded' || item.name === 'ProofDemanded'))]

/** One of the events we act on, or nothing. */
function decode(log: Log) {
  try {
    return decodeEventLog({ abi, data: log.data, topics: log.topics })
  } catch {
    return undefined
  }
}
