import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from '../abi.js'
import * as Hex from '../hex.js'
import { portable } from '../secp256k1.js'

/** Why a candidate was not taken, or `eligible`. The number is its place in this list: append only. */
export const reasons = [
  'eligible',
  'hardware-not-allowed',
  'key-not-registered',
  'not-live',
  'draining',
  'queue-full',
  'too-slow',
  'over-budget',
  'assurance-too-low',
  'no-circuit',
  'not-appraised',
  'proof-not-sold',
  'proof-too-slow',
  'one-row-a-proof',
] as const
export type Reason = (typeof reasons)[number]

/** One way to serve a request: a method on a pool. */
export interface Candidate {
  /** See `Receipt.modes`. */
  mode: number
  pool: string
  hardware: string
  reason: Reason
  /** Predicted milliseconds to the answer. */
  latencyMs: number
  /** Atomic units the caller would pay. */
  price: bigint
  /** max(0, value at risk × compromise probability − slashable stake), in atomic units. */
  expectedLoss: bigint
}

/** Everything a decision was taken on; the hash of it rides in the offer. */
export interface Decision {
  modelHash: Hex.Hex
  /** Method taken. */
  mode: number
  units: number
  valueAtRisk: bigint
  deadlineMs: number
  /** Zero when the caller named none. */
  budget: bigint
  policyEpoch: number
  /** Unix milliseconds. */
  at: number
  candidates: readonly Candidate[]
}

/**
 * keccak256("haca/decision/1" ‖ modelHash:32 ‖ mode:1 ‖ units:4 ‖ valueAtRisk:16 ‖ deadlineMs:4 ‖ budget:16 ‖ policyEpoch:8 ‖ at:8 ‖
 * count:2 ‖ rows), one row per candidate: mode:1 ‖ keccak(pool):32 ‖ keccak(hardware):32 ‖ reason:2 ‖ latencyMs:4 ‖ price:16 ‖ expectedLoss:16.
 */
export function hash(decision: Decision): Hex.Hex {
  const text = (value: string): Uint8Array => portable.keccak256(utf8ToBytes(value))
  return Hex.fromBytes(
    portable.keccak256(
      Abi.concat([
        utf8ToBytes('haca/decision/1'),
        Hex.toBytes(decision.modelHash, 32),
        Abi.uint(decision.mode, 1),
        Abi.uint(decision.units, 4),
        Abi.uint(decision.valueAtRisk, 16),
        Abi.uint(decision.deadlineMs, 4),
        Abi.uint(decision.budget, 16),
        Abi.uint(decision.policyEpoch, 8),
        Abi.uint(decision.at, 8),
        Abi.uint(decision.candidates.length, 2),
        ...decision.candidates.flatMap((c) => [
          Abi.uint(c.mode, 1),
          text(c.pool),
          text(c.hardware),
          Abi.uint(reasons.indexOf(c.reason), 2),
          Abi.uint(c.latencyMs, 4),
          Abi.uint(c.price, 16),
          Abi.uint(c.expectedLoss, 16),
        ]),
      ]),
    ),
  )
}

/** JSON form, as a 402 shows it: amounts are decimal strings. */
export interface Json extends Omit<Decision, 'valueAtRisk' | 'budget' | 'candidates'> {
  valueAtRisk: string
  budget: string
  candidates: (Omit<Candidate, 'price' | 'expectedLoss'> & { price: string; expectedLoss: string })[]
}

export const toJson = (decision: Decision): Json => ({
  ...decision,
  valueAtRisk: decision.valueAtRisk.toString(),
  budget: decision.budget.toString(),
  candidates: decision.candidates.map((c) => ({ ...c, price: c.price.toString(), expectedLoss: c.expectedLoss.toString() })),
})

export const fromJson = (json: Json): Decision => ({
  ...json,
  valueAtRisk: BigInt(json.valueAtRisk),
  budget: BigInt(json.budget),
  candidates: json.candidates.map((c) => ({ ...c, price: BigInt(c.price), expectedLoss: BigInt(c.expectedLoss) })),
})
