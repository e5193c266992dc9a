import type { PaymentPayload, PaymentRequired } from '@x402/core/types'
import { Exact, Hex, Payment, PaymentHeader, Secp256k1 } from '@haca/core'
import { randomBytes } from 'node:crypto'

/** A wallet of a test, and what it can sign. */
export interface Wallet {
  address: Hex.Hex
  privateKey: Hex.Hex
}

export const newWallet = (): Wallet => {
  const key = randomBytes(32)
  return { address: Secp256k1.addressOfKey(key), privateKey: Hex.fromBytes(key) }
}

/** What a payer may get wrong on purpose. */
export interface Twist {
  authorization?: Partial<Exact.Authorization>
  accepted?: Record<string, unknown>
  /** Signs with another key. */
  by?: Wallet
}

/** Signs the first entry of a 402, with a fresh nonce unless a twist says otherwise. */
export function signPayment(required: PaymentRequired, wallet: Wallet, twist: Twist = {}): { header: string; payload: PaymentPayload; authorization: Exact.Authorization } {
  const [entry] = required.accepts
  if (!entry) throw new Error('the 402 accepts nothing')
  const accepted = { ...entry, ...twist.accepted }
  const now = Math.floor(Date.now() / 1000)
  const authorization: Exact.Authorization = {
    from: wallet.address,
    to: entry.payTo as Hex.Hex,
    value: BigInt(entry.amount),
    validAfter: now - 60,
    validBefore: now + entry.maxTimeoutSeconds,
    nonce: Hex.fromBytes(randomBytes(32)),
    ...twist.authorization,
  }
  const { name, version } = entry.extra as { name: string; version: string }
  const separator = Payment.tokenSeparator({ address: entry.asset as Hex.Hex, name, version, chainId: Exact.chainId(entry.network) })
  const signature = Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, separator), Hex.toBytes((twist.by ?? wallet).privateKey)))
  const payload: PaymentPayload = {
    x402Version: 2,
    accepted: accepted as PaymentPayload['accepted'],
    payload: {
      signature,
      authorization: { ...authorization, value: authorization.value.toString(), validAfter: String(authorization.validAfter), validBefore: String(authorization.validBefore) },
    },
  }
  return { header: PaymentHeader.encode(payload), payload, authorization }
}

/** Calls one gateway as a plain HTTP client. */
export class Caller {
  constructor(readonly origin: string) {}

  infer(body: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.origin}/v1/inference`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body, signal: AbortSignal.timeout(60_000) })
  }

  /** The object a 402 carries. Throws when the answer is not a 402. */
  async required(body: string): Promise<PaymentRequired> {
    return requiredOf(await this.infer(body))
  }

  pay(body: string, header: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.infer(body, { 'payment-signature': header, ...headers })
  }

  async json(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${this.origin}${path}`)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
}

export function requiredOf(response: Response): PaymentRequired {
  const header = response.headers.get('payment-required')
  if (response.status !== 402 || !header) throw new Error(`expected a 402, got ${response.status}`)
  const decoded = PaymentHeader.decodeRequired(header)
  if (!decoded.ok) throw new Error(decoded.detail)
  return decoded.value
}
