import { modelRegistryAbi, policyRegistryAbi, revenueVaultAbi, settlementLogAbi, teeRegistryAbi, VoidReason } from '@haca/contracts'
import { Hex } from '@haca/core'
import { Removals } from '@haca/core/tee'
import { createPublicClient, http } from 'viem'
import { HacaError } from './errors.js'
import type { Network } from './network.js'
import type { KeyRecord } from './verify/appraise-again.js'
import type { Removed } from './verify/attestation.js'
import type { ChainReader } from './verify/verify.js'

const validities = ['valid', 'unknown', 'not-yet-valid', 'expired', 'retired', 'compromised', 'of another kind']

type Tag = 'latest' | 'safe' | 'finalized'
type Client = ReturnType<typeof createPublicClient>

/** Reads of the chain over JSON-RPC, behind a tag from which nothing is taken back. */
export function chainReader(rpcUrl: string, network: Network, tag: Tag = 'safe'): ChainReader {
  const client = createPublicClient({ transport: http(rpcUrl, { batch: true, retryCount: 2 }) })
  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (cause) {
      throw new HacaError('chain-unreachable', 'the chain could not be asked', {}, { cause })
    }
  }
  const log = { address: network.settlementLog, abi: settlementLogAbi, blockTag: tag } as const
  const keysAt = async (): Promise<Hex.Hex> => network.teeRegistry ?? (await client.readContract({ ...log, functionName: 'teeRegistry' }))
  const { policyRegistry } = network
  return {
    headerOf: (batchId) => ask(() => client.readContract({ ...log, functionName: 'headerOf', args: [BigInt(batchId)] })),
    committedAt: (batchId) => ask(async () => Number((await client.readContract({ ...log, functionName: 'anchorOf', args: [BigInt(batchId)] }))[0])),
    voidReason: (receiptHash) =>
      ask(async () => {
        const reason = await client.readContract({ ...log, functionName: 'voidReasonOf', args: [receiptHash] })
        return reason === VoidReason.None ? undefined : (Object.entries(VoidReason).find(([, value]) => value === reason)?.[0] ?? `reason ${reason}`)
      }),
    credited: (paymentId) => ask(async () => (await client.readContract({ address: network.revenueVault, abi: revenueVaultAbi, functionName: 'creditOf', args: [paymentId], blockTag: tag }))[0]),
    keyValidity: (node, keyKind, at) =>
      ask(async () => {
        const address = await keysAt()
        const validity = await client.readContract({ address, abi: teeRegistryAbi, functionName: 'validityAs', args: [node, keyKind, BigInt(at)], blockTag: tag })
        return validities[validity] ?? `validity ${validity}`
      }),
    keyRecord: (node) => ask(async () => keyRecord(client, await keysAt(), node, tag)),
    ...(policyRegistry ? { removals: () => ask(() => removals(client, policyRegistry, tag)), policyDigestAt: (epoch: number) => ask(() => policyDigestAt(client, policyRegistry, epoch, tag)) } : {}),
    ...(network.modelRegistry
      ? {
          model: (modelHash: Hex.Hex) => ask(() => modelName(client, network.modelRegistry as Hex.Hex, modelHash)),
          circuitOf: (modelHash: Hex.Hex) => ask(() => client.readContract({ address: network.modelRegistry as Hex.Hex, abi: modelRegistryAbi, functionName: 'circuitOf', args: [modelHash], blockTag: tag })),
        }
      : {}),
  }
}

async function modelName(client: Client, registry: Hex.Hex, modelHash: Hex.Hex): Promise<string | undefined> {
  const found = await unless('ModelUnknown', client.readContract({ address: registry, abi: modelRegistryAbi, functionName: 'modelOf', args: [modelHash] }))
  return found && `${found.name}@${found.version}`
}

async function keyRecord(client: Client, address: Hex.Hex, node: Hex.Hex, blockTag: Tag): Promise<KeyRecord | undefined> {
  const found = await unless('KeyUnknown', client.readContract({ address, abi: teeRegistryAbi, functionName: 'keyOf', args: [node], blockTag }))
  if (!found) return undefined
  const { evidenceId, retiredAt, compromised, compromisedFrom, reason } = found
  return { evidenceId, retiredAt: Number(retiredAt), reason, ...(compromised ? { compromisedFrom: Number(compromisedFrom) } : {}) }
}

const pageSize = 100n

async function removals(client: Client, address: Hex.Hex, blockTag: Tag): Promise<Removed[]> {
  const found: Removed[] = []
  for (;;) {
    const page = await client.readContract({ address, abi: policyRegistryAbi, functionName: 'removals', args: [BigInt(found.length), pageSize], blockTag })
    for (const { kind, value, reason, removedIn, restoredIn } of page) {
      const entry = Removals.REMOVAL_ENTRIES[kind]
      if (!entry) throw new Error(`the registry names a removal of kind ${kind}`)
      found.push({ entry, value, reason, removedIn: Number(removedIn), restoredIn: Number(restoredIn) })
    }
    if (BigInt(page.length) < pageSize) return found
  }
}

async function policyDigestAt(client: Client, address: Hex.Hex, epoch: number, blockTag: Tag): Promise<Hex.Hex | undefined> {
  const found = await unless('EpochUnknown', client.readContract({ address, abi: policyRegistryAbi, functionName: 'policyOf', args: [BigInt(epoch)], blockTag }))
  return found && found.digest !== Hex.zero32 ? found.digest : undefined
}

/** What a contract answers; nothing where it reverts with the error that says it knows nothing of it. */
async function unless<T>(error: string, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (cause) {
    if (String(cause).includes(error)) return undefined
    throw cause
  }
}
