import { EntryKind, policyRegistryAbi } from '@haca/contracts'
import type { Hex } from '@haca/core'
import { AppraisalRecord, VENDOR_ROOTS } from '@haca/core/tee'
import { DirectoryBlobs, KeyArchive } from '@haca/platform/blobs'
import { Caller, digitBody, eventually, fundedWallets, localHardware, type Part, requiredOf, roles, signPayment, type Stack, startNode, startStack, type Wallet } from '@haca/tools'
import { HacaClient, chainReader, type Network } from '@haca/sdk'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPublicClient, createWalletClient, http } from 'viem'

// Two pools on two hardware products, both SIMULATED; then a guardian takes one of the products out of the policy.

const [first, second] = [localHardware.simulated, localHardware['simulated-b']]

let folder: string
let stack: Stack
let caller: Caller
let wallet: Wallet
let nodes: Part[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-'))
  stack = await startStack({ folder })
  nodes = await startNode(stack.world, { pool: 'cpu-b', product: second })
  caller = new Caller(stack.gateway.http)
  wallet = (await fundedWallets(stack.rpc, 1, 1_000_000n))[0] as Wallet
})
afterAll(async () => {
  for (const node of nodes) await node.stop()
  await stack?.stop()
  if (!process.env.HACA_KEEP) await rm(folder, { recursive: true, force: true })
})

interface Candidate {
  pool: string
  mode: number
  hardware: string
  reason: string
}

/** What the router decides now, and what it weighs, of candidates by hardware alone. */
async function decision(): Promise<{ policyEpoch: number; candidates: Candidate[] }> {
  const response = await caller.infer(digitBody(0))
  const { decision: decided } = (await response.json()) as { decision?: { policyEpoch: number; candidates: Candidate[] } }
  return { policyEpoch: decided?.policyEpoch ?? 0, candidates: (decided?.candidates ?? []).filter(({ mode }) => mode === 1) }
}
const candidates = async (): Promise<Candidate[]> => (await decision()).candidates

/** Buys an answer; says who signed it, and under which epoch. */
async function buy(index: number): Promise<{ requestId: Hex.Hex; node: Hex.Hex; policyEpoch: number }> {
  const body = digitBody(index)
  const { header } = signPayment(requiredOf(await caller.infer(body)), wallet)
  const response = await caller.pay(body, header)
  expect(response.status).toBe(200)
  const { receipt } = JSON.parse(Buffer.from(response.headers.get('haca-receipt') as string, 'base64url').toString()) as { receipt: { requestId: Hex.Hex; node: Hex.Hex; policyEpoch: number } }
  return receipt
}

/** A guardian's one transaction. Answers the epoch it began. */
async function remove(product: string, reason: string): Promise<number> {
  const chain = createPublicClient({ transport: http(stack.rpc), pollingInterval: 100 })
  const guardian = createWalletClient({ transport: http(stack.rpc), account: roles.guardian.account })
  const call = { address: stack.contracts.policyRegistry, abi: policyRegistryAbi } as const
  const hash = await guardian.writeContract({ ...call, chain: null, functionName: 'remove', args: [EntryKind.Product, `simulated/${product}`, reason] })
  expect((await chain.waitForTransactionReceipt({ hash })).status).toBe('success')
  return Number(await chain.readContract({ ...call, functionName: 'epoch' }))
}

const state = async (requestId: Hex.Hex): Promise<unknown> => (await caller.json(`/v1/requests/${requestId}`)).body.state
const anchored = (requestId: Hex.Hex): Promise<true> => eventually(`${requestId} is anchored`, async () => ((await state(requestId)) === 'anchored' ? true : undefined))
const newest = async (node: Hex.Hex): Promise<AppraisalRecord.AppraisalRecord> => {
  const history = await new KeyArchive(new DirectoryBlobs(join(folder, 'blobs'))).history(node)
  return AppraisalRecord.decodeRecord((history.at(-1) as AppraisalRecord.SignedRecord).record)
}

