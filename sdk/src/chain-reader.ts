import { modelRegistryAbi, revenueVaultAbi, settlementLogAbi, teeRegistryAbi } from '@haca/contracts'
import type { Hex } from '@haca/core'
import { createPublicClient, http } from 'viem'
import { HacaError } from './errors.js'
import type { Network } from './network.js'
import type { ChainReader } from './verify/verify.js'

const validities = ['valid', 'unknown', 'not-yet-valid', 'expired', 'retired', 'compromised', 'of another kind']

/** Reads of the chain over JSON-RPC, behind a tag from which nothing is taken back. */
export function chainReader(rpcUrl: string, network: Network, tag: 'latest' | 'safe' | 'finalized' = 'safe'): ChainReader {
  const client = createPublicClient({ transport: http(rpcUrl, { batch: true, retryCount: 2 }) })
  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (cause) {
      throw new HacaError('chain-unreachable', 'the chain could not be asked', {}, { cause })
    }
  }
  const log = { address: network.settlementLog, abi: settlementLogAbi, blockTag: tag } as const
  return {
    headerOf: (batchId) => ask(() => client.readContract({ ...log, functionName: 'headerOf', args: [BigInt(batchId)] })),
    committedAt: (batchId) => ask(async () => Number((await client.readContract({ ...log, functionName: 'anchorOf', args: [BigInt(batchId)] }))[0])),
    credited: (paymentId) => ask(async () => (await client.readContract({ address: network.revenueVault, abi: revenueVaultAbi, functionName: 'creditOf', args: [paymentId], blockTag: tag }))[0]),
    keyValidity: (node, keyKind, at) =>
      ask(async () => {
        const address = network.teeRegistry ?? (await client.readContract({ ...log, functionName: 'teeRegistry' }))
        const validity = await client.readContract({ address, abi: teeRegistryAbi, functionName: 'validityAs', args: [node, keyKind, BigInt(at)], blockTag: tag })
        return validities[validity] ?? `validity ${validity}`
      }),
    ...(network.modelRegistry ? { model: (modelHash: Hex.Hex) => ask(() => modelName(client, network.modelRegistry as Hex.Hex, modelHash)) } : {}),
  }
}

async function modelName(client: ReturnType<typeof createPublicClient>, registry: Hex.Hex, modelHash: Hex.Hex): Promise<string | undefined> {
  try {
    const { name, version } = await client.readContract({ address: registry, abi: modelRegistryAbi, functionName: 'modelOf', args: [modelHash] })
    return `${name}@${version}`
  } catch (error) {
    if (String(error).includes('ModelUnknown')) return undefined
    throw error
  }
}
