import type { PaymentPayload, PaymentRequired, SettleResponse } from '@x402/core/types'
import { Digest, Hex, Offer, PaymentHeader, Receipt, type Decision, type Money } from '@haca/core'
import type { TrustAnchors } from '@haca/core/tee'
import { memoryCalls, type Call, type CallStore } from './calls.js'
import { chooseOffer, readRequired } from './choose-offer.js'
import { HacaError } from './errors.js'
import { networkFrom, type Network } from './network.js'
import type { PaymentSigner } from './signer.js'
import { fetchArchive, type Shelf } from './verify/attestation.js'
import type { Bundle } from './verify/bundle.js'
import { readLiveKeys, type LiveKeys } from './verify/live-keys.js'
import { verify, type ChainReader, type Report } from './verify/verify.js'

export interface ClientOptions {
  /** Origin of the gateway. */
  url: string
  /** Who pays. Without one, only what is free can be called. */
  signer?: PaymentSigner
  /** Most that any call may cost, in atomic units. No default: a limit nobody stated is no limit. */
  maxPriceAtomic?: Money.Atomic
  /** The deployment to trust. Without it, what the gateway says of itself is believed, and every report says so. */
  network?: Network
  /** Reads of the chain, for `verify`; see `chainReader`. */
  chain?: ChainReader
  /** Hardware roots to trust instead of the vendors' pinned in the source; simulated keys count for nothing unless their root is among these. */
  roots?: TrustAnchors
  /** Where calls are kept so that none is paid twice. */
  calls?: CallStore
  fetch?: typeof fetch
  /** Milliseconds one attempt may take. */
  attemptTimeoutMs?: number
}

/** A named tensor, row-major, as the Open Inference Protocol writes it. */
export interface TensorInput {
  name: string
  shape: number[]
  datatype?: string
  data: (number | string | boolean)[]
}

export interface InferenceRequest {
  model: string
  inputs: TensorInput[]
  /** Default `auto`. */
  verification?: 'auto' | 'tee' | 'zkml' | 'tee+zkml'
  /** Atomic units that depend on the answer; the router weighs them. */
  valueAtRisk?: Money.Atomic
  deadlineMs?: number
  budget?: Money.Atomic
  /** How the chain is shown the proof, where one is bought: with others, alone, or only in a dispute. */
  proofSettlement?: 'batch' | 'single' | 'dispute'
}

export interface InferOptions {
  /** Name of this logical call. The same id never pays twice: it returns the same answer. Drawn when absent. */
  callId?: string
  /** Most this call may cost; default the client's maximum. */
  maxPriceAtomic?: Money.Atomic
  /** Milliseconds to hold the answer until its payment is settled. */
  waitSettledMs?: number
  /**
   * Pays before the work instead of after it, as a gateway asks of payers who owe, or of whom it risks no more (`upfront_payment_required`). What is not
   * delivered is paid back from the vault. Fixed once a call is signed: a payment that was not taken needs a call id of its own.
   */
  upfront?: boolean
  /** Milliseconds to go on asking for an answer that is late. */
  timeoutMs?: number
}

export interface Quote {
  model: string
  modelHash: Hex.Hex
  verification: string
  units: number
  /** Atomic units. */
  amount: Money.Atomic
  price: string
  predictedLatencyMs: number
  paymentRequired: PaymentRequired
  decision: Decision.Json
}

export interface Output {
  name: string
  datatype: string
  shape: number[]
  data: (number | string | boolean)[]
}

/** An answer with everything needed to check it, now or years later. */
export interface Inference {
  callId: string
  requestId: Hex.Hex
  model: string
  outputs: Output[]
  /** The exact bytes that were asked and answered; the receipt's hashes are over these. */
  request: string
  answer: string
  salt: Hex.Hex
  /** EIP-3009 nonce, derived from the request: it proves what the payment was for. */
  nonce: Hex.Hex
  receipt: Receipt.Signed
  /** Set when the answer was held until settled. */
  settlement: SettleResponse | undefined
  /** True: the signing key is simulated, and no hardware vouches for anything. */
  simulated: boolean
  /** The signed offer, and the router's whole decision behind it. */
  offer: Offer.Json
  decision: Decision.Json | undefined
  /** Milliseconds each hop took, as the gateway tells them. */
  hops: Record<string, number>
}

const attempts = 6

/** How much later than its batch a payment may be heard of. */
const paymentLagMs = 3_000

/** What says nothing of a call: something on the way to the gateway, or behind it, is away or asks for patience. A payment that was sent may have been taken. */
const passing: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/** The payer's client: asks, pays once per call, checks. */
export class HacaClient {
  readonly #fetch: typeof fetch
  readonly #calls: CallStore
  #network: Promise<Network> | undefined

