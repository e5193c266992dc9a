import { clone, create, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { teeRegistryAbi } from '@haca/contracts'
import { EvidenceVerdict, Hex, Offer, Receipt, Secp256k1 } from '@haca/core'
import { AppraisalRecord, Collection } from '@haca/core/tee'
import { DirectoryBlobs, KeyArchive } from '@haca/platform/blobs'
import { KafkaBus, deadLetterTopic, topicOf } from '@haca/platform/bus'
import { loadPrimitives } from '@haca/platform/crypto'
import { GrpcClient, status } from '@haca/platform/grpc'
import { createLogger } from '@haca/platform/log'
import { Fact, Wire } from '@haca/platform/wire'
import {
  AttestationService,
  BatchSettledSchema,
  EvidenceProducedSchema,
  InferenceCompletedSchema,
  InferenceRequestedSchema,
  InferenceVoidedSchema,
  KeyAppraisedSchema,
  NodeHeartbeatSchema,
  PaymentFailedSchema,
  PaymentRequestedSchema,
  PaymentSettledSchema,
  RuleResultSchema,
  SignedAppraisalSchema,
  Verdict,
  type InferenceCompleted,
  type InferenceRequested,
} from '@haca/proto'
import { Books, Caller, digitBody, eventually, expectedLabel, fundedWallets, labelOf, newWallet, signPayment, type Stack, startStack, type Wallet } from '@haca/tools'
import { Redis } from 'ioredis'
import kafkajs from 'kafkajs'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Somebody who can write to every topic, but holds none of our keys.

const pool = 'cpu-a'
const primitives = await loadPrimitives()
const intruder = newWallet()
const intruderKey = Hex.toBytes(intruder.privateKey)

let folder: string
let stack: Stack
let caller: Caller
let books: Books
let bus: KafkaBus
let kafka: kafkajs.Kafka
let honest: { wallet: Wallet; paymentId: Hex.Hex; requestId: Hex.Hex; request: InferenceRequested; completion: InferenceCompleted }
const archive = (): KeyArchive => new KeyArchive(new DirectoryBlobs(join(folder, 'blobs')))
const scope = (): Receipt.Scope => ({ chainId: stack.contracts.chainId, log: stack.contracts.settlementLog })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-'))
  // Batches wait long enough for the forgeries to arrive before the receipt they speak of is sealed.
  stack = await startStack({ folder, env: { settler: { SETTLER_BATCH_AGE_MS: '15000' } } })
  caller = new Caller(stack.gateway.http)
  books = new Books(stack)
  bus = new KafkaBus({ brokers: stack.kafka.split(','), clientId: 'intruder', logger: createLogger('intruder', 'silent'), partitions: 1, replicationFactor: 1, sessionTimeoutMs: 10_000 })
  kafka = new kafkajs.Kafka({ brokers: stack.kafka.split(','), logLevel: kafkajs.logLevel.NOTHING })
  honest = await buy(3)
})
afterAll(async () => {
  await bus?.close()
  await stack?.stop()
  if (!process.env.HACA_KEEP) await rm(folder, { recursive: true, force: true })
})

async function buy(index: number): Promise<typeof honest> {
  const [wallet] = (await fundedWallets(stack.rpc, 1, 1_000_000n)) as [Wallet]
  const { header, authorization } = signPayment(await caller.required(digitBody(index)), wallet)
  const response = await caller.pay(digitBody(index), header)
  expect(response.status).toBe(200)
  const requestId = response.headers.get('haca-request-id') as Hex.Hex
  const told: { request?: InferenceRequested; completion?: InferenceCompleted } = {}
  const ours = (m: { requestId: Uint8Array }): boolean => Hex.fromBytes(m.requestId) === requestId
  await bus.replay({ schema: InferenceRequestedSchema, pool, sinceMs: 0, visit: (m) => void (ours(m) && (told.request = m)) })
  await bus.replay({ schema: InferenceCompletedSchema, sinceMs: 0, visit: (m) => void (ours(m) && (told.completion = m)) })
  return { wallet, paymentId: books.paymentId(wallet.address, authorization.nonce), requestId, request: told.request as InferenceRequested, completion: told.completion as InferenceCompleted }
}

