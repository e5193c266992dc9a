import { revenueVaultAbi } from '@haca/contracts'
import { Digest, type Hex } from '@haca/core'
import type { StackFile } from '../stack/index.js'
import { createPublicClient, http, parseAbi, type PublicClient } from 'viem'

const tokenAbi = parseAbi(['function balanceOf(address) view returns (uint256)'])

/** The chain's own books, read without any of our services. */
export class Books {
  readonly client: PublicClient

  constructor(readonly stack: Pick<StackFile, 'rpc' | 'contracts' | 'token'>) {
    this.client = createPublicClient({ transport: http(stack.rpc, { batch: true }) })
  }

  balance(address: Hex.Hex): Promise<bigint> {
    return this.client.readContract({ address: this.stack.token.address, abi: tokenAbi, functionName: 'balanceOf', args: [address] })
  }

  /** Amount the vault credits for a payment, and whether it was paid back. */
  async credit(paymentId: Hex.Hex): Promise<{ amount: bigint; refunded: boolean }> {
    const [amount, , state] = await this.client.readContract({ address: this.stack.contracts.revenueVault, abi: revenueVaultAbi, functionName: 'creditOf', args: [paymentId] })
    return { amount, refunded: state === 3 }
  }

  vault(): Promise<bigint> {
    return this.balance(this.stack.contracts.revenueVault)
  }

  paymentId(payer: Hex.Hex, nonce: Hex.Hex): Hex.Hex {
    return Digest.paymentId({ chainId: this.stack.contracts.chainId, scheme: 'exact', token: this.stack.token.address, payer, nonce })
  }
}

/** Waits for a fact; throws with `what` when it does not come. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, withinMs = 60_000): Promise<T> {
  let last: unknown
  for (const until = Date.now() + withinMs; Date.now() < until; await new Promise((next) => setTimeout(next, 200))) {
    try {
      const found = await look()
      if (found !== undefined) return found
      last = undefined
    } catch (error) {
      last = error
    }
  }
  throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last })
}
