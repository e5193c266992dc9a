import { modelRegistryAbi, type AddressBook } from '@haca/contracts'
import { Manifest, type Hex } from '@haca/core'
import type { Blobs } from '@haca/platform/blobs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createPublicClient, createWalletClient, http } from 'viem'
import { root } from '../root.js'
import { roles } from './accounts.js'

/** What the models of this repository cost, in atomic units of USDC per row. */
export const prices: Readonly<Record<string, bigint>> = { digits: 1_000n, 'breast-cancer': 2_000n, 'breast-cancer-trees': 2_000n, 'digits-mlp': 1_000n, 'digits-lenet': 1_000n }

/** What a stack publishes and serves unless it is asked for more. */
export const usualModels: readonly string[] = ['digits', 'breast-cancer']

export const modelsDirectory = join(root, 'models')

/** Publishes models as anybody may: the manifest to the object store, name, digest and price to the registry. */
export async function publishModels(rpcUrl: string, book: AddressBook, blobs: Blobs, names: readonly string[] = usualModels): Promise<Record<string, Hex.Hex>> {
  const transport = http(rpcUrl)
  const publicClient = createPublicClient({ transport, pollingInterval: 100 })
  const wallet = createWalletClient({ transport, account: roles.publisher.account })
  const published: Record<string, Hex.Hex> = {}
  for (const name of names) {
    const unitPrice = prices[name]
    if (unitPrice === undefined) throw new Error(`${name} has no price`)
    const bytes = await readFile(join(modelsDirectory, name, 'manifest.json'))
    const { manifest, modelHash } = Manifest.read(bytes)
    await blobs.putOnce(`manifests/${modelHash.slice(2)}`, bytes)
    published[name] = modelHash
    const call = { address: book.modelRegistry, abi: modelRegistryAbi } as const
    const registered = await publicClient.readContract({ ...call, functionName: 'modelHashOf', args: [manifest.name, manifest.version] }).catch(() => undefined)
    if (registered === modelHash) continue
    const hash = await wallet.writeContract({ ...call, chain: null, functionName: 'register', args: [manifest.name, manifest.version, modelHash, unitPrice] })
    const { status } = await publicClient.waitForTransactionReceipt({ hash })
    if (status !== 'success') throw new Error(`registering ${name} reverted`)
  }
  return published
}
