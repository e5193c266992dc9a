import { encodeFunctionData, keccak256, toBytes, type Address, type Hex } from 'viem'
import type { AddressBook, Clients } from './deploy.js'
import { localOpgAbi, policyGovernorAbi, policyRegistryAbi } from './gen/contracts.js'

/** A policy document as the chain knows it. */
export interface PolicyDocument {
  /** The number in the document, above the present epoch; leave room for removals while it is voted on. */
  readonly epoch: bigint
  /** SHA-256 of the document's exact bytes. */
  readonly digest: Hex
  /** SHA-256 of the signed envelope, its key in the object store. */
  readonly daRef: Hex
  /** Unix seconds. */
  readonly notBefore: bigint
  /** Kinds of key the document admits, as `KeyKind`. */
  readonly keyKinds: readonly number[]
}

export interface Proposal {
  readonly targets: readonly Address[]
  readonly values: readonly bigint[]
  readonly calldatas: readonly Hex[]
  readonly description: string
  readonly descriptionHash: Hex
}

/** `PolicyRegistry.adopt` takes kinds as bits. */
export function keyKindsMask(keyKinds: readonly number[]): bigint {
  return keyKinds.reduce((mask, kind) => mask | (1n << BigInt(kind)), 0n)
}

/** The key under which `PolicyRegistry` knows a removal; `value` as it stands in the document. */
export function removalKey(value: string): Hex {
  return keccak256(toBytes(value))
}

/** What holders propose to the governor, and later queue and execute, to put a document in force. */
export function policyProposal(policyRegistry: Address, document: PolicyDocument, description: string): Proposal {
  const { epoch, digest, daRef, notBefore, keyKinds } = document
  const data = encodeFunctionData({
    abi: policyRegistryAbi,
    functionName: 'adopt',
    args: [epoch, digest, daRef, notBefore, keyKindsMask(keyKinds)],
  })
  return {
    targets: [policyRegistry],
    values: [0n],
    calldatas: [data],
    description,
    descriptionHash: keccak256(toBytes(description)),
  }
}

// IGovernor.ProposalState
const active = 1
const succeeded = 4

/** Votes that take longer are not waited for. */
const patienceSeconds = 60n

/**
 * Takes a document through the whole vote on a local chain, with a wallet that holds a quorum: proposes, votes, queues
 * and executes, in seconds. Does nothing if it is in force. Throws where a vote takes longer than a minute: there,
 * `policyProposal` is for people.
 */
export async function enactPolicy(
  clients: Clients,
  book: Pick<AddressBook, 'governanceToken' | 'policyGovernor' | 'policyRegistry'>,
  document: PolicyDocument,
): Promise<void> {
  const { publicClient, walletClient } = clients
  const [, inForce] = await publicClient.readContract({
    address: book.policyRegistry,
    abi: policyRegistryAbi,
    functionName: 'current',
  })
  if (inForce.digest === document.digest) return

  const governor = { address: book.policyGovernor, abi: policyGovernorAbi } as const
  const token = { address: book.governanceToken, abi: localOpgAbi } as const
  const period = await publicClient.readContract({ ...governor, functionName: 'votingPeriod' })
  if (period > patienceSeconds) throw new Error(`A vote at ${book.policyGovernor} takes ${period} seconds: propose it to the holders`)

  const mined = async (hash: Hex) => {
    const receipt = await publicClient.waitForTransactionReceipt({ hash })
    if (receipt.status !== 'success') throw new Error(`${hash} reverted while the policy was voted on`)
    return receipt
  }
  const sender = { account: walletClient.account, chain: walletClient.chain ?? null } as const
  const holder = walletClient.account.address
  if ((await publicClient.readContract({ ...token, functionName: 'delegates', args: [holder] })) !== holder) {
    await mined(await walletClient.writeContract({ ...token, ...sender, functionName: 'delegate', args: [holder] }))
    // Votes count from the second after.
    const { timestamp } = await publicClient.getBlock()
    await until(publicClient.pollingInterval, async () => (await publicClient.getBlock()).timestamp > timestamp)
  }

  // The time makes it another proposal than one that was left half way.
  const { timestamp: now } = await publicClient.getBlock()
  const proposal = policyProposal(book.policyRegistry, document, `Policy ${document.digest}, proposed at ${now}`)
  const { targets, values, calldatas, description, descriptionHash } = proposal
  const call = [targets, values, calldatas, descriptionHash] as const
  const args = [targets, values, calldatas, description] as const
  await mined(await walletClient.writeContract({ ...governor, ...sender, functionName: 'propose', args }))
  const id = await publicClient.readContract({ ...governor, functionName: 'hashProposal', args: call })
  const state = () => publicClient.readContract({ ...governor, functionName: 'state', args: [id] })
  const stateIs = (wanted: number) => until(publicClient.pollingInterval, async () => (await state()) === wanted)
  await stateIs(active)
  await mined(await walletClient.writeContract({ ...governor, ...sender, functionName: 'castVote', args: [id, 1] }))
  await stateIs(succeeded)
  await mined(await walletClient.writeContract({ ...governor, ...sender, functionName: 'queue', args: call }))
  const readyAt = await publicClient.readContract({ ...governor, functionName: 'proposalEta', args: [id] })
  await until(publicClient.pollingInterval, async () => (await publicClient.getBlock()).timestamp >= readyAt)
  await mined(await walletClient.writeContract({ ...governor, ...sender, functionName: 'execute', args: call }))
}

async function until(everyMs: number, done: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + Number(patienceSeconds) * 1000; !(await done()); ) {
    if (Date.now() > deadline) throw new Error('The vote stands still: does the chain still make blocks?')
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
