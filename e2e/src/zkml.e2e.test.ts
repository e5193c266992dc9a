import { proofLedgerAbi } from '@haca/contracts'
import type { Hex } from '@haca/core'
import { HacaClient, chainReader, privateKeySigner, type Inference, type Network } from '@haca/sdk'
import type { Bundle } from '@haca/sdk/verify'
import { Books, engine, eventually, fundedWallets, samplesOf, startStack, type Stack, type Wallet } from '@haca/tools'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const models = ['digits', 'breast-cancer', 'breast-cancer-trees', 'digits-mlp', 'digits-lenet'] as const

let folder: string
let stack: Stack
let books: Books
let payer: Wallet
const network = (): Network => ({ ...stack.contracts, token: stack.token, offerSigners: [stack.roles.offers as Hex.Hex] })
const client = () => new HacaClient({ url: stack.gateway.http, signer: privateKeySigner(payer.privateKey), maxPriceAtomic: 100_000n, network: network(), chain: chainReader(stack.rpc, network()) })

beforeAll(async () => {
  if (!existsSync(engine)) throw new Error('the proving engine is not built: npm run setup')
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-zk-'))
  stack = await startStack({ folder, models })
  books = new Books(stack)
  ;[payer] = (await fundedWallets(stack.rpc, 1, 10_000_000n)) as [Wallet]
}, 300_000)
afterAll(async () => {
  await stack?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Seconds at which the ledger took the proof of a receipt; nothing when it has not. */
async function acceptedAt({ receipt, receiptHash }: Bundle): Promise<bigint | undefined> {
  const { proofLedger, settlementLog } = stack.contracts
  const at = await books.client.readContract({ address: proofLedger, abi: proofLedgerAbi, functionName: 'acceptedAt', args: [settlementLog, receipt.node, receipt.requestId, receiptHash] })
  return at === 0n ? undefined : at
}

async function buy(model: string, index: number, verification: 'zkml' | 'tee+zkml' = 'zkml'): Promise<Inference> {
  const { input, shape, samples } = samplesOf(model)
  return client().infer({ model, inputs: [{ name: input, shape: [1, ...shape], data: samples[index]?.values ?? [] }], verification })
}

const proven = (requestId: Hex.Hex): Promise<Bundle> =>
  eventually('a proof', async () => {
    const bundle = await client().receipt(requestId)
    return bundle.proof && bundle.inclusion?.anchor ? bundle : undefined
  })

describe('sells proofs', () => {
  it.each(models)('proves an answer of %s, which the chain accepts and the client verifies by itself', async (model) => {
    const inference = await buy(model, 3)
    expect(inference.outputs).toEqual([expect.objectContaining({ name: 'label', data: [samplesOf(model).samples[3]?.predicted] })])
    expect(inference.receipt.receipt).toMatchObject({ mode: 2 })
    const bundle = await proven(inference.requestId)
    expect(bundle.evidence).toMatchObject({ kind: 'groth16-bn254', verdict: 'affirming' })
    await eventually('the proof on the chain', () => acceptedAt(bundle))
    const { claims, consistent } = await client().verify({ bundle, inference })
    expect(consistent).toBe(true)
    expect(claims.zk_proof).toMatchObject({ status: 'proof-verified', reason: expect.stringContaining('of exactly the request and answer given'), trust: expect.stringContaining('DEVELOPMENT KEY') })
    expect(claims.tee_attested.status).toBe('unknown')
    // Without our chain and without our word: the bundle, the texts and mathematics.
    const alone = await new HacaClient({ url: stack.gateway.http, network: network() }).verify({ bundle, inference })
    expect(alone.claims.zk_proof.status).toBe('proof-verified')
  })
})
