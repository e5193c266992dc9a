import { groth16Format, proofLedgerAbi, settlementLogAbi } from '@haca/contracts'
import { Batch, Hex, Receipt } from '@haca/core'
import { GrpcClient } from '@haca/platform/grpc'
import { InferenceService } from '@haca/proto'
import { HacaClient, chainReader, privateKeySigner, type Inference, type Network } from '@haca/sdk'
import type { Bundle } from '@haca/sdk/verify'
import { Books, Caller, digitBody, engine, eventually, fundedWallets, samplesOf, signPayment, startStack, type Stack, type Wallet } from '@haca/tools'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BaseError, ContractFunctionRevertedError, createWalletClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contractProof, contractReceipt, flipped } from './zk-forms.js'

const models = ['digits', 'breast-cancer', 'breast-cancer-trees', 'digits-mlp', 'digits-lenet'] as const

let folder: string
let stack: Stack
let books: Books
let payer: Wallet
const network = (): Network => ({ ...stack.contracts, token: stack.token, offerSigners: [stack.roles.offers as Hex.Hex] })
const client = () => new HacaClient({ url: stack.gateway.http, signer: privateKeySigner(payer.privateKey), maxPriceAtomic: 100_000n, network: network(), chain: chainReader(stack.rpc, network()) })

async function open(options: Partial<Parameters<typeof startStack>[0]>): Promise<void> {
  if (!existsSync(engine)) throw new Error('the proving engine is not built: npm run setup')
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-zk-'))
  stack = await startStack({ folder, ...options })
  books = new Books(stack)
  ;[payer] = (await fundedWallets(stack.rpc, 1, 10_000_000n)) as [Wallet]
}
async function close(): Promise<void> {
  await stack?.stop()
  await rm(folder, { recursive: true, force: true })
}

/** Seconds at which the ledger took the proof of a receipt; nothing when it has not. */
async function acceptedAt({ receipt, receiptHash }: Bundle): Promise<bigint | undefined> {
  const { proofLedger, settlementLog } = stack.contracts
  const at = await books.client.readContract({ address: proofLedger, abi: proofLedgerAbi, functionName: 'acceptedAt', args: [settlementLog, receipt.node, receipt.requestId, receiptHash] })
  return at === 0n ? undefined : at
}

async function buy(model: string, index: number, verification: 'zkml' | 'tee+zkml' = 'zkml', proofSettlement?: 'batch' | 'single' | 'dispute'): Promise<Inference> {
  const { input, shape, samples } = samplesOf(model)
  return client().infer({ model, inputs: [{ name: input, shape: [1, ...shape], data: samples[index]?.values ?? [] }], verification, ...(proofSettlement ? { proofSettlement } : {}) })
}

const anchored = (requestId: Hex.Hex): Promise<Bundle> =>
  eventually('an anchored receipt', async () => {
    const bundle = await client().receipt(requestId)
    return bundle.inclusion?.anchor ? bundle : undefined
  })

const proven = (requestId: Hex.Hex): Promise<Bundle> =>
  eventually('a proof', async () => {
    const bundle = await client().receipt(requestId)
    return bundle.proof && bundle.inclusion?.anchor ? bundle : undefined
  })

