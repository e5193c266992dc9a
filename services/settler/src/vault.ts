import { revenueVaultAbi } from '@haca/contracts'
import { Hex, type Payment } from '@haca/core'
import type { Chain } from '@haca/platform/chain'
import { parseAbi, parseEventLogs, type Log } from 'viem'
import type { Credit, Vault } from './ports.js'

const tokenAbi = parseAbi([
  'function balanceOf(address) view returns (uint256)',
  'function authorizationState(address, bytes32) view returns (bool)',
  'event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
])

const refundedState = 3

/** No offer asks for a payment that lives longer than a day, and a payer's clock may be off. */
const authorizationSecondsMax = 2 * 86_400
/** Blocks of one search for logs, where a node bounds it. */
const pageBlocks = 5_000n

/** Bytes of call data in one call. Calls travel in creation code (49,152 bytes at most, EIP-3860) and answers come back as the code of a contract (24,576 at most, EIP-170). */
const callDataMax = 2_500

/** The vault on chain, asked for many payments in one call. */
export class ChainVault implements Vault {
  constructor(
    readonly chain: Chain,
    readonly vault: Hex.Hex,
    readonly token: Hex.Hex,
    readonly fromBlock: bigint,
    readonly safeTag: 'latest' | 'safe' | 'finalized',
  ) {}

  async credits(paymentIds: readonly Hex.Hex[], tag: 'latest' | 'safe'): Promise<Credit[]> {
    const contracts = paymentIds.map((id) => ({ address: this.vault, abi: revenueVaultAbi, functionName: 'creditOf', args: [id] }) as const)
    const rows = (await this.#ask(contracts, tag)) as (readonly [bigint, bigint, number])[]
    return rows.map(([amount, , state]) => ({ amount, refunded: state === refundedState }))
  }

  async noncesUsed(payments: readonly Payment.Payment[], tag: 'latest' | 'safe'): Promise<boolean[]> {
    const contracts = payments.map(({ payer, nonce }) => ({ address: this.token, abi: tokenAbi, functionName: 'authorizationState', args: [payer, nonce] }) as const)
    return (await this.#ask(contracts, tag)) as boolean[]
  }

  async balances(payers: readonly Hex.Hex[]): Promise<bigint[]> {
    const contracts = payers.map((payer) => ({ address: this.token, abi: tokenAbi, functionName: 'balanceOf', args: [payer] }) as const)
    return (await this.#ask(contracts, 'latest')) as bigint[]
  }

  async safeTime(): Promise<number> {
    return Number((await this.chain.getBlock({ blockTag: this.safeTag })).timestamp)
  }

  async directTransfer(payment: Payment.Payment): Promise<Hex.Hex | undefined> {
    const transaction = await this.#useOf(payment)
    if (!transaction) return undefined
    const { logs } = await this.chain.getTransactionReceipt({ hash: transaction })
    return movedHere(logs.filter((log) => Hex.equals(log.address, this.token)), payment, this.vault) ? transaction : undefined
  }

  /** The transaction that used an authorisation, of the blocks in which it may have been used. */
  async #useOf({ payer, nonce, validBefore }: Payment.Payment): Promise<Hex.Hex | undefined> {
    const { number: newest, timestamp } = await this.chain.getBlock({ blockTag: this.safeTag })
    const search = { address: this.token, event: tokenAbi[2], args: { authorizer: payer, nonce } } as const
    // One that lives longer was taken before gateways refused such, and nobody knows since when it may have been used.
    const bounded = validBefore - authorizationSecondsMax <= Number(timestamp)
    const oldest = bounded ? await this.#blockAt(validBefore - authorizationSecondsMax, newest) : this.fromBlock
    try {
      return (await this.chain.getLogs({ ...search, fromBlock: oldest, toBlock: newest }))[0]?.transactionHash
    } catch {
      // Many nodes look through so many blocks at once and no more.
      for (let to = newest; to >= oldest; to -= pageBlocks) {
        const from = to - pageBlocks + 1n > oldest ? to - pageBlocks + 1n : oldest
        const [found] = await this.chain.getLogs({ ...search, fromBlock: from, toBlock: to })
        if (found) return found.transactionHash
      }
      return undefined
    }
  }

  /** The last block up to a time (unix seconds), or the first we look at. */
  async #blockAt(time: number, newest: bigint): Promise<bigint> {
    let [low, high] = [this.fromBlock, newest]
    while (low < high) {
      const middle = (low + high + 1n) / 2n
      if ((await this.chain.getBlock({ blockNumber: middle })).timestamp <= BigInt(time)) low = middle
      else high = middle - 1n
    }
    return low
  }

  /** Many reads in few calls, by a contract that is never deployed: its creation code holds the calls, and EIP-3860 bounds it. */
  #ask(contracts: readonly unknown[], tag: 'latest' | 'safe'): Promise<unknown[]> {
    if (contracts.length === 0) return Promise.resolve([])
    const blockTag = tag === 'safe' ? this.safeTag : 'latest'
    return this.chain.multicall({ contracts: contracts as never, allowFailure: false, deployless: true, batchSize: callDataMax, blockTag }) as Promise<unknown[]>
  }
}

/**
 * Whether the use of an authorisation moved its money to the vault. The token logs the transfer right after the use; a transfer
 * anywhere else in the transaction is another payment's, and the vault would credit this one with somebody else's money.
 */
function movedHere(logs: Log[], { payer, nonce, amount }: Payment.Payment, vault: Hex.Hex): boolean {
  const events = parseEventLogs({ abi: tokenAbi, logs })
  const use = events.find((event) => event.eventName === 'AuthorizationUsed' && Hex.equals(event.args.authorizer, payer) && Hex.equals(event.args.nonce, nonce))
  const next = use && events.find((event) => event.logIndex === use.logIndex + 1)
  return next?.eventName === 'Transfer' && Hex.equals(next.args.from, payer) && Hex.equals(next.args.to, vault) && next.args.value === amount
}
