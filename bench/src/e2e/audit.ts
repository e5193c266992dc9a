import { revenueVaultAbi, settlementLogAbi } from '@haca/contracts'
import { LeafFile, type Hex } from '@haca/core'
import { DirectoryBlobs } from '@haca/platform/blobs'
import { eventually, type Books, type Stack, type Wallet } from '@haca/tools'
import { join } from 'node:path'
import type { Call } from './calls.js'

const credited = revenueVaultAbi.find((item) => item.type === 'event' && item.name === 'PaymentCredited') as Extract<(typeof revenueVaultAbi)[number], { type: 'event'; name: 'PaymentCredited' }>
const committed = settlementLogAbi.find((item) => item.type === 'event' && item.name === 'BatchCommitted') as Extract<(typeof settlementLogAbi)[number], { type: 'event'; name: 'BatchCommitted' }>

/** The chain's books of one round, opened before it and held against its calls after it. */
export class Audit {
  private constructor(
    readonly books: Books,
    readonly stack: Stack,
    readonly wallets: readonly Wallet[],
    readonly fromBlock: bigint,
    readonly vault: bigint,
    readonly payers: bigint,
  ) {}

  static async open(books: Books, stack: Stack, wallets: readonly Wallet[]): Promise<Audit> {
    const fromBlock = (await books.client.getBlockNumber()) + 1n
    return new Audit(books, stack, wallets, fromBlock, await books.vault(), await fundsOf(books, wallets))
  }

  /** Resolves when as many receipts as there were calls lie under roots on chain. */
  async untilAnchored(count: number): Promise<void> {
    await eventually(`${count} receipts on chain`, async () => ((await this.#batches()).reduce((sum, batch) => sum + batch.count, 0) >= count ? true : undefined), 120_000)
  }

  /** Every disagreement between calls and chain, a line each. */
  async faults(calls: readonly Call[]): Promise<string[]> {
    const faults: string[] = []
    const rule = (holds: boolean, what: string): void => void (holds || faults.push(what))
    const credits = await this.#credits()
    const leaves = await this.#leaves()
    for (const { index, paymentId, requestId, amount } of calls) {
      const amounts = credits.get(paymentId) ?? []
      rule(amounts.length === 1 && amounts[0] === amount, `call ${index} was credited ${amounts.length} times: ${amounts.join(', ')}`)
      const collected = leaves.get(requestId as Hex.Hex) ?? []
      rule(collected.length === 1 && collected[0] === amount, `call ${index} lies in ${collected.length} leaves: ${collected.join(', ')}`)
    }
    const charged = calls.reduce((sum, call) => sum + call.amount, 0n)
    const [vault, payers] = [await this.books.vault(), await fundsOf(this.books, this.wallets)]
    rule(vault - this.vault === charged, `the vault gained ${vault - this.vault}, the calls cost ${charged}`)
    rule(this.payers - payers === charged, `the payers lost ${this.payers - payers}, the calls cost ${charged}`)
    return faults
  }

  async #batches(): Promise<{ daRef: Hex.Hex; count: number }[]> {
    const logs = await this.books.client.getLogs({ address: this.books.stack.contracts.settlementLog, event: committed, fromBlock: this.fromBlock, toBlock: 'latest', strict: true })
    return logs.map(({ args }) => ({ daRef: args.daRef, count: args.count }))
  }

  /** Amounts credited, by payment. */
  async #credits(): Promise<Map<Hex.Hex, bigint[]>> {
    const logs = await this.books.client.getLogs({ address: this.books.stack.contracts.revenueVault, event: credited, fromBlock: this.fromBlock, toBlock: 'latest', strict: true })
    return grouped(logs.map(({ args }) => [args.paymentId, args.amount]))
  }

  /** What was collected, by request, from the leaf files the roots commit to. */
  async #leaves(): Promise<Map<Hex.Hex, bigint[]>> {
    const blobs = new DirectoryBlobs(join(this.stack.world.folder, 'blobs'))
    const rows = await Promise.all((await this.#batches()).map(async ({ daRef }) => LeafFile.decode((await blobs.get(`leaves/${daRef.slice(2)}`)) as Uint8Array).rows))
    return grouped(rows.flat().map(({ receipt, collected }) => [receipt.requestId, collected]))
  }
}

const fundsOf = async (books: Books, wallets: readonly Wallet[]): Promise<bigint> => (await Promise.all(wallets.map(({ address }) => books.balance(address)))).reduce((sum, balance) => sum + balance, 0n)

function grouped(pairs: readonly (readonly [Hex.Hex, bigint])[]): Map<Hex.Hex, bigint[]> {
  const groups = new Map<Hex.Hex, bigint[]>()
  for (const [key, value] of pairs) groups.set(key, [...(groups.get(key) ?? []), value])
  return groups
}