describe('sells proofs', () => {
  beforeAll(() => open({ models }), 300_000)
  afterAll(close)

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

  it('answers by hardware at once and proves afterwards, when both are bought', async () => {
    const inference = await buy('digits', 5, 'tee+zkml')
    expect(inference.receipt.receipt.mode).toBe(3)
    const bundle = await proven(inference.requestId)
    await eventually('the proof on the chain', () => acceptedAt(bundle))
    const { claims } = await client().verify({ bundle, inference })
    expect(claims.zk_proof.status).toBe('proof-verified')
  })

  it('holds the answer until its proof is there, when asked to', async () => {
    const { input, shape, samples } = samplesOf('digits-lenet')
    const { requestId } = await client().infer({ model: 'digits-lenet', inputs: [{ name: input, shape: [1, ...shape], data: samples[7]?.values ?? [] }], verification: 'zkml' }, { waitSettledMs: 60_000 })
    expect((await client().receipt(requestId)).proof).not.toBeNull()
  })

  it('tells of a proof by events, by a gRPC stream and by a signed webhook', async () => {
    const told: { headers: IncomingHttpHeaders; body: string }[] = []
    const receiver = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => (told.push({ headers: request.headers, body: Buffer.concat(chunks).toString() }), response.end()))
    })
    await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done))
    const grpc = new GrpcClient(stack.gateway.grpc)
    try {
      const caller = new Caller(stack.gateway.http)
      const body = digitBody(15).replace('"model"', '"verification":"zkml","model"')
      const { header } = signPayment(await caller.required(body), payer)
      const response = await caller.pay(body, header, { 'haca-webhook': `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` })
      const requestId = response.headers.get('haca-request-id') as Hex.Hex
      const watch = async (): Promise<string[]> => {
        const seen: string[] = []
        for await (const { status } of grpc.stream(InferenceService.method.watchRequest, { requestId: Hex.toBytes(requestId) }, { timeoutMs: 60_000 })) seen.push(`${status?.state} ${status?.proof} ${status?.batchId ?? 'unsealed'}`)
        return seen
      }
      const [events, stream] = await Promise.all([fetch(`${stack.gateway.http}/v1/requests/${requestId}/events`).then((r) => r.text()), watch()])
      const states = [...events.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string) as { state: string; proof: string })
      expect(states.at(-1)).toMatchObject({ requestId, state: 'anchored', proof: 'proven' })
      expect(stream.at(-1)).toMatch(/^anchored proven \d+$/)
      expect(new Set(stream).size).toBe(stream.length)
      const [hook] = await eventually('the webhook', async () => (told.length > 0 ? told : undefined))
      expect(JSON.parse(hook?.body ?? '')).toMatchObject({ type: 'request.proven', requestId, proof: 'proven' })
      expect(hook?.headers['haca-webhook-signature']).toMatch(/^0x[0-9a-f]{130}$/)
      expect((await fetch(`${stack.gateway.http}/v1/requests/0x${'00'.repeat(32)}/events`)).status).toBe(404)
      expect((await caller.infer(body, { 'haca-webhook': 'file:///etc/passwd' })).status).toBe(400)
    } finally {
      grpc.close()
      receiver.close()
    }
  })

  it('refuses one flipped bit of proof, signals, key, request, answer, model or request id, here and on the chain', async () => {
    const inference = await buy('digits', 9)
    const bundle = await proven(inference.requestId)
    await eventually('the proof on the chain', () => acceptedAt(bundle))

    const status = async (change: (b: Bundle) => void, altered: Partial<Inference> = {}) => {
      const copy = structuredClone(bundle)
      change(copy)
      return (await client().verify({ bundle: copy, inference: { ...inference, ...altered } })).claims.zk_proof.status
    }
    const proof = (b: Bundle) => b.proof as NonNullable<Bundle['proof']>
    expect(await status(() => undefined)).toBe('proof-verified')
    for (const at of [0, 40, 63, 64, 130, 191, 192, 255]) expect(await status((b) => (proof(b).proof = flipped(proof(b).proof, at))), `byte ${at} of the proof`).toBe('refuted')
    for (const [i] of proof(bundle).signals.entries()) expect(await status((b) => (proof(b).signals = proof(b).signals.map((s, j) => (i === j ? String(BigInt(s) ^ 1n) : s)))), `signal ${i}`).toBe('refuted')
    for (const at of [4, 70, 140, 520]) expect(await status((b) => (proof(b).key = flipped(proof(b).key, at))), `byte ${at} of the key`).toBe('refuted')
    for (const field of ['requestId', 'modelHash', 'evidenceId', 'statementHash'] as const) expect(await status((b) => (b.receipt[field] = flipped(b.receipt[field], 31))), field).toBe('refuted')
    const label = inference.outputs[0]?.data[0] as number
    expect(await status(() => undefined, { answer: inference.answer.replace(`"data":[${label}]`, `"data":[${label ^ 1}]`) })).toBe('refuted')
    expect(await status(() => undefined, { request: inference.request.replace('"data":[0,', '"data":[1,') })).toBe('refuted')

    // The same on the chain, at the block before it took the proof.
    const { proofLedger, settlementLog } = stack.contracts
    const ledger = { address: proofLedger, abi: proofLedgerAbi } as const
    const [event] = await books.client.getContractEvents({ ...ledger, eventName: 'ProofAccepted', args: { receiptHash: bundle.receiptHash }, fromBlock: 0n })
    const item = { receipt: contractReceipt(Receipt.fromJson(bundle.receipt)), signature: bundle.signature, signals: proof(bundle).signals.map(BigInt), proof: proof(bundle).proof }
    const refusal = async (change: Partial<typeof item>): Promise<string> => {
      try {
        await books.client.simulateContract({ ...ledger, functionName: 'accept', args: [settlementLog, groth16Format, { ...item, ...change }], blockNumber: (event?.blockNumber as bigint) - 1n })
        return 'accepted'
      } catch (error) {
        const reverted = error instanceof BaseError ? error.walk((e) => e instanceof ContractFunctionRevertedError) : undefined
        if (!(reverted instanceof ContractFunctionRevertedError)) throw error
        return reverted.data?.errorName === 'ProofRefused' ? `refused ${String(reverted.data.args?.[1])}` : (reverted.data?.errorName ?? 'reverted')
      }
    }
    expect(await refusal({})).toBe('accepted')
    for (const at of [0, 63, 64, 191, 192, 255]) expect(await refusal({ proof: flipped(item.proof, at) }), `byte ${at} of the proof`).toBe('ProofInvalid')
    for (const [i] of item.signals.entries()) expect(await refusal({ signals: item.signals.map((s, j) => (i === j ? s ^ 1n : s)) }), `signal ${i}`).toBe('refused 8') // StatementMismatch
    const altered = (field: 'requestId' | 'modelHash' | 'evidenceId' | 'statementHash' | 'outputHash' | 'requestHash') => ({ receipt: { ...item.receipt, [field]: flipped(item.receipt[field], 31) } })
    expect(await refusal(altered('requestId'))).toBe('refused 9') // ContextMismatch
    expect(await refusal(altered('modelHash'))).toBe('refused 6') // CircuitUnbound
    expect(await refusal(altered('evidenceId'))).toBe('refused 7') // EvidenceMismatch
    expect(await refusal(altered('statementHash'))).toBe('refused 8')
    expect(await refusal(altered('outputHash'))).toBe('refused 4') // SignatureInvalid
    expect(await refusal(altered('requestHash'))).toBe('refused 4')
  })

  it('proves once, though the prover is killed in the middle and starts over', async () => {
    const prover = stack.parts.get('prover')
    if (!prover) throw new Error('the prover is not ours')
    const bought = await Promise.all([11, 12, 13].map((index) => buy('digits-lenet', index)))
    await prover.kill()
    const before = await Promise.all(bought.map(async ({ requestId }) => (await client().receipt(requestId)).proof?.proof))
    await prover.start()
    const bundles = await Promise.all(bought.map(({ requestId }) => proven(requestId)))
    for (const [i, bundle] of bundles.entries()) {
      if (before[i]) expect(bundle.proof?.proof).toBe(before[i])
      await eventually('the proof on the chain', () => acceptedAt(bundle))
      const events = await books.client.getContractEvents({ address: stack.contracts.proofLedger, abi: proofLedgerAbi, eventName: 'ProofAccepted', args: { receiptHash: bundle.receiptHash }, fromBlock: 0n })
      expect(events).toHaveLength(1)
      expect((await client().verify({ bundle, inference: bought[i] as Inference })).claims.zk_proof.status).toBe('proof-verified')
    }
  })
})