  constructor(readonly options: ClientOptions) {
    this.#fetch = options.fetch ?? globalThis.fetch
    this.#calls = options.calls ?? memoryCalls()
  }

  /** Models that are sold, as the gateway lists them. */
  async models(): Promise<unknown[]> {
    return ((await this.#getJson('/v1/models')) as { models: unknown[] }).models
  }

  /** Price and method for a request; never charged. */
  async quote(request: InferenceRequest): Promise<Quote> {
    const response = await this.#post('/v1/quotes', bodyOf(request), {})
    if (response.status !== 200) throw await refused(response)
    const json = (await response.json()) as Omit<Quote, 'amount'> & { amount: string }
    return { ...json, amount: BigInt(json.amount) }
  }

  /** Runs a model once and pays for it once. */
  async infer(request: InferenceRequest, options: InferOptions = {}): Promise<Inference> {
    const call = await this.#prepare(request, options)
    const response = await this.#insist(call, options)
    return this.#read(call, response)
  }

  /**
   * Waits until a request's receipt is anchored (or, with `until: 'settled'`, its payment collected) and gives the whole bundle. With a
   * chain to read, anchored means behind the tag from which nothing is taken back. A void receipt has no payment; and a gateway lets go of
   * what it knows of payments an hour after they expired: then `payment` is null, and what was collected is in `inclusion`.
   */
  async waitForSettlement(requestId: Hex.Hex, options: { until?: 'settled' | 'anchored'; timeoutMs?: number } = {}): Promise<Bundle> {
    const { until = 'anchored', timeoutMs = 180_000 } = options
    let anchoredAt: number | undefined
    for (const deadline = Date.now() + timeoutMs; ; await pause(500)) {
      const bundle = await this.receipt(requestId)
      if (bundle.payment && until === 'settled') return bundle
      if (await this.#isAnchored(bundle)) anchoredAt ??= Date.now()
      // The gateway may hear of the batch before it hears of the payment in it.
      if (anchoredAt !== undefined && (bundle.payment || bundle.inclusion?.collected === '0' || Date.now() - anchoredAt > paymentLagMs)) return bundle
      if (Date.now() > deadline) throw new HacaError('not-answered-yet', `not ${until} within ${timeoutMs} ms`, { requestId })
    }
  }

  async #isAnchored({ inclusion }: Bundle): Promise<boolean> {
    if (!inclusion?.anchor) return false
    return !this.options.chain || (await this.options.chain.headerOf(inclusion.header.id)) !== Hex.zero32
  }

  /** The receipt bundle as it is now. */
  async receipt(requestId: Hex.Hex): Promise<Bundle> {
    return (await this.#getJson(`/v1/receipts/${requestId}`)) as Bundle
  }

  /** A bundle with everything its attestation names, so that it can be checked years later with nobody to ask. */
  async archived(bundle: Bundle): Promise<Bundle> {
    if (!bundle.attestation || bundle.archive) return bundle
    const archive = await fetchArchive(bundle.attestation, (shelf, digest) => this.#getBytes(shelf, digest))
    const removals = await this.options.chain?.removals?.()
    return { ...bundle, archive: { ...archive, ...(removals ? { removals } : {}) } }
  }

  /** The keys that live now, by a gateway's statement over a nonce of our own. */
  async liveKeys(): Promise<LiveKeys> {
    const nonce = Hex.fromBytes(crypto.getRandomValues(new Uint8Array(32)))
    return readLiveKeys(await this.#getJson(`/v1/attestation?nonce=${nonce}`), nonce, await this.network())
  }

  /** Checks an answer, or a bundle by itself, and says of every claim what it rests on. */
  async verify(subject: { bundle: Bundle; inference?: Inference }): Promise<Report> {
    const { inference } = subject
    const bundle = await this.archived(subject.bundle)
    const network = await this.network()
    return verify(
      {
        bundle,
        ...(inference ? { request: inference.request, answer: inference.answer, salt: inference.salt, nonce: inference.nonce, offer: inference.offer } : {}),
        ...(inference?.decision ? { decision: inference.decision } : {}),
      },
      { network, pinned: this.options.network !== undefined, ...(this.options.chain ? { chain: this.options.chain } : {}), ...(this.options.roots ? { roots: this.options.roots } : {}) },
    )
  }

  /** The deployment this client trusts. */
  network(): Promise<Network> {
    return (this.#network ??= this.options.network ? Promise.resolve(this.options.network) : this.#getJson('/v1/models').then(networkFrom))
  }

  /** The call as it will be sent for ever: found by its id, or asked for, priced and signed. */
  async #prepare(request: InferenceRequest, options: InferOptions): Promise<Call> {
    const id = options.callId ?? crypto.randomUUID()
    const known = await this.#calls.get(id)
    const body = bodyOf(request)
    if (known) {
      if (known.body !== body) throw new HacaError('refused', `call id "${id}" was used for another request`)
      return known
    }
    const salt = Hex.fromBytes(crypto.getRandomValues(new Uint8Array(32)))
    const unpaid = await this.#post('/v1/inference', body, { 'haca-salt': salt })
    if (unpaid.status !== 402) throw await refused(unpaid)
    const required = readRequired(unpaid)
    const { decision } = (await unpaid.json().catch(() => ({}))) as { decision?: Decision.Json }
    const signed = { ...(await this.#sign(required, { body, salt, request }, options)), decision }
    const kept = await this.#calls.putOnce({ id, body, salt, ...signed })
    if (kept.body !== body) throw new HacaError('refused', `call id "${id}" was used for another request`)
    return kept
  }

  async #sign(required: PaymentRequired, { body, salt, request }: { body: string; salt: Hex.Hex; request: InferenceRequest }, options: InferOptions): Promise<{ payment: string; nonce: Hex.Hex; offer: Offer.Json }> {
    const { signer } = this.options
    const maximum = options.maxPriceAtomic ?? this.options.maxPriceAtomic
    if (!signer) throw new HacaError('price-above-maximum', 'this client has no signer and cannot pay')
    if (maximum === undefined) throw new HacaError('price-above-maximum', 'state a maximum: maxPriceAtomic, for the client or for the call')
    const network = await this.network()
    const { requirements: chosen, offer, amount } = chooseOffer(required, network, maximum, request)
    const requirements = options.upfront ? { ...chosen, extra: { ...chosen.extra, paymentFlow: 'upfront' } } : chosen
    const now = Math.floor(Date.now() / 1000)
    const nonce = Digest.boundNonce(Digest.requestHash(Hex.toBytes(salt), new TextEncoder().encode(body)))
    const authorization = { from: signer.address, to: requirements.payTo as Hex.Hex, value: amount, validAfter: now - 600, validBefore: now + requirements.maxTimeoutSeconds, nonce }
    const signature = await signer.sign(authorization, network.token, network.chainId)
    const payload: PaymentPayload = {
      x402Version: 2,
      resource: required.resource,
      accepted: requirements,
      payload: { signature, authorization: { ...authorization, value: amount.toString(), validAfter: String(authorization.validAfter), validBefore: String(authorization.validBefore) } },
    }
    return { payment: PaymentHeader.encode(payload), nonce, offer: Offer.toJson(offer) }
  }

  /** Sends the same signed call until it has an answer. Only the answer to the first signature is ever taken: a second 402 is an error, not a reason to sign. */
  async #insist(call: Call, options: InferOptions): Promise<Response> {
    const headers = { 'haca-salt': call.salt, [PaymentHeader.names.signature]: call.payment, ...(options.waitSettledMs === undefined ? {} : { prefer: `wait=${Math.ceil(options.waitSettledMs / 1000)}` }) }
    const deadline = Date.now() + (options.timeoutMs ?? 300_000)
    let last: unknown
    let said: HacaError | undefined
    for (let failures = 0; Date.now() < deadline && failures < attempts; ) {
      const response = await this.#post('/v1/inference', call.body, headers).catch((error: unknown) => {
        last = error
        return undefined
      })
      if (response?.status === 200) return response
      if (response?.status === 402) throw new HacaError('payment-not-taken', notTaken(reasonOf(response)), { callId: call.id })
      if (response && response.status !== 202 && !passing.has(response.status)) throw await refused(response, { callId: call.id })
      if (!response || response.status !== 202) failures++
      if (response && response.status !== 202) said = await refused(response)
      await pause(retryAfterMs(response) ?? 500 * 2 ** failures)
    }
    throw new HacaError(last ? 'unreachable' : 'not-answered-yet', `no answer in time${said ? ` (${said.message})` : ''}; the same call id asks again without paying again`, { callId: call.id }, { cause: last ?? said })
  }

  /** Believes an answer only when its receipt is signed, and speaks of exactly these bytes. */
  async #read(call: Call, response: Response): Promise<Inference> {
    const answer = await response.text()
    const header = response.headers.get('haca-receipt')
    const salt = response.headers.get('haca-salt')
    if (!header || salt !== call.salt) throw inauthentic('the answer carries no receipt for this request')
    const { receipt: json, signature } = JSON.parse(fromBase64Url(header)) as { receipt: unknown; signature: Hex.Hex }
    const receipt: Receipt.Signed = { receipt: Receipt.fromJson(json), signature }
    const network = await this.network()
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
    if (!Receipt.isSigned(receipt, { chainId: network.chainId, log: network.settlementLog })) throw inauthentic('the receipt is not signed by its node')
    if (receipt.receipt.requestHash !== Digest.requestHash(Hex.toBytes(call.salt), bytes(call.body))) throw inauthentic('the receipt is for another request')
    if (receipt.receipt.outputHash !== Digest.outputHash(Hex.toBytes(call.salt), bytes(answer))) throw inauthentic('the answer was altered after it was signed')
    const { model, outputs } = JSON.parse(answer) as { model: string; outputs: Output[] }
    const settled = response.headers.get(PaymentHeader.names.response)
    const settlement = settled ? PaymentHeader.decodeResponse(settled) : undefined
    return {
      callId: call.id,
      requestId: receipt.receipt.requestId,
      ...{ model, outputs, answer, receipt },
      request: call.body,
      salt: call.salt,
      nonce: call.nonce,
      settlement: settlement?.ok ? settlement.value : undefined,
      simulated: receipt.receipt.keyKind === Receipt.keyKinds.simulated,
      offer: call.offer,
      decision: call.decision,
      hops: readHops(response),
    }
  }

  async #post(path: string, body: string, headers: Record<string, string>): Promise<Response> {
    const signal = AbortSignal.timeout(this.options.attemptTimeoutMs ?? 100_000)
    return this.#fetch(new URL(path, this.options.url), { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body, signal }).catch((cause: unknown) => {
      throw new HacaError('unreachable', `${this.options.url} does not answer`, {}, { cause })
    })
  }

  async #getJson(path: string): Promise<unknown> {
    return (await this.#get(path)).json()
  }

  /** Bytes by their digest, which whoever uses them computes again; nothing where the gateway has none. */
  async #getBytes(shelf: Shelf, digest: Hex.Hex): Promise<Uint8Array | undefined> {
    try {
      return new Uint8Array(await (await this.#get(`/v1/${shelf}/${digest}`)).arrayBuffer())
    } catch (error) {
      if (error instanceof HacaError && error.details.status === 404) return undefined
      throw error
    }
  }

  async #get(path: string): Promise<Response> {
    for (let failures = 0; ; failures++) {
      const response = await this.#fetch(new URL(path, this.options.url), { signal: AbortSignal.timeout(30_000) }).catch((cause: unknown) => {
        if (failures >= attempts) throw new HacaError('unreachable', `${this.options.url} does not answer`, {}, { cause })
        return undefined
      })
      if (response?.status === 200) return response
      if (response && (response.status !== 503 || failures >= attempts)) throw await refused(response)
      await pause(retryAfterMs(response) ?? 200 * 2 ** failures)
    }
  }
}

