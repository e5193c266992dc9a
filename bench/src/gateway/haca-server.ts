import { create, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { accept, Digest, Exact, Hex, Payment, PaymentHeader, Receipt, Secp256k1, type Tensor } from '@haca/core'
import { Policy } from '@haca/core/tee'
import { PolicyBuilder } from '@haca/core/tee/testing'
import { gatewayService, type Router } from '@haca/gateway'
import { MemoryBlobs } from '@haca/platform/blobs'
import type { Bus, ConsumeOptions, Consumption } from '@haca/platform/bus'
import { createLogger } from '@haca/platform/log'
import { startService } from '@haca/platform/nest'
import { Wire } from '@haca/platform/wire'
import { AssignResponseSchema, BodyEncoding, InferenceCompletedSchema, InferenceRequestedSchema, ListModelsResponseSchema, ModelSchema, RequestOutcomeSchema, RouteDecisionSchema, RouteResponseSchema, TensorSpecSchema, type InferenceRequested } from '@haca/proto'
import { modelsDirectory } from '@haca/tools'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { answerParent } from './parent.js'
import { answer, balance, chainId, payTo, paymentTimeout, pricePerRow, settlementLog, token } from './setting.js'

// Our gateway as it runs in production, with its Redis, on a router, a bus and nodes that answer at once.

const scope = { chainId, log: settlementLog }
const modelHash = Hex.fromBytes(randomBytes(32))
const manifest = JSON.parse(readFileSync(join(modelsDirectory, 'digits/manifest.json'), 'utf8')) as { inputs: Tensor.Spec[]; outputs: Tensor.Spec[] }
const spec = (s: Tensor.Spec) => create(TensorSpecSchema, { name: s.name, datatype: s.datatype, shape: s.shape.map(BigInt), allowNonFinite: s.allowNonFinite ?? false })

const router: Router = {
  route: async ({ units }) =>
    create(RouteResponseSchema, {
      outcome: {
        case: 'decision',
        value: create(RouteDecisionSchema, {
          modelHash: Hex.toBytes(modelHash),
          mode: Receipt.modes.tee,
          unitPrice: String(pricePerRow),
          ceiling: String(pricePerRow * BigInt(units)),
          deadlineSeconds: 120,
          policyEpoch: 1n,
          decisionHash: randomBytes(32),
          decidedAtMs: BigInt(Date.now()),
        }),
      },
    }),
  assign: async () => create(AssignResponseSchema, { outcome: { case: 'pool', value: 'stub' } }),
  listModels: async () =>
    create(ListModelsResponseSchema, {
      models: [
        create(ModelSchema, {
          modelHash: Hex.toBytes(modelHash),
          name: 'digits',
          version: '1.0.0',
          inputs: manifest.inputs.map(spec),
          outputs: manifest.outputs.map(spec),
          unitPrice: String(pricePerRow),
          publisher: Hex.toBytes(payTo),
          verifications: ['tee'],
          pools: ['stub'],
          maxUnits: 100,
        }),
      ],
    }),
}

const nodeKey = randomBytes(32)
const zero = Hex.zero32
const receipt = Receipt.sign(
  {
    ...{ requestId: zero, offerHash: zero, modelHash, requestHash: zero, outputHash: zero, evidenceId: zero, statementHash: zero, paymentId: zero },
    ...{ node: Secp256k1.addressOfKey(nodeKey), payer: payTo, token: token.address, price: pricePerRow, policyEpoch: 1 },
    ...{ issuedAt: 1_800_000_000, settleBy: 1_800_000_600, seq: 1, mode: Receipt.modes.tee, keyKind: Receipt.keyKinds.simulated },
  },
  scope,
  nodeKey,
)

/** What a node would have stored of every request, all but its payment. */
const completed = { receipt: Wire.signedReceipt(receipt), answer: Buffer.from(answer), encoding: BodyEncoding.JSON, salt: new Uint8Array(32), pool: 'stub' }

/** The object store as nodes fill it. What a node does is not the gateway's work, so it is done before the payments come. */
class StubBlobs extends MemoryBlobs {
  readonly #outcomes = new Map<string, Uint8Array>()

  expect(headers: readonly string[]): void {
    this.#outcomes.clear()
    for (const header of headers) {
      const payment = paymentOf(header)
      const value = create(InferenceCompletedSchema, { ...completed, payment: Wire.payment(payment) })
      this.#outcomes.set(Digest.requestId(payment.paymentId, Hex.zero32).slice(2), toBinary(RequestOutcomeSchema, create(RequestOutcomeSchema, { outcome: { case: 'completed', value } })))
    }
  }

  override async get(key: string): Promise<Uint8Array | undefined> {
    return this.#outcomes.get(key.slice(key.lastIndexOf('/') + 1))
  }
}

function paymentOf(header: string): Payment.Payment {
  const payload = PaymentHeader.decodePayment(header)
  const signed = payload.ok && Exact.parse(payload.value)
  if (!signed || !signed.ok) throw new Error('the bench signed what it cannot read')
  return Payment.from(signed.value, { token: token.address, chainId, flow: 'authorization' })
}

const blobs = new StubBlobs()

/** A bus behind which a node answers every request at once. */
class InstantNode implements Bus {
  readonly #handlers = new Map<string, (message: never) => Promise<void>>()

  async publish<D extends DescMessage>(schema: D, message: MessageShape<D>): Promise<void> {
    if (schema.typeName === InferenceRequestedSchema.typeName) setImmediate(() => void this.#answer(message as unknown as InferenceRequested))
  }

  async consume<D extends DescMessage>({ schema, handler }: ConsumeOptions<D>): Promise<Consumption> {
    this.#handlers.set(schema.typeName, handler as never)
    return { inFlight: () => 0, stop: async () => undefined }
  }

  async #answer({ requestId, replyTo }: InferenceRequested): Promise<void> {
    await this.#handlers.get(InferenceCompletedSchema.typeName)?.({ requestId, replyTo } as never)
  }

  ensure = async (): Promise<void> => undefined
  replay = async (): Promise<void> => undefined
  ping = async (): Promise<boolean> => true
  close = async (): Promise<void> => undefined
}

/** The policy as it was last seen on chain, which the gateway asks without leaving its process. */
const inForce = accept({ policy: Policy.decodePolicy(PolicyBuilder.encodePolicy(PolicyBuilder.policyJson({ epoch: 1 }))), daRef: zero, readAtMs: Date.now() })
const policy = { current: () => inForce }

const offerKey = Hex.fromBytes(randomBytes(32))
const service = gatewayService(
  {
    ...{ PROFILE: 'development', HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'error', KAFKA_BROKERS: '127.0.0.1:1', RPC_URL: 'http://127.0.0.1:1', BLOBS_DIRECTORY: '/nonexistent' },
    ...{ REDIS_URL: process.env.REDIS_URL, REDIS_PREFIX: `bench-${randomBytes(3).toString('hex')}`, CHAIN_ID: String(chainId) },
    ...{ POLICY_REGISTRY_ADDRESS: settlementLog, POLICY_SIGNERS: payTo, TEE_REGISTRY_ADDRESS: settlementLog, EVIDENCE_SIGNERS: payTo },
    ...{ SETTLEMENT_LOG_ADDRESS: settlementLog, REVENUE_VAULT_ADDRESS: payTo, TOKEN_ADDRESS: token.address, TOKEN_NAME: token.name, TOKEN_VERSION: token.version },
    ...{ GATEWAY_GRPC_PORT: process.env.GATEWAY_GRPC_PORT, GATEWAY_PUBLIC_URL: 'http://127.0.0.1', GATEWAY_ROUTER_ADDRESS: '127.0.0.1:1', GATEWAY_OFFER_KEY: offerKey },
    ...{ OFFER_SIGNERS: Secp256k1.addressOfKey(Hex.toBytes(offerKey)), FACT_SIGNERS: payTo },
    ...{ GATEWAY_PAYMENT_TIMEOUT_SECONDS: String(paymentTimeout), GATEWAY_OFFER_SECONDS: String(paymentTimeout), GATEWAY_BALANCE_MAX_AGE_MS: '600000' },
    ...{ GATEWAY_PAYER_CAP_ATOMIC: String(balance), GATEWAY_UNESTABLISHED_CAP_ATOMIC: String(balance) },
  },
  { bus: new InstantNode(), blobs, router, payers: { read: async () => ({ balance, contract: false }) }, policy },
)
const { port } = await startService(service, service.config(), createLogger('gateway', 'error'))
answerParent(port, (payments) => blobs.expect(payments))