/** Reasons in a dead-letter topic, in no order. */
async function buried(schema: DescMessage): Promise<string[]> {
  const topic = deadLetterTopic(topicOf(schema, pool))
  const admin = kafka.admin()
  await admin.connect()
  const total = (await admin.fetchTopicOffsets(topic)).reduce((sum, p) => sum + Number(p.high) - Number(p.low), 0)
  await admin.disconnect()
  if (total === 0) return []
  const reasons: string[] = []
  const consumer = kafka.consumer({ groupId: `look-${randomBytes(4).toString('hex')}`, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ autoCommit: false, eachMessage: async ({ message }) => void reasons.push(String(message.headers?.reason)) })
  await eventually(`${total} letters in ${topic}`, async () => (reasons.length >= total ? true : undefined))
  await consumer.disconnect()
  return reasons
}

/** Publishes and waits until the record is buried for `reason` by every group that reads it. */
async function refused<D extends DescMessage>(schema: D, message: MessageShape<D>, reason: string, groups = 1): Promise<void> {
  const count = async (): Promise<number> => (await buried(schema)).filter((r) => r === reason).length
  const before = await count()
  await bus.publish(schema, message)
  await eventually(`${schema.name} refused as ${reason}`, async () => ((await count()) >= before + groups ? true : undefined), 60_000)
}

/** A payment its payer signed, for a request nobody made. */
async function signedPayment(wallet: Wallet) {
  const { authorization, payload } = signPayment(await caller.required(digitBody(8)), wallet)
  const paymentId = books.paymentId(wallet.address, authorization.nonce)
  const payment = { ...(honest.request.payment as NonNullable<InferenceRequested['payment']>) }
  return {
    paymentId,
    payment: {
      ...payment,
      paymentId: Hex.toBytes(paymentId),
      payer: Hex.toBytes(wallet.address),
      validAfter: BigInt(authorization.validAfter),
      validBefore: BigInt(authorization.validBefore),
      nonce: Hex.toBytes(authorization.nonce),
      signature: Hex.toBytes((payload.payload as { signature: Hex.Hex }).signature),
    },
  }
}

const resigned = (completion: InferenceCompleted, change: Partial<Receipt.Receipt>): InferenceCompleted => {
  const { receipt } = Wire.toSignedReceipt(completion.receipt)
  const altered = { ...receipt, ...change }
  return { ...clone(InferenceCompletedSchema, completion), receipt: Wire.signedReceipt(Receipt.sign(altered, scope(), intruderKey)) }
}