/** The bytes of a request. Made once per call: hashing, paying and sending must all see the same ones. */
function bodyOf(request: InferenceRequest): string {
  const { valueAtRisk, budget, ...rest } = request
  return JSON.stringify({ ...rest, ...(valueAtRisk === undefined ? {} : { valueAtRisk: valueAtRisk.toString() }), ...(budget === undefined ? {} : { budget: budget.toString() }) })
}

/** A problem+json answer as an error that keeps its code, field and detail. */
async function refused(response: Response, more: Readonly<Record<string, unknown>> = {}): Promise<HacaError> {
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; field?: string; title?: string }
  const where = problem.field ? `${problem.field}: ` : ''
  return new HacaError('refused', `${response.status} ${problem.code ?? ''} ${where}${problem.detail ?? problem.title ?? response.statusText}`.trim(), { status: response.status, ...problem, ...more })
}

const notTaken = (reason = 'no reason given'): string =>
  `the signed payment was not taken: ${reason}${reason === 'upfront_payment_required' ? '; make another call that pays before the work (upfront)' : ''}`

/** Why a 402 did not take a payment, as far as it can be read. */
function reasonOf(response: Response): string | undefined {
  try {
    return readRequired(response).error
  } catch {
    return undefined
  }
}

const inauthentic = (message: string): HacaError => new HacaError('answer-not-authentic', message)

function retryAfterMs(response: Response | undefined): number | undefined {
  const header = response?.headers.get('retry-after')
  return header && /^\d{1,4}$/.test(header) ? Number(header) * 1000 : undefined
}

/** `Server-Timing` as milliseconds by name. */
function readHops(response: Response): Record<string, number> {
  const entries = (response.headers.get('server-timing') ?? '').matchAll(/([a-z-]+);dur=([0-9.]+)/g)
  return Object.fromEntries([...entries].map(([, name, ms]) => [name as string, Number(ms)]))
}

const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, Math.min(ms, 10_000)))

const fromBase64Url = (text: string): string => new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0)))
