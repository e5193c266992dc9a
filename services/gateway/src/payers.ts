import type { Hex } from '@haca/core'
import type { Chain } from '@haca/platform/chain'
import { parseAbi } from 'viem'
import type { PayerFacts, Payers } from './ports.js'

const tokenAbi = parseAbi(['function balanceOf(address) view returns (uint256)', 'function isBlacklisted(address) view returns (bool)'])

/** Balance, code and blacklisting of a payer, in one batch of calls. */
export class ChainPayers implements Payers {
  constructor(
    readonly chain: Chain,
    readonly token: Hex.Hex,
  ) {}

  async read(payer: Hex.Hex): Promise<PayerFacts> {
    const call = { address: this.token, abi: tokenAbi, args: [payer] } as const
    const [balance, code, blacklisted] = await Promise.all([
      this.chain.readContract({ ...call, functionName: 'balanceOf' }),
      this.chain.getCode({ address: payer }),
      this.#isBlacklisted(payer),
    ])
    return { balance: blacklisted ? 0n : balance, contract: code !== undefined && code !== '0x' }
  }

  /** Tokens without a blacklist have nobody on it; any other failure is an outage. */
  async #isBlacklisted(payer: Hex.Hex): Promise<boolean> {
    try {
      return await this.chain.readContract({ address: this.token, abi: tokenAbi, functionName: 'isBlacklisted', args: [payer] })
    } catch (error) {
      if ((error as { walk?: (fn: (e: unknown) => boolean) => unknown }).walk?.((e) => (e as Error).name === 'ContractFunctionRevertedError' || (e as Error).name === 'ContractFunctionZeroDataError')) return false
      throw error
    }
  }
}
