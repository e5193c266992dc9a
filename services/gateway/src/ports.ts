import type { Hex, Lifecycle, Payment, Tensor } from '@haca/core'
import type { AssignResponse, ListModelsResponse, RouteRequest, RouteResponse } from '@haca/proto'

/** Names a claim. The payer is part of it, so that one round trip reaches claim and exposure together. */
export type ClaimId = Pick<Claim, 'paymentId' | 'payer'>

/** What is remembered of one paid request. Redis holds it and may lose it; Kafka can rebuild it. */
export interface Claim {
  paymentId: Hex.Hex
  requestId: Hex.Hex
  fingerprint: Hex.Hex
  payer: Hex.Hex
  /** Atomic units. */
  amount: bigint
  flow: Payment.Flow
  state: Lifecycle.State
  /** Unix seconds. */
  validBefore: number
  acceptedAtMs: number
  /** Why it is void or unpaid. */
  code?: string
  detail?: string
  /** Transaction that collected the payment, and its block. */
  transaction?: Hex.Hex
  blockNumber?: number
}

export type Exposure = 'insufficient-balance' | 'contract-payer' | 'debtor' | 'payer-cap' | 'total-cap'

export type Reserved =
  | { outcome: 'reserved' }
  /** The same request was here before. */
  | { outcome: 'existing'; claim: Claim }
  /** The payment belongs to another request. */
  | { outcome: 'conflict' }
  /** More than we may risk on this payer; `upfront` may still be possible. */
  | { outcome: 'exposed'; reason: Exposure }
  /** The payer's balance is not known freshly enough: `setPayer`, then again. */
  | { outcome: 'stale-payer' }
  /** Claims were lost and are being rebuilt. */
  | { outcome: 'not-ready' }

export interface ExposureLimits {
  payerCap: bigint
  totalCap: bigint
  balanceMaxAgeMs: number
}

/** An identifier as a payer used it for a payment. */
export interface IdentifierUse {
  payer: Hex.Hex
  /** keccak256 of the identifier. */
  identifier: Hex.Hex
  paymentId: Hex.Hex
  /** Unix seconds. */
  validBefore: number
}

/** What the chain says of a payer. */
export interface PayerFacts {
  balance: bigint
  /** Code at the address, or the token has it blacklisted: an EOA signature will not be honoured. */
  contract: boolean
}

/**
 * Claims on payments, and the exposure ledger, atomically together. Every method rejects with a retryable AppError when the store is
 * away; none ever answers "empty" instead.
 */
export interface Claims {
  /** Resolves when the store answers. */
  open(): Promise<void>
  /** Claims a payment for a request before any work, if what we risk allows it. One call, one atomic step. */
  reserve(claim: Omit<Claim, 'state'>, limits: ExposureLimits, nowMs: number): Promise<Reserved>
  /**
   * The payment that a payer's identifier (x402 `payment-identifier`) stands for: this one, when it stood for none or for `instead`. Kept as long as a claim.
   */
  identify(use: IdentifierUse, nowMs: number, instead?: Hex.Hex): Promise<Hex.Hex>
  /** Takes over a reserved claim whose owner has not published it within the lease. True for exactly one caller. */
  takeOver(paymentId: Hex.Hex, nowMs: number): Promise<boolean>
  /** Undoes a reservation for which nothing was published. */
  release(paymentId: Hex.Hex): Promise<void>
  /** Moves a claim along the lifecycle, with what is now known of it. `missing` when there is no such claim. One that was paid and is void now establishes nobody. */
  transition(claim: ClaimId, to: Lifecycle.State, patch?: Partial<Pick<Claim, 'code' | 'detail' | 'transaction' | 'blockNumber'>>): Promise<Lifecycle.Transition | 'missing'>
  /** Marks an upfront payment as collected: its exposure ends, its work begins. */
  paid(claim: ClaimId, patch: Pick<Claim, 'transaction' | 'blockNumber'>): Promise<Lifecycle.Transition | 'missing'>
  /** Puts a claim back as Kafka knows it; nothing when it is there. */
  restore(claim: Claim): Promise<void>
  byPayment(paymentId: Hex.Hex): Promise<Claim | undefined>
  byRequest(requestId: Hex.Hex): Promise<Claim | undefined>
  setPayer(payer: Hex.Hex, read: () => Promise<PayerFacts>, nowMs: number): Promise<void>
  /** Claims whose payment expired at least `graceMs` ago and that are not final, oldest first. */
  overdue(nowMs: number, graceMs: number, most: number): Promise<Claim[]>
  /** Looks at an overdue claim again later. */
  postpone(paymentId: Hex.Hex, untilMs: number): Promise<void>
  /** Whether claims are whole. */
  ready(): Promise<boolean>
  /** Says that claims are whole. False, and nothing is said, where the rebuilder's lease was lost meanwhile: then what it restored may be lost too. */
  markReady(rebuilder: string): Promise<boolean>
  /** Takes the lease of rebuilding, if nobody holds it. */
  leaseRebuild(rebuilder: string, leaseMs: number): Promise<boolean>
  /** Renews a lease that is still held. */
  renewRebuild(rebuilder: string, leaseMs: number): Promise<boolean>
  /** Tells the instance that waits for a request that something happened to it. */
  notify(instance: string, requestId: Hex.Hex): Promise<void>
  /** Hears what is told to this instance. */
  listen(instance: string, hear: (requestId: Hex.Hex) => void): Promise<void>
  ping(): Promise<boolean>
  close(): Promise<void>
}

/** The router, as the gateway asks it: for a decision, for a pool, for the models. Rejects when it cannot be asked. */
export interface Router {
  route(request: Omit<RouteRequest, '$typeName'>): Promise<RouteResponse>
  assign(request: { modelHash: Hex.Hex; mode: number; requestId: Hex.Hex }): Promise<AssignResponse>
  listModels(): Promise<ListModelsResponse>
}

/** A model as callers see it. */
export interface ModelView {
  modelHash: Hex.Hex
  name: string
  version: string
  description: string
  inputs: Tensor.Spec[]
  outputs: Tensor.Spec[]
  unitPrice: bigint
  publisher: Hex.Hex
  verifications: string[]
  pools: string[]
  maxUnits: number
  accuracy: string
  labels: string[]
}

/** Reads of payers on chain. Rejects when the chain cannot be asked. */
export interface Payers {
  read(payer: Hex.Hex): Promise<PayerFacts>
}
