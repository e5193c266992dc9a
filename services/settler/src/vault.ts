import { revenueVaultAbi } from '@haca/contracts'
import type { Hex, Payment } from '@haca/core'
import type { Chain } from '@haca/platform/chain'
import { parseAbi } from 'viem'
import type { PaymentFacts, Vault } from './ports.js'

const tokenAbi = parseAbi([
  'function balanceOf(address) view returns (uint256)',
  'function authorizationState(address, bytes32) view returns (bool)',
  'event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
])

const refundedState = 3

/** The vault on chain, asked for many payments in one call. */
export class ChainVault implements Vault {
  constructor(
    readonly chain: Chain,
    readonly vault: Hex.Hex,
    readonly token: Hex.Hex,
    readonly fromBlock: bigint,
    readonly safeTag: 'latest' | 'safe' | 'finalized',
  ) {}

  async facts(payments: readonly Payment.Payment[], tag: 'latest' | 'safe'): Promise<PaymentFacts[]> {
    if (payments.length === 0) return []
    const contracts = payments.flatMap((payment) => [
      { address: this.vault, abi: revenueVaultAbi, functionName: 'creditOf', args: [payment.paymentId] } as const,
      { address: this.token, abi: tokenAbi, functionName: 'authorizationState', args: [payment.payer, payment.nonce] } as const,
    ])
    const results = (await this.chain.multicall({ contracts, allowFailure: false, deployless: true, batchSize: 0, blockTag: tag === 'safe' ? this.safeTag : 'latest' })) as unknown[]
    return payments.map((_, i) => {
      const [amount, , state] = results[2 * i] as readonly [bigint, bigint, number]
      return { credited: amount, refunded: state === refundedState, nonceUsed: results[2 * i + 1] as boolean }
    })
  }

  async balances(payers: readonly Hex.Hex[]): Promise<bigint[]> {
    if (payers.length === 0) return []
    const contracts = payers.map((payer) => ({ address: this.token, abi: tokenAbi, functionName: 'balanceOf', args: [payer] }) as const)
    return (await this.chain.multicall({ contracts, allowFailure: false, deployless: true, batchSize: 0 })) as bigint[]
  }

  async safeTime(): Promise<number> {
    return Number((await this.chain.getBlock({ blockTag: this.safeTag })).timestamp)
  }

  async directTransfer(payment: Payment.Payment): Promise<Hex.Hex | undefined> {
    const used = await this.chain.getLogs({
      address: this.token,
      event: tokenAbi[2],
      args: { authorizer: payment.payer, nonce: payment.nonce },
      fromBlock: this.fromBlock,
      toBlock: this.safeTag,
    })
    const transaction = used[0]?.transactionHash
    if (!transaction) return undefined
    const receipt = await this.chain.getTransactionReceipt({ hash: transaction })
    const transfers = await this.chain.getLogs({ address: this.token, event: tokenAbi[3], args: { from: payment.payer, to: this.vault }, fromBlock: receipt.blockNumber, toBlock: receipt.blockNumber })
    return transfers.some((log) => log.transactionHash === transaction && log.args.value === payment.amount) ? transaction : undefined
  }
}
