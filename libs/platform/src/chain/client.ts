import { createPublicClient, defineChain, fallback, http, type PublicClient, type Transport, type Chain as ViemChain } from 'viem'

/** Reads of one chain. */
export type Chain = PublicClient<Transport, ViemChain>

/** A client of one chain. Several URLs, separated by commas, are tried in order. */
export function createChain(rpcUrl: string, chainId: number): Chain {
  const [first = '', ...rest] = rpcUrl.split(',')
  const options = { batch: { batchSize: 100, wait: 2 }, timeout: 10_000, retryCount: 1, retryDelay: 200 }
  const chain = defineChain({ id: chainId, name: `eip155:${chainId}`, nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [first, ...rest] } } })
  return createPublicClient({ chain, transport: rest.length === 0 ? http(first, options) : fallbackOf([first, ...rest], options), pollingInterval: 200, cacheTime: 0 })
}

const fallbackOf = (urls: string[], options: Parameters<typeof http>[1]) => fallback(urls.map((url) => http(url, options)))