describe('leaves proofs to a dispute', () => {
  beforeAll(() => open({ env: { settler: { SETTLER_PROOFS: 'dispute', SETTLER_EVIDENCE_WITHIN_SECONDS: '15' } } }), 300_000)
  afterAll(close)

  it('shows a proof to the chain when anybody demands it, and not before', async () => {
    const { requestId } = await buy('digits', 2)
    const bundle = await proven(requestId)
    expect(await acceptedAt(bundle)).toBeUndefined()
    const { inclusion } = bundle
    if (!inclusion) throw new Error('an anchored receipt has an inclusion proof')
    const header = Batch.fromJson(inclusion.header)
    const anybody = createWalletClient({ account: privateKeyToAccount(stack.payers[0]?.privateKey as Hex.Hex), transport: http(stack.rpc) })
    await anybody.writeContract({
      address: stack.contracts.settlementLog,
      abi: settlementLogAbi,
      functionName: 'demandProof',
      args: [{ ...header, id: BigInt(header.id) }, contractReceipt(Receipt.fromJson(bundle.receipt)), contractProof(inclusion)],
      chain: null,
    })
    await eventually('the demanded proof', () => acceptedAt(bundle))
  })

  it('shows a proof alone and at once to whoever chose so', async () => {
    const { requestId } = await buy('digits', 8, 'zkml', 'single')
    await eventually('the proof on the chain', async () => acceptedAt(await proven(requestId)))
  })

  it('gives the money back for a proof that nobody makes in time', async () => {
    const prover = stack.parts.get('prover')
    await prover?.stop()
    try {
      const before = await books.balance(payer.address)
      const { requestId, receipt } = await buy('breast-cancer', 4)
      const bundle = await anchored(requestId)
      expect(bundle).toMatchObject({ proof: null, evidence: null, inclusion: { collected: '0' } })
      await eventually('the refund', async () => ((await books.credit(receipt.receipt.paymentId)).refunded ? true : undefined))
      await eventually('the money', async () => ((await books.balance(payer.address)) === before ? true : undefined))
    } finally {
      await prover?.start()
    }
  })
})
