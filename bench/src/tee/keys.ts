import { settlementLogAbi, teeRegistryAbi } from '@haca/contracts'
import { type Batch, Hex, MerkleSum, Receipt, Secp256k1 } from '@haca/core'
import { anvilPart, deployLocally, roles, type TestAccount } from '@haca/tools'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPublicClient, createWalletClient, encodeFunctionData, http } from 'viem'
import type { Figure } from '../report.js'
import { receipt } from './receipts.js'

const gasLimit = 16_777_216n
const leaves = MerkleSum.leavesMax
const price = 1_000n

/** Gas of real transactions on a chain with Base's rules: a key's life, and the void of one receipt of a condemned key in a full batch. */
export async function measureKeys(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-bench-'))
  const chain = await anvilPart(folder)
  await chain.part.start()
  try {
    const { book, token } = await deployLocally(chain.url)
    const client = createPublicClient({ transport: http(chain.url), pollingInterval: 100 })
    const send = async (from: TestAccount, to: Hex.Hex, data: Hex.Hex): Promise<number> => {
      const hash = await createWalletClient({ account: from.account, transport: http(chain.url) }).sendTransaction({ chain: null, to, data, gas: gasLimit })
      const { status, gasUsed } = await client.waitForTransactionReceipt({ hash })
      if (status !== 'success') throw new Error(`transaction ${hash} reverted`)
      return Number(gasUsed)
    }
    const { timestamp } = await client.getBlock()
    const now = Number(timestamp)
    const register = (key: Hex.Hex): Promise<number> => {
      const args = [key, roles.registrar.address, Receipt.keyKinds.simulated, random(), random(), BigInt(now - 60), BigInt(now + 86_400)] as const
      return send(roles.registrar, book.teeRegistry, encodeFunctionData({ abi: teeRegistryAbi, functionName: 'registerKey', args }))
    }
    const [first, second, third] = [address(), address(), address()]
    const registered = await register(first)
    await register(second)
    await register(third)
    const retired = await send(roles.registrar, book.teeRegistry, encodeFunctionData({ abi: teeRegistryAbi, functionName: 'retireKey', args: [first] }))
    const revoked = await send(roles.guardian, book.teeRegistry, encodeFunctionData({ abi: teeRegistryAbi, functionName: 'revokeKey', args: [second, reason] }))

    const scope = { chainId: book.chainId, log: book.settlementLog }
    const batch = fullBatch(receipt({ node: third, token: token.token, price, issuedAt: now, settleBy: now + 600, keyKind: Receipt.keyKinds.simulated }), scope)
    await send(roles.commits, book.settlementLog, encodeFunctionData({ abi: settlementLogAbi, functionName: 'commit', args: [batch.header] }))
    const condemned = await send(roles.guardian, book.teeRegistry, encodeFunctionData({ abi: teeRegistryAbi, functionName: 'declareCompromised', args: [third, BigInt(now), reason] }))
    const voided = await send(roles.admin, book.settlementLog, encodeFunctionData({ abi: settlementLogAbi, functionName: 'voidLeaf', args: [batch.header, batch.receipt, batch.proof] }))
    return [
      { metric: 'TeeRegistry.registerKey', value: registered, unit: 'gas' },
      { metric: 'TeeRegistry.retireKey', value: retired, unit: 'gas' },
      { metric: 'TeeRegistry.revokeKey, with a reason of 20 letters', value: revoked, unit: 'gas' },
      { metric: 'TeeRegistry.declareCompromised, with a reason of 20 letters', value: condemned, unit: 'gas' },
      { metric: `SettlementLog.voidLeaf with its proof, ${leaves.toLocaleString('en-US')} leaves`, value: voided, unit: 'gas' },
    ]
  } finally {
    await chain.part.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

const reason = 'GHSA-0000-0000-00000'
const random = (): Hex.Hex => Hex.fromBytes(randomBytes(32))
const address = (): Hex.Hex => Secp256k1.addressOfKey(randomBytes(32))

/** A batch as large as they get with one given receipt in it, in the shape the contract takes. */
function fullBatch(one: Receipt.Receipt, scope: Receipt.Scope) {
  const index = 4_321
  const at = (i: number): MerkleSum.Node => MerkleSum.leaf(scope, i === index ? Receipt.hash(one, scope) : digest(i), price)
  const tree = MerkleSum.build(Array.from({ length: leaves }, (_, i) => at(i)))
  const { hash, sum } = MerkleSum.root(tree)
  const header: Batch.Header = { prev: Hex.zero32, root: hash, token: one.token, total: sum, daRef: random(), evidenceRoot: random(), id: 1, count: leaves }
  const siblings = MerkleSum.proof(tree, index).filter((node) => node !== null)
  return {
    header: { ...header, id: BigInt(header.id) },
    receipt: { ...one, policyEpoch: BigInt(one.policyEpoch), issuedAt: BigInt(one.issuedAt), settleBy: BigInt(one.settleBy), seq: BigInt(one.seq) },
    proof: { collected: price, index, siblings: siblings.map((node) => node.hash), sums: siblings.map((node) => node.sum) },
  }
}

const digest = (i: number): Hex.Hex => Hex.fromBytes(createHash('sha256').update(String(i)).digest())
