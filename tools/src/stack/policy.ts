import { enactPolicy, KeyKind, policyRegistryAbi, type AddressBook } from '@haca/contracts'
import { Digest, Hex } from '@haca/core'
import { Policy, SignedPolicy } from '@haca/core/tee'
import { KeyArchive, type Blobs } from '@haca/platform/blobs'
import { imageMeasurement } from '@haca/tee-simulator'
import { createPublicClient, createWalletClient, http } from 'viem'
import { roles } from './accounts.js'

/** The image that nodes of a local stack say they run. There is none: their hardware is SIMULATED. */
export const localImage = 'simulated-image'

/** Hardware that a local stack's policy takes: entry of the policy → product of the simulator. */
export const localHardware = { simulated: 'sim-cpu', 'simulated-b': 'sim-cpu-b' } as const

/** First epoch of a local stack; guardians count on from here. */
const firstEpoch = 100

/** The document: SIMULATED hardware only, these models only. */
const documentOf = (book: AddressBook, models: readonly [string, Hex.Hex][], epoch: number): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify({
      v: 1,
      network: 'local',
      chainId: book.chainId,
      registry: book.teeRegistry.toLowerCase(),
      epoch,
      notBefore: 0,
      minVerifierVersion: '1.0.0',
      hardware: [
        ...Object.entries(localHardware).map(([id, product]) => ({ id, kind: 'simulated', products: [product], revocation: 'unchecked', maxKeyHours: 12 })),
        { id: 'simulated-gpu', kind: 'simulated', products: ['sim-gpu'], revocation: 'unchecked', with: Object.keys(localHardware) },
      ],
      deny: [],
      denyIds: { platform: [], signer: [], measurement: [] },
      images: [{ id: localImage, kind: 'simulated', match: { image: imageMeasurement }, activeFrom: 0 }],
      models: models.map(([id, modelHash]) => ({ id, manifestHash: `sha256:${modelHash.slice(2)}` })),
    }),
  )

/** Has the holders of a local chain vote a policy into force that takes simulated hardware and these models; finds it there when called again. */
export async function enactLocalPolicy(rpcUrl: string, book: AddressBook, models: Record<string, Hex.Hex>, blobs: Blobs): Promise<void> {
  const transport = http(rpcUrl)
  const publicClient = createPublicClient({ transport, pollingInterval: 100 })
  const walletClient = createWalletClient({ transport, account: roles.admin.account })
  const [now, adopted] = await publicClient.readContract({ address: book.policyRegistry, abi: policyRegistryAbi, functionName: 'current' })
  const named = Object.entries(models).sort()
  const same = documentOf(book, named, Number(adopted.epoch))
  const inForce = adopted.epoch !== 0n && Digest.content(same) === adopted.digest
  const document = inForce ? same : documentOf(book, named, Number(now.epoch) + firstEpoch)
  Policy.decodePolicy(document)
  const envelope = SignedPolicy.encodeSignedPolicy(SignedPolicy.signPolicy(document, { chainId: book.chainId, registry: book.policyRegistry }, [Hex.toBytes(roles.policy.privateKey)]))
  const daRef = await new KeyArchive(blobs).putPolicy(envelope)
  if (inForce) return
  const { epoch, digest } = { epoch: BigInt(Number(now.epoch) + firstEpoch), digest: Digest.content(document) }
  await enactPolicy({ publicClient, walletClient } as never, book, { epoch, digest, daRef, notBefore: 0n, keyKinds: [KeyKind.node, KeyKind.simulated] })
}
