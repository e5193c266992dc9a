import { create, toBinary } from '@bufbuild/protobuf'
import { settlementLogAbi } from '@haca/contracts'
import { Batch, Digest, Hex, OpenGradient, PaymentHeader, Receipt, Secp256k1 } from '@haca/core'
import { VENDOR_ROOTS } from '@haca/core/tee'
import { InferRequestSchema, InferenceService } from '@haca/proto'
import { GrpcClient, Metadata, status } from '@haca/platform/grpc'
import { HacaClient, chainReader, privateKeySigner, type HacaError, type Network } from '@haca/sdk'
import { Books, Caller, digitBody, digits, eventually, expectedLabel, fundedWallets, labelOf, requiredOf, signPayment, type Stack, startStack, type Twist, type Wallet } from '@haca/tools'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import type { ServiceError } from '@grpc/grpc-js'
import { execFile } from 'node:child_process'
import { constants, createPublicKey, verify as verifySignature } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createWalletClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let folder: string
let stack: Stack
let caller: Caller
let books: Books
let wallets: Wallet[]
let next = 0
const wallet = (): Wallet => wallets[next++ % wallets.length] as Wallet
const network = (): Network => ({ ...stack.contracts, token: stack.token, offerSigners: [stack.roles.offers as Hex.Hex], evidenceSigners: stack.evidenceSigners, policySigners: stack.policySigners })
const simulatedRoots = () => ({ ...VENDOR_ROOTS, simulated: [new Uint8Array(readFileSync(stack.simulatedRoot))] })
const sdk = (w = wallet(), more: object = {}) =>
  new HacaClient({ url: stack.gateway.http, signer: privateKeySigner(w.privateKey), maxPriceAtomic: 10_000n, network: network(), chain: chainReader(stack.rpc, network()), ...more })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-'))
  stack = await startStack({ folder })
  caller = new Caller(stack.gateway.http)
  books = new Books(stack)
  wallets = await fundedWallets(stack.rpc, 12, 1_000_000n)
})
afterAll(async () => {
  await stack?.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('pays and gets an answer', () => {
  it('sells to an unmodified x402 client, and settles what it sold', async () => {
    const payer = wallet()
    const before = await books.balance(payer.address)
    const paying = wrapFetchWithPayment(fetch, new x402Client().register('eip155:*', new ExactEvmScheme(privateKeyToAccount(payer.privateKey))))
    const response = await paying(`${stack.gateway.http}/v1/inference`, { method: 'POST', headers: { 'content-type': 'application/json', prefer: 'wait=30' }, body: digitBody(3) })
    expect(response.status).toBe(200)
    expect(labelOf(await response.text())).toBe(expectedLabel(3))
    expect(response.headers.get('x-tee')).toBe('SIMULATED')
    expect(response.headers.get('preference-applied')).toBe('wait')
    const settlement = PaymentHeader.decodeResponse(response.headers.get('payment-response') as string)
    expect(settlement).toMatchObject({ ok: true, value: { success: true, network: 'eip155:84532', amount: '1000', payer: payer.address } })
    expect(before - (await books.balance(payer.address))).toBe(1000n)
  })

  it('answers before it is settled without PAYMENT-RESPONSE, with a receipt and a status address', async () => {
    const payer = wallet()
    const body = digitBody(4)
    const { header } = signPayment(await caller.required(body), payer)
    const response = await caller.pay(body, header)
    expect(response.status).toBe(200)
    expect(response.headers.get('payment-response')).toBeNull()
    expect(response.headers.get('cache-control')).toContain('private')
    const requestId = response.headers.get('haca-request-id') as string
    expect(response.headers.get('link')).toContain(`/v1/receipts/${requestId}`)
    const status = await eventually('anchored', async () => ((await caller.json(`/v1/requests/${requestId}`)).body.state === 'anchored' ? caller.json(`/v1/requests/${requestId}`) : undefined))
    expect(status.body).toMatchObject({ payment: { transaction: expect.stringMatching(/^0x/) }, batchId: expect.any(Number) })
  })

  it('gives a receipt whose claims hold against the chain, and none that is not so', async () => {
    const client = sdk(wallet(), { roots: simulatedRoots() })
    const inference = await client.infer({ model: 'digits', inputs: [{ name: 'pixels', shape: [1, 64], data: digits[5]?.values ?? [] }] })
    expect(inference.outputs.find((o) => o.name === 'label')?.data).toEqual([expectedLabel(5)])
    const bundle = await client.waitForSettlement(inference.requestId)
    const report = await client.verify({ bundle, inference })
    const statuses = Object.fromEntries(Object.entries(report.claims).map(([name, c]) => [name, c.status]))
    expect(statuses).toEqual({
      signature: 'chain-verified',
      tee_attested: 'asserted',
      tcb_current: 'asserted',
      image_known: 'asserted',
      model_weights: 'asserted',
      gpu_attested: 'unknown',
      custody: 'unknown',
      zk_proof: 'unknown',
      payment: 'chain-verified',
      anchored: 'chain-verified',
      route: 'asserted',
    })
    expect(report.claims.payment.reason).toContain('meant for this very request')
    expect(report.simulated).toBe(true)
    expect(report.marks).toEqual([])
    for (const name of ['tee_attested', 'model_weights'] as const) expect(report.claims[name].reason).toContain('SIMULATED: no hardware vouches for this key')
    const unpinned = await sdk(wallet()).verify({ bundle, inference })
    expect(unpinned.claims.tee_attested).toMatchObject({ status: 'unknown', reason: expect.stringContaining('no simulated root was pinned') as string })

    const refutes = async (change: (b: typeof bundle) => void, altered: Partial<typeof inference> = {}) => {
      const copy = structuredClone(bundle)
      change(copy)
      const { claims } = await client.verify({ bundle: copy, inference: { ...inference, ...altered } })
      return Object.entries(claims).filter(([, c]) => c.status === 'refuted').map(([name]) => name)
    }
    expect(await refutes(() => undefined)).toEqual([])
    expect(await refutes(() => undefined, { answer: `${inference.answer} ` })).toEqual(['signature'])
    expect(await refutes(() => undefined, { request: digitBody(6) })).toEqual(['signature'])
    expect(await refutes((b) => (b.receipt.price = '999'))).toContain('signature')
    expect(await refutes((b) => (b.receipt.outputHash = Hex.zero32))).toContain('signature')
    expect(await refutes((b) => b.inclusion && (b.inclusion.collected = '1001'))).toContain('anchored')
    expect(await refutes((b) => b.inclusion && (b.inclusion.header.total = '5'))).toContain('anchored')
    expect(await refutes((b) => b.inclusion && (b.inclusion.header.id = 1_000_000))).not.toContain('signature')
    const wrongLog = await new HacaClient({ url: stack.gateway.http, network: { ...network(), settlementLog: stack.contracts.revenueVault } }).verify({ bundle, inference })
    expect(wrongLog.claims.signature.status).toBe('refuted')
  })

  it('answers in OpenGradient’s dialect, signed a second time as their SDKs verify it', async () => {
    const payer = wallet()
    const paying = wrapFetchWithPayment(fetch, new x402Client().register('eip155:*', new ExactEvmScheme(privateKeyToAccount(payer.privateKey))))
    const { inputs } = JSON.parse(digitBody(5)) as { inputs: unknown }
    const body = JSON.stringify({ model: 'digits', max_tokens: 100, temperature: 0, messages: [{ role: 'user', content: JSON.stringify({ inputs }) }] })
    const response = await paying(`${stack.gateway.http}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect(response.status).toBe(200)
    const answer = (await response.json()) as Record<'tee_signature' | 'tee_request_hash' | 'tee_output_hash' | 'tee_id', string> & { tee_timestamp: number; choices: [{ message: { content: string } }] }
    const output = answer.choices[0].message.content
    expect(labelOf(output)).toBe(expectedLabel(5))
    const key = (await (await fetch(`${stack.gateway.http}/signing-key?tee_id=${answer.tee_id}`)).json()) as { public_key: string; node: Hex.Hex; statement: Hex.Hex }
    const der = new Uint8Array(createPublicKey(key.public_key).export({ type: 'spki', format: 'der' }))
    expect(Hex.fromBytes(OpenGradient.teeId(der))).toBe(answer.tee_id)
    // Their rule: hashes over what was sent and said, and one signature over both and the time.
    const canonical = OpenGradient.canonicalRequest('chat', body)
    const hashes = { request: OpenGradient.requestHash((canonical as { value: OpenGradient.PythonJson.PythonJson }).value), output: OpenGradient.outputHash(output) }
    expect([Hex.fromBytes(hashes.request), Hex.fromBytes(hashes.output)]).toEqual([`0x${answer.tee_request_hash}`, `0x${answer.tee_output_hash}`])
    const padded = { key: key.public_key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    const signed = (at: number): boolean => verifySignature('sha256', OpenGradient.message(hashes, at), padded, Buffer.from(answer.tee_signature, 'base64'))
    expect([signed(answer.tee_timestamp), signed(answer.tee_timestamp + 1)]).toEqual([true, false])
    // The receipt key, which hardware vouches for, vouches for the RSA key.
    const by = Secp256k1.portable.recover(OpenGradient.keyStatement(der), Hex.toBytes(key.statement))
    expect(Hex.checksum(Hex.fromBytes(by as Uint8Array))).toBe(key.node)
    const { receipt } = JSON.parse(Buffer.from(response.headers.get('haca-receipt') as string, 'base64url').toString()) as { receipt: { node: Hex.Hex } }
    expect(receipt.node).toBe(key.node)
  })

  it('shows the signature of an anchored receipt to whoever demands it on the chain', async () => {
    const client = sdk()
    const { requestId } = await client.infer({ model: 'digits', inputs: [{ name: 'pixels', shape: [1, 64], data: digits[6]?.values ?? [] }] })
    const { receipt, receiptHash, inclusion, signature } = await client.waitForSettlement(requestId)
    if (!inclusion) throw new Error('a settled receipt has an inclusion proof')
    const header = Batch.fromJson(inclusion.header)
    const { policyEpoch, issuedAt, settleBy, seq, ...rest } = Receipt.fromJson(receipt)
    const present = inclusion.siblings.filter((s) => s !== null)
    const log = { address: stack.contracts.settlementLog, abi: settlementLogAbi } as const
    const anybody = createWalletClient({ account: privateKeyToAccount(stack.payers[0]?.privateKey as Hex.Hex), transport: http(stack.rpc) })
    await anybody.writeContract({
      ...log,
      functionName: 'demandSignature',
      args: [
        { ...header, id: BigInt(header.id) },
        { ...rest, policyEpoch: BigInt(policyEpoch), issuedAt: BigInt(issuedAt), settleBy: BigInt(settleBy), seq: BigInt(seq) },
        { collected: BigInt(inclusion.collected), index: inclusion.index, siblings: present.map((s) => s.hash), sums: present.map((s) => BigInt(s.sum)) },
      ],
      chain: null,
    })
    const shown = await eventually('the signature on the chain', async () => {
      const [event] = await books.client.getContractEvents({ ...log, eventName: 'SignatureShown', args: { receiptHash }, fromBlock: 0n })
      return event?.args.signature
    })
    expect(shown).toBe(signature)
  })

  it('serves the same over gRPC, paid through metadata', async () => {
    const client = new GrpcClient(stack.gateway.grpc)
    const { method } = InferenceService
    const request = create(InferRequestSchema, { model: 'digits', inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1n, 64n], fp32Contents: digits[7]?.values ?? [] }], salt: new Uint8Array(32).fill(7) })
    const unpaid = await client.unary(method.infer, request, { timeoutMs: 5_000 }).then(
      () => expect.fail('it was free'),
      (error: ServiceError) => error,
    )
    expect(unpaid.code).toBe(status.FAILED_PRECONDITION)
    const trailer = unpaid.metadata.get('payment-required-bin')[0] as Buffer
    expect(trailer.length).toBeLessThan(4_096)
    expect((unpaid.metadata.get('grpc-status-details-bin')[0] as Buffer).toString('latin1')).toContain('X402_PAYMENT_REQUIRED')
    const quote = await client.unary(method.quote, { request }, { timeoutMs: 5_000 })
    expect(quote.message).toMatchObject({ amount: '1000', verification: 'tee', model: 'digits@1.0.0' })

    const { payload, authorization } = signPayment(JSON.parse(trailer.toString()), wallet())
    const metadata = new Metadata()
    metadata.set('payment-signature-bin', Buffer.from(JSON.stringify(payload)))
    metadata.set('prefer', 'wait=30')
    const { message, trailers } = await client.unary(method.infer, request, { timeoutMs: 60_000, metadata })
    expect(message.completed).toBe(true)
    expect(message.receiptDomain).toBe('HACA Simulated Receipt')
    expect(trailers.get('x-tee')[0]).toBe('SIMULATED')
    expect(JSON.parse(String(trailers.get('payment-response-bin')[0]))).toMatchObject({ success: true, payer: authorization.from })
    expect(Buffer.from(message.salt)).toEqual(Buffer.alloc(32, 7))
    // The hash in the receipt is over the wire bytes as they were sent.
    expect(Hex.fromBytes(message.receipt?.receipt?.requestHash ?? new Uint8Array())).toBe(Digest.requestHash(message.salt, toBinary(InferRequestSchema, request)))
    expect(Hex.fromBytes(message.receipt?.receipt?.outputHash ?? new Uint8Array())).toBe(Digest.outputHash(message.salt, message.answer))
    const found = await client.unary(method.getRequest, { requestId: message.requestId }, { timeoutMs: 5_000 })
    expect(['settled', 'anchored']).toContain(found.message.state)
    const receipt = await client.unary(method.getReceipt, { requestId: message.requestId }, { timeoutMs: 5_000 })
    expect(JSON.parse(new TextDecoder().decode(receipt.message.bundle))).toMatchObject({ v: 1, simulated: true })
    const code = (call: Promise<unknown>) => call.then(() => 'ok', (error: ServiceError) => error.code)
    expect(await code(client.unary(method.getRequest, { requestId: new Uint8Array(32) }, { timeoutMs: 5_000 }))).toBe(status.NOT_FOUND)
    expect(await code(client.unary(method.getRequest, { requestId: new Uint8Array(3) }, { timeoutMs: 5_000 }))).toBe(status.INVALID_ARGUMENT)
    expect(await code(client.unary(method.infer, { ...request, model: 'nobody' }, { timeoutMs: 5_000 }))).toBe(status.NOT_FOUND)
    expect(await code(client.unary(method.infer, { ...request, inputs: [] }, { timeoutMs: 5_000 }))).toBe(status.INVALID_ARGUMENT)
    const garbage = new Metadata()
    garbage.set('payment-signature-bin', Buffer.from('{'))
    expect(await code(client.unary(method.infer, request, { timeoutMs: 5_000, metadata: garbage }))).toBe(status.INVALID_ARGUMENT)
    client.close()
  })

  it('shows what a receipt rests on by digest, for ever the same, and the live keys over a nonce of the asker’s', async () => {
    const client = sdk()
    const { requestId } = await client.infer({ model: 'digits', inputs: [{ name: 'pixels', shape: [1, 64], data: digits[2]?.values ?? [] }] })
    const { attestation } = await client.receipt(requestId)
    expect(attestation).toMatchObject({ records: [expect.anything()], policies: [expect.anything()] })
    for (const { digest, url } of [attestation?.evidence, ...(attestation?.collateral ?? []), ...(attestation?.policies ?? [])].map((one) => one ?? expect.fail('nothing is archived'))) {
      const response = await fetch(new URL(url, stack.gateway.http))
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(Digest.content(new Uint8Array(await response.arrayBuffer()))).toBe(digest)
    }
    expect(await caller.json(`/v1/evidence/${Hex.zero32}`)).toMatchObject({ status: 404, body: { code: 'archive.unknown' } })
    expect(await caller.json('/v1/policies/0x12')).toMatchObject({ status: 400, body: { code: 'archive.malformed-digest', field: 'digest' } })
    expect(await caller.json('/v1/attestation?nonce=0x12')).toMatchObject({ status: 400, body: { code: 'attestation.nonce', field: 'nonce' } })
    const { keys, policyEpoch } = await client.liveKeys()
    expect(keys.map(({ record, verifier }) => ({ kind: record.kind, policyEpoch: record.policyEpoch, verifier }))).toEqual([{ kind: 'simulated', policyEpoch, verifier: stack.evidenceSigners[0] }])
    await expect(sdk(wallet(), { network: { ...network(), offerSigners: [stack.contracts.settlementLog] } }).liveKeys()).rejects.toMatchObject({ code: 'answer-not-authentic' })
  })

  it('is bought and checked from the command line', async () => {
    const run = promisify(execFile)
    const file = (name: string) => join(folder, name)
    await writeFile(file('request.json'), digitBody(9))
    const env = { ...process.env, HACA_URL: stack.gateway.http, HACA_PRIVATE_KEY: wallet().privateKey, HACA_NETWORK: file('stack.json'), HACA_RPC_URL: stack.rpc }
    const withEnv = (more: Record<string, string>) => (...args: string[]) => run(process.execPath, [join(import.meta.dirname, '../../sdk/bin/haca.mjs'), ...args], { env: { ...env, ...more } }).then(({ stdout }) => ({ code: 0, stdout, stderr: '' }), (error: { code: number; stdout: string; stderr: string }) => error)
    const haca = withEnv({})
    expect((await haca('models')).stdout).toContain('digits@1.0.0')
    expect((await haca('quote', file('request.json'))).stdout).toContain('0.001 USDC')
    expect(await haca('pay', file('request.json'), '--max', '999')).toMatchObject({ code: 5, stderr: expect.stringContaining('nothing was signed') })
    const paid = await haca('pay', file('request.json'), '--max', '1000', '--wait', '30', '--save', file('answer.json'), '--json')
    expect(paid.code).toBe(0)
    const { requestId } = JSON.parse(paid.stdout) as { requestId: string }
    await eventually('anchored', async () => ((await haca('status', requestId)).code === 0 ? true : undefined))
    const verified = await eventually('verified', async () => {
      const result = await haca('verify', requestId, '--answer', file('answer.json'), '--json')
      return result.code === 0 ? result : undefined
    })
    expect(JSON.parse(verified.stdout)).toMatchObject({ simulated: true, consistent: true, claims: { anchored: { status: 'chain-verified' }, payment: { status: 'chain-verified' } } })
    expect((await haca('verify', requestId)).stdout).toContain('SIMULATED')
    const kept = await haca('receipt', requestId, '--archive', '--save', file('receipt.json'))
    expect(kept).toMatchObject({ code: 0, stdout: expect.stringContaining('1 evidence') as string })
    const alone = { HACA_URL: '', HACA_RPC_URL: '', HACA_NETWORK: file('stack.json') }
    const offline = await withEnv(alone)('verify', file('receipt.json'), '--simulated-root', stack.simulatedRoot, '--json')
    expect(JSON.parse(offline.stdout)).toMatchObject({ chainAsked: false, consistent: true, claims: { tee_attested: { status: 'asserted', reason: expect.stringContaining('policy epoch') as string }, model_weights: { status: 'asserted' } } })
    const live = await haca('attestation')
    expect(live).toMatchObject({ code: 0, stdout: expect.stringMatching(/1 keys live .*\n.*SIMULATED sim-cpu, image simulated-image/s) as string })
    expect((await haca('nonsense')).code).toBe(2)
    expect((await haca('verify')).code).toBe(2)
    expect((await haca('status', Hex.zero32)).code).toBe(1)
  })
})

describe('the SDK pays once', () => {
  it('returns the same answer for the same call id without paying again, also after the connection broke', async () => {
    const payer = wallet()
    const before = await books.balance(payer.address)
    let drops = 2
    const flaky: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (new Headers(init?.headers).has('payment-signature') && drops-- > 0) throw new TypeError('connection reset')
      return response
    }
    const client = sdk(payer, { fetch: flaky })
    const request = { model: 'digits', inputs: [{ name: 'pixels', shape: [1, 64], data: digits[11]?.values ?? [] }] }
    const first = await client.infer(request, { callId: 'call-1' })
    const second = await client.infer(request, { callId: 'call-1' })
    expect(second.answer).toBe(first.answer)
    expect(second.requestId).toBe(first.requestId)
    await expect(client.infer({ ...request, deadlineMs: 60_000 }, { callId: 'call-1' })).rejects.toThrow('another request')
    await client.waitForSettlement(first.requestId)
    expect(before - (await books.balance(payer.address))).toBe(1000n)
  })

  it('refuses to pay above the maximum, without one, elsewhere, or an offer it does not trust', async () => {
    const request = { model: 'digits', inputs: [{ name: 'pixels', shape: [1, 64], data: digits[0]?.values ?? [] }] }
    const code = (client: HacaClient, options = {}) => client.infer(request, options).then(() => 'paid', (error: HacaError) => error.code)
    expect(await code(sdk(), { maxPriceAtomic: 999n })).toBe('price-above-maximum')
    expect(await code(sdk(wallet(), { maxPriceAtomic: undefined }))).toBe('price-above-maximum')
    expect(await code(sdk(wallet(), { network: { ...network(), revenueVault: stack.contracts.settlementLog } }))).toBe('offer-not-trusted')
    expect(await code(sdk(wallet(), { network: { ...network(), chainId: 8453 } }))).toBe('offer-not-trusted')
    expect(await code(sdk(wallet(), { network: { ...network(), offerSigners: [stack.roles.admin as Hex.Hex] } }))).toBe('offer-not-trusted')
    expect(await code(sdk(wallet(), { network: { ...network(), token: { ...stack.token, address: stack.contracts.settlementLog } } }))).toBe('offer-not-trusted')
  })
})

describe('wrong input', () => {
  const tensor = (change: object) => JSON.stringify({ model: 'digits', inputs: [{ name: 'pixels', shape: [1, 64], data: Array(64).fill(0), ...change }] })

  it.each([
    ['no JSON', '{', 400, 'body.malformed', 'body'],
    ['an unknown field', '{"model":"digits","inputs":[{"name":"pixels","shape":[1],"data":[0]}],"verfication":"tee"}', 400, 'body.malformed', 'verfication'],
    ['an unknown model', digitBody(0).replace('digits', 'nobody'), 404, 'model.unknown', 'model'],
    ['a wrong name', tensor({ name: 'image' }), 400, 'tensor.unknown', 'inputs[0].name'],
    ['a wrong shape', tensor({ shape: [1, 65] }), 400, 'tensor.shape', 'inputs[0].shape[1]'],
    ['a wrong type', tensor({ datatype: 'INT8' }), 400, 'tensor.datatype', 'inputs[0].datatype'],
    ['too few values', tensor({ data: [1] }), 400, 'tensor.length', 'inputs[0].data'],
    ['text for a number', tensor({ data: [...Array(63).fill(0), 'x'] }), 400, 'tensor.value', 'inputs[0].data[63]'],
    ['NaN', tensor({ data: [...Array(63).fill(0), 'NaN'] }), 400, 'tensor.not-finite', 'inputs[0].data[63]'],
    ['too many rows', tensor({ shape: [257, 64], data: Array(257 * 64).fill(0) }), 400, 'tensor.too-many-rows', 'inputs[0].shape[0]'],
    ['two rows for one proof', tensor({ shape: [2, 64], data: Array(2 * 64).fill(0) }).replace('"model"', '"verification":"zkml","model"'), 400, 'route.one-row-a-proof', 'inputs[0].shape[0]'],
    ['a budget below the price', digitBody(0).replace('"model"', '"budget":"1","model"'), 400, 'route.over-budget', 'budget'],
  ])('refuses %s before any payment and names the field', async (_what, body, code, problem, field) => {
    const response = await caller.infer(body)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(await response.json()).toMatchObject({ status: code, code: problem, field, type: `urn:haca:problem:${problem}` })
    expect(response.status).toBe(code)
  })

  it('refuses a body over a mebibyte, another media type, an empty body, an unknown address and an id that is none', async () => {
    expect((await caller.infer(JSON.stringify({ model: 'x'.repeat(1 << 20) }))).status).toBe(413)
    expect((await fetch(`${stack.gateway.http}/v1/inference`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' })).status).toBe(415)
    expect((await fetch(`${stack.gateway.http}/v1/inference`, { method: 'POST', headers: { 'content-type': 'application/json' } })).status).toBe(400)
    expect(await caller.json('/v1/nothing')).toMatchObject({ status: 404, body: { code: 'route.unknown' } })
    expect(await caller.json('/v1/requests/0x12')).toMatchObject({ status: 400, body: { field: 'id' } })
    expect(await caller.json(`/v1/requests/${Hex.zero32}`)).toMatchObject({ status: 404 })
    expect(await caller.json(`/v1/receipts/${Hex.zero32}`)).toMatchObject({ status: 404 })
  })

  it.each(['not base64!', 'e30=', 'bnVsbA==', btoa('{"x402Version":2}'), btoa('{'), 'A'.repeat(9000)])('refuses a malformed payment header (%.20s…) with 400', async (header) => {
    const response = await caller.pay(digitBody(0), header)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'payment.malformed', field: expect.stringContaining('PAYMENT-SIGNATURE') })
  })

  const now = () => Math.floor(Date.now() / 1000)
  it.each<[string, () => Twist, string]>([
    ['underpaid', () => ({ authorization: { value: 999n } }), 'invalid_exact_evm_payload_authorization_value_mismatch'],
    ['expired', () => ({ authorization: { validBefore: now() - 1 } }), 'invalid_exact_evm_payload_authorization_valid_before'],
    ['about to expire', () => ({ authorization: { validBefore: now() + 20 } }), 'invalid_exact_evm_payload_authorization_valid_before'],
    ['not valid yet', () => ({ authorization: { validAfter: now() + 100 } }), 'invalid_exact_evm_payload_authorization_valid_after'],
    ['to somebody else', () => ({ authorization: { to: wallet().address } }), 'invalid_exact_evm_recipient_mismatch'],
    ['signed by somebody else', () => ({ by: wallet() }), 'invalid_exact_evm_signature'],
    ['for another chain', () => ({ accepted: { network: 'eip155:8453' } }), 'invalid_exact_evm_network_mismatch'],
    ['of another scheme', () => ({ accepted: { scheme: 'upto' } }), 'invalid_exact_evm_scheme'],
    ['for an offer we never made', () => ({ accepted: { extra: { name: 'USDC', version: '2' } } }), 'No matching payment requirements'],
    ['at a price we never offered', () => ({ accepted: { amount: '1' } }), 'No matching payment requirements'],
  ])('answers a payment that is %s with 402 and the reason of the specification', async (_what, twist, reason) => {
    const payer = wallet()
    const before = await books.balance(payer.address)
    const body = digitBody(1)
    const { header } = signPayment(await caller.required(body), payer, twist())
    const response = await caller.pay(body, header)
    expect(requiredOf(response).error).toBe(reason)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await books.balance(payer.address)).toBe(before)
  })

  it('refuses a payment whose payer has too little, by the reason of the specification', async () => {
    const [poor] = await fundedWallets(stack.rpc, 1, 999n)
    const body = digitBody(1)
    const { header } = signPayment(await caller.required(body), poor as Wallet)
    expect(requiredOf(await caller.pay(body, header)).error).toBe('invalid_exact_evm_insufficient_balance')
  })

  it('refuses one offer for a body of another price, in both directions', async () => {
    const two = JSON.stringify({ model: 'digits', inputs: [{ name: 'pixels', shape: [2, 64], data: Array(128).fill(0) }] })
    const one = digitBody(1)
    const cheap = signPayment(await caller.required(one), wallet())
    expect(requiredOf(await caller.pay(two, cheap.header)).error).toBe('No matching payment requirements')
    const dear = signPayment(await caller.required(two), wallet())
    expect(requiredOf(await caller.pay(one, dear.header)).error).toBe('No matching payment requirements')
  })
})

describe('the same payment', () => {
  it('sent fifty times at once runs the model once, gives fifty equal answers and is charged once', async () => {
    const payer = wallet()
    const before = await books.balance(payer.address)
    const ran = async (): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${stack.world.ports.inference}/metrics`)).text()
      return Number(/inference_requests_total\{outcome="completed"\} (\d+)/.exec(text)?.[1] ?? 0)
    }
    const runsBefore = await ran()
    const body = digitBody(12)
    const { header, authorization } = signPayment(await caller.required(body), payer)
    const responses = await Promise.all(Array.from({ length: 50 }, () => caller.pay(body, header)))
    expect(responses.map((r) => r.status)).toEqual(Array(50).fill(200))
    const answers = await Promise.all(responses.map(async (r) => [await r.text(), r.headers.get('haca-receipt')].join()))
    expect(new Set(answers).size).toBe(1)
    expect((await ran()) - runsBefore).toBe(1)
    const paymentId = books.paymentId(payer.address, authorization.nonce)
    await eventually('collected', async () => ((await books.credit(paymentId)).amount === 1000n ? true : undefined))
    expect(before - (await books.balance(payer.address))).toBe(1000n)
    const again = await caller.pay(body, header)
    expect([await again.text(), again.headers.get('haca-receipt')].join()).toBe(answers[0])
    expect(again.headers.get('payment-response')).toBeNull()
  })

  it('for another body is a conflict, with or without an identifier', async () => {
    const payer = wallet()
    const body = digitBody(13)
    const required = await caller.required(body)
    const { header, payload } = signPayment(required, payer)
    expect((await caller.pay(body, header)).status).toBe(200)
    const other = await caller.pay(digitBody(14), header)
    expect(other.status).toBe(409)
    expect(await other.json()).toMatchObject({ code: 'payment.replayed' })
    const identified = PaymentHeader.encode({ ...payload, extensions: { 'payment-identifier': { info: { required: false, id: 'pay_0123456789abcdef' } } } })
    expect((await caller.pay(body, identified)).status).toBe(409)
    const malformed = PaymentHeader.encode({ ...payload, extensions: { 'payment-identifier': { info: { id: 'short' } } } })
    expect((await caller.pay(body, malformed)).status).toBe(400)
    expect((await caller.pay(body, header, { 'haca-salt': `0x${'11'.repeat(32)}` })).status).toBe(409)
  })

  it('with a payment-identifier is remembered under it', async () => {
    const body = digitBody(15)
    const { payload } = signPayment(await caller.required(body), wallet())
    const header = PaymentHeader.encode({ ...payload, extensions: { 'payment-identifier': { info: { required: false, id: 'pay_fedcba9876543210' } } } })
    const [first, second] = [await caller.pay(body, header), await caller.pay(body, header)]
    expect([first.status, second.status]).toEqual([200, 200])
    expect(second.headers.get('haca-request-id')).toBe(first.headers.get('haca-request-id'))
  })
})