describe('somebody who writes to every topic without our keys', () => {
  it('is buried with garbage', async () => {
    const schemas = [InferenceRequestedSchema, PaymentRequestedSchema, InferenceCompletedSchema, InferenceVoidedSchema, EvidenceProducedSchema, PaymentSettledSchema, PaymentFailedSchema, BatchSettledSchema, KeyAppraisedSchema, NodeHeartbeatSchema]
    const producer = kafka.producer()
    await producer.connect()
    for (const schema of schemas) await producer.send({ topic: topicOf(schema, pool), messages: [{ key: 'x', value: Buffer.from('ffffffffffff', 'hex') }] })
    await producer.disconnect()
    for (const schema of schemas) await eventually(`garbage in ${schema.name}`, async () => ((await buried(schema)).includes('message.malformed') ? true : undefined))
  })

  it('cannot order work: with no signature of the payer, or with an offer that is not ours', async () => {
    const { request } = honest
    const payment = request.payment as NonNullable<typeof request.payment>
    await refused(InferenceRequestedSchema, { ...request, payment: { ...payment, amount: '1' } }, 'request.forged')
    await refused(InferenceRequestedSchema, { ...request, requestId: randomBytes(32) }, 'request.forged')
    const offer = Wire.toOffer(request.offer).offer
    const cheap = Offer.sign({ ...offer, unitPrice: 1n, ceiling: 1n }, Offer.separator(scope()), intruderKey)
    await refused(InferenceRequestedSchema, { ...request, offer: Wire.offer(cheap) }, 'request.forged')
    await refused(PaymentRequestedSchema, create(PaymentRequestedSchema, { requestId: request.requestId, request: { ...request, offer: Wire.offer(cheap) } }), 'completion.forged')
  })

  it('cannot collect a payment for work that was not done', async () => {
    const victim = newWallet()
    const [funded] = (await fundedWallets(stack.rpc, 1, 1_000_000n)) as [Wallet]
    const { payment, paymentId } = await signedPayment(funded)
    const requestId = randomBytes(32)
    const node = Secp256k1.addressOfKey(intruderKey)
    const fresh = { ...honest.completion, requestId, payment }
    // Stored by nobody (gateway), signed by a key nobody registered (prover, settler).
    const issuedAt = Math.floor(Date.now() / 1000) - 60
    const forged = resigned(fresh, { requestId: Hex.fromBytes(requestId), paymentId, payer: funded.address, node, issuedAt, settleBy: issuedAt + Receipt.settleWithinSeconds })
    await refused(InferenceCompletedSchema, forged, 'completion.forged', 3)
    expect(await books.credit(paymentId)).toEqual({ amount: 0n, refunded: false })
    expect(await books.balance(funded.address)).toBe(1_000_000n)
    expect(await books.balance(victim.address)).toBe(0n)
  })

  it('cannot alter, void or contradict a receipt that is on its way', async () => {
    const { completion, requestId, paymentId } = honest
    const signed = Wire.toSignedReceipt(completion.receipt)
    const bent = clone(InferenceCompletedSchema, completion)
    if (bent.receipt?.receipt) bent.receipt.receipt.price = '1'
    await refused(InferenceCompletedSchema, bent, 'completion.forged', 2)

    const verdict = { requestId, receiptHash: Receipt.hash(signed.receipt, scope()), affirming: false, evidenceId: signed.receipt.evidenceId, kind: 'simulated', rules: [{ rule: 'forged', ok: false, detail: 'no' }] }
    await refused(
      EvidenceProducedSchema,
      create(EvidenceProducedSchema, {
        requestId: Hex.toBytes(requestId),
        receiptHash: Hex.toBytes(verdict.receiptHash),
        verdict: Verdict.CONTRAINDICATED,
        rules: verdict.rules.map((r) => create(RuleResultSchema, r)),
        evidenceId: Hex.toBytes(verdict.evidenceId),
        kind: verdict.kind,
        signature: EvidenceVerdict.sign(verdict, scope(), intruderKey),
      }),
      'evidence.forged',
    )

    await refused(InferenceVoidedSchema, create(InferenceVoidedSchema, { requestId: Hex.toBytes(requestId), payment: completion.payment as NonNullable<typeof completion.payment>, code: 'model.crashed', detail: 'forged' }), 'void.forged')
    const voidReceipt = Receipt.sign({ ...signed.receipt, mode: Receipt.modes.none, price: 0n, node: intruder.address }, scope(), intruderKey)
    await refused(
      InferenceVoidedSchema,
      create(InferenceVoidedSchema, { requestId: Hex.toBytes(requestId), payment: completion.payment as NonNullable<typeof completion.payment>, receipt: Wire.signedReceipt(voidReceipt), code: 'model.crashed', detail: 'forged' }),
      'completion.forged',
    )
    expect((await books.credit(paymentId)).refunded).toBe(false)
  })

  it('cannot tell the gateway of payments and batches that are not', async () => {
    const { payment, paymentId } = await signedPayment(honest.wallet)
    const settled = create(PaymentSettledSchema, { paymentId: Hex.toBytes(paymentId), payer: payment.payer, amount: '1000', transactionHash: randomBytes(32), blockHash: randomBytes(32) })
    await refused(PaymentSettledSchema, Fact.sign(PaymentSettledSchema, settled, intruderKey, primitives), 'fact.forged')
    const failed = create(PaymentFailedSchema, { paymentId: Hex.toBytes(honest.paymentId), requestId: Hex.toBytes(honest.requestId), reason: 'insufficient_funds' })
    await refused(PaymentFailedSchema, Fact.sign(PaymentFailedSchema, failed, intruderKey, primitives), 'fact.forged')
    await refused(BatchSettledSchema, create(BatchSettledSchema, { batchId: 1n, transactionHash: randomBytes(32), blockHash: randomBytes(32) }), 'fact.forged')
  })

  it('cannot say that a key was appraised', async () => {
    const [node] = (await archive().nodes()) as [Hex.Hex]
    const genuine = AppraisalRecord.decodeRecord(((await archive().history(node)).at(-1) as AppraisalRecord.SignedRecord).record)
    const mine = AppraisalRecord.signRecord({ ...genuine, node: intruder.address }, { chainId: scope().chainId, registry: stack.contracts.teeRegistry }, intruderKey)
    await refused(KeyAppraisedSchema, create(KeyAppraisedSchema, { node: Hex.toBytes(intruder.address), appraisal: create(SignedAppraisalSchema, mine) }), 'appraisal.forged')
  })

  it('cannot get a key registered without evidence for that very key', async () => {
    const [node] = (await archive().nodes()) as [Hex.Hex]
    const { evidenceId } = AppraisalRecord.decodeRecord(((await archive().history(node)).at(-1) as AppraisalRecord.SignedRecord).record)
    const stolen = Collection.decodeCollection((await archive().evidence(evidenceId)) as Uint8Array)
    const binding = { ...stolen.binding, receiptKey: Secp256k1.publicKeyOf(intruderKey) }
    const prover = new GrpcClient(`127.0.0.1:${stack.world.ports.proverGrpc}`)
    const enroll = async (collection: Collection.KeyCollection) => (await prover.unary(AttestationService.method.enroll, { collection: Collection.encodeCollection(collection) }, { timeoutMs: 10_000 })).message
    // The challenge of the evidence was answered by its owner.
    await expect(enroll({ ...stolen, binding })).rejects.toMatchObject({ code: status.FAILED_PRECONDITION })
    const { message } = await prover.unary(AttestationService.method.challenge, { node: Hex.toBytes(intruder.address) }, { timeoutMs: 10_000 })
    const challenge = { verifierId: message.verifierId, random: message.random, expiresAt: Number(message.expiresAt) }
    const record = AppraisalRecord.decodeRecord((await enroll({ ...stolen, binding, challenge })).appraisal?.record as Uint8Array)
    prover.close()
    expect(record.outcome).toBe('contraindicated')
    expect(record.reasons.filter(({ ok }) => !ok).map(({ rule }) => rule)).toEqual(['binding.user-data', 'binding.nonce', 'binding.public-key'])
    const validity = await books.client.readContract({ address: stack.contracts.teeRegistry, abi: teeRegistryAbi, functionName: 'validityAt', args: [intruder.address, 0n] })
    expect(validity).toBe(1) // unknown
  })

  it('changes nothing by replaying what was genuine', async () => {
    const balance = await books.balance(honest.wallet.address)
    for (let i = 0; i < 5; i++) {
      await bus.publish(InferenceRequestedSchema, honest.request)
      await bus.publish(InferenceCompletedSchema, honest.completion)
    }
    const again = await buy(9)
    await eventually('the next one is anchored', async () => ((await caller.json(`/v1/requests/${again.requestId}`)).body.state === 'anchored' ? true : undefined))
    expect(await books.balance(honest.wallet.address)).toBe(balance)
  })

  it('has moved no money: every honest call is settled, and everything was told of', async () => {
    await eventually('the honest one is anchored', async () => ((await caller.json(`/v1/requests/${honest.requestId}`)).body.state === 'anchored' ? true : undefined))
    const { body } = await caller.json(`/v1/receipts/${honest.requestId}`)
    expect((body.inclusion as { collected: string }).collected).toBe('1000')
    expect(await books.credit(honest.paymentId)).toEqual({ amount: 1000n, refunded: false })
    expect(await books.balance(honest.wallet.address)).toBe(999_000n)
    expect(await books.vault()).toBe(2_000n) // the honest call, and the one after the replays
    const alarms = (await Promise.all(['gateway', 'inference', 'prover', 'settler', 'router'].map((name) => readFile(join(stack.logs, `${name}.log`), 'utf8')))).join('\n')
    for (const reason of ['message.malformed', 'request.forged', 'completion.forged', 'evidence.forged', 'void.forged', 'fact.forged', 'appraisal.forged']) {
      expect(alarms.split('\n').some((line) => line.includes('"alarm":"dead-letter"') && line.includes(`"reason":"${reason}"`)), reason).toBe(true)
    }
  })

  it('does not keep the gateway from rebuilding its claims', async () => {
    const redis = new Redis(stack.redis, { maxRetriesPerRequest: 1 })
    await redis.flushall()
    redis.disconnect()
    const [wallet] = (await fundedWallets(stack.rpc, 1, 1_000_000n)) as [Wallet]
    const { header } = signPayment(await caller.required(digitBody(12)), wallet)
    const response = await eventually('served again', async () => {
      const r = await caller.pay(digitBody(12), header)
      return r.status === 200 ? r : undefined
    })
    expect(labelOf(await response.text())).toBe(expectedLabel(12))
  })
})
