import { deployHaca, prepareLocalChain, type AddressBook, type HacaOptions, type LocalChain } from '@haca/contracts'
import type { Hex } from '@haca/core'
import { createPublicClient, createWalletClient, http } from 'viem'
import { payers, roles } from './accounts.js'

export interface Deployment {
  book: AddressBook
  token: LocalChain
}

const payerBalance = 1_000_000_000n // 1,000 USDC

/** What our contracts are deployed with on a local chain; their addresses follow from it. */
export const localOptions = (token: Hex.Hex): HacaOptions => ({
  admin: roles.admin.address,
  adminDelaySeconds: 0,
  settler: roles.commits.address,
  registrar: roles.registrar.address,
  guardian: roles.guardian.address,
  simulatedAllowed: true,
  rootDelaySeconds: 0,
  token,
})

/** Puts the USDC double and our contracts on a local chain; finds them there when it is called again. */
export async function deployLocally(rpcUrl: string, extraPayers: readonly Hex.Hex[] = []): Promise<Deployment> {
  const token = await prepareLocalChain(rpcUrl, { accounts: [...payers.map((p) => p.address), ...extraPayers], balanceAtomic: payerBalance })
  const transport = http(rpcUrl)
  const publicClient = createPublicClient({ transport, pollingInterval: 100 })
  const walletClient = createWalletClient({ transport, account: roles.admin.account })
  const book = await deployHaca({ publicClient, walletClient } as never, localOptions(token.token))
  return { book, token }
}
