import { prepareLocalChain } from '@haca/contracts'
import { newWallet, type Wallet } from './payer.js'

/** Fresh wallets with USDC on a local chain. */
export async function fundedWallets(rpc: string, count: number, balanceAtomic: bigint): Promise<Wallet[]> {
  const wallets = Array.from({ length: count }, newWallet)
  await prepareLocalChain(rpc, { accounts: wallets.map((w) => w.address), balanceAtomic })
  return wallets
}