describe('a hardware product', () => {
  const sold = new Map<string, { requestId: Hex.Hex; node: Hex.Hex }>()
  let lastSale = 0

  it('serves beside another, each under its own name in the policy', async () => {
    await eventually('both pools are eligible', async () => ((await candidates()).filter(({ reason }) => reason === 'eligible').length === 2 ? true : undefined))
    expect(new Set((await candidates()).map(({ pool, hardware }) => `${pool} ${hardware}`))).toEqual(new Set(['cpu-a simulated', 'cpu-b simulated-b']))
    await eventually('both were given work', async () => {
      const receipt = await buy(sold.size)
      sold.set(receipt.node, receipt)
      lastSale = Date.now()
      return sold.size === 2 ? true : undefined
    })
  })

  it('gets no more work within a minute of its removal, and the other serves on', async () => {
    // Retirement counts from its second on: what was sold in that very second would not be from before.
    await eventually('the second of the last sale is over', async () => (Date.now() > lastSale + 2_000 ? true : undefined))
    const began = Date.now()
    const epoch = await remove(first, 'an incident')
    await eventually('the pool of the removed product is not eligible', async () => ((await candidates()).find(({ pool }) => pool === 'cpu-a')?.reason !== 'eligible' ? true : undefined))
    console.log(`re-routed ${Date.now() - began} ms after the guardian's transaction was sent`)
    await eventually('everybody decides by the new epoch', async () => ((await decision()).policyEpoch === epoch ? true : undefined))
    const receipt = await buy(3)
    expect(receipt.policyEpoch).toBe(epoch)
    await eventually('its key was appraised in the new epoch', async () => ((await newest(receipt.node)).policyEpoch === epoch ? true : undefined))
    expect(await newest(receipt.node)).toMatchObject({ outcome: 'affirming', product: second })
    await anchored(receipt.requestId)
  })

  it('has its key retired with the guardian’s words as the reason', async () => {
    const keys = [...sold.keys()] as Hex.Hex[]
    const records = await Promise.all(keys.map(newest))
    const removed = records.find(({ product }) => product === first)
    expect(removed?.outcome).toBe('contraindicated')
    expect(removed?.reasons.filter(({ ok }) => !ok)).toEqual([expect.objectContaining({ rule: 'machine.removed', detail: expect.stringContaining('an incident') as string })])
  })

  it('keeps the receipts it signed before: they are anchored, not erased', async () => {
    for (const { requestId } of sold.values()) {
      await anchored(requestId)
      expect((await caller.json(`/v1/receipts/${requestId}`)).status).toBe(200)
    }
  })

  it('is a mark on them for whoever checks: they hold, and say what became of their signer', async () => {
    const network: Network = { ...stack.contracts, token: stack.token, offerSigners: [stack.roles.offers as Hex.Hex], evidenceSigners: stack.evidenceSigners, policySigners: stack.policySigners }
    const roots = { ...VENDOR_ROOTS, simulated: [new Uint8Array(readFileSync(stack.simulatedRoot))] }
    const client = new HacaClient({ url: stack.gateway.http, network, roots, chain: chainReader(stack.rpc, network, 'latest') })
    for (const { requestId, node } of sold.values()) {
      const { product } = await newest(node)
      const { claims, marks, consistent } = await client.verify({ bundle: await client.receipt(requestId) })
      expect(claims.tee_attested, claims.tee_attested.reason).toMatchObject({ status: 'asserted' })
      expect(consistent).toBe(true)
      const mark = `signer later revoked: product simulated/${first} was removed in epoch 101: an incident`
      if (product === first) expect(marks).toContain(mark)
      else expect(marks).toEqual([])
    }
  })

  it('was the last one: then nothing is sold', async () => {
    await remove(second, 'another incident')
    await eventually('nothing is sold', async () => {
      const response = await caller.infer(digitBody(0))
      return response.status === 503 && ((await response.json()) as { code: string }).code === 'route.no-live-pool' ? true : undefined
    })
  })
})
