import { modes, type Mode } from '../receipt/receipt.js'
import type { Verification, Wish } from '../tensor/body.js'
import { accept, refuse, type Refused } from '../verdict.js'
import type { Candidate, Decision, Reason } from './decision.js'
import { latencyMaxMs, predictedLatencyMs, provingMs, provingPrice, type Node, type Policy, type RegisteredModel } from './fleet.js'

/** What is to be routed. */
export interface Request {
  model: RegisteredModel
  wish: Wish
  /** Rows of work, at least 1. */
  units: number
}

export type Refusal = 'model-retired' | 'no-live-pool' | 'no-circuit' | 'proof-not-sold' | 'proof-too-slow' | 'one-row-a-proof' | 'over-budget' | 'too-slow' | 'assurance-too-low' | 'too-many-units'

/** Least assurance a wish accepts; `auto` takes whatever is cheapest once expected loss is counted. */
const wanted: Record<Verification, number> = { auto: 1, tee: 1, zkml: 2, 'tee+zkml': 3 }

/** Order of assurance: none < tee < zkml ≤ tee+zkml. */
const assurance: Record<Mode, number> = { none: 0, tee: 1, zkml: 2, 'tee+zkml': 3 }

/**
 * Which verification at what price. Pure: the same request, fleet, policy and time give the same decision, which is
 * returned whole, with every candidate and its reason, so that "why TEE?" can be answered years later.
 */
export function route(request: Request, fleet: readonly Node[], policy: Policy, now: number): { ok: true; value: Decision } | (Refused<Refusal> & { candidates: readonly Candidate[] }) {
  const { model, wish, units } = request
  if (model.retired) return { ...refuse('model-retired', `${model.name} was retired by its publisher`), candidates: [] }
  if (units > model.maxUnits) return { ...refuse('too-many-units', `${model.name} takes at most ${model.maxUnits} rows in one request`), candidates: [] }
  const candidates = fleet
    .filter((node) => node.modelHashes.includes(model.modelHash))
    .flatMap((node) => (['tee', 'zkml', 'tee+zkml'] as const).map((mode) => candidate(mode, node, request, policy, now)))
  const eligible = candidates.filter((c) => c.reason === 'eligible')
  if (eligible.length === 0) return { ...refusal(candidates, wish.verification), candidates }
  const best = eligible.reduce((a, b) => (cost(b) < cost(a) ? b : a))
  return accept({
    modelHash: model.modelHash,
    mode: best.mode,
    units,
    valueAtRisk: wish.valueAtRisk,
    deadlineMs: wish.deadlineMs,
    budget: wish.budget ?? 0n,
    policyEpoch: policy.epoch,
    at: now,
    candidates,
  })
}

const cost = (c: Candidate): bigint => c.price + c.expectedLoss

function candidate(mode: Mode, node: Node, request: Request, policy: Policy, now: number): Candidate {
  const { model, wish, units } = request
  const proof = mode === 'tee' ? { ms: 0, price: 0n } : proofOf(model, policy)
  const price = model.unitPrice * BigInt(units) + proof.price
  // tee+zkml answers by its hardware and proves afterwards; zkml alone is worth nothing before its proof.
  const latencyMs = Math.min(latencyMaxMs, predictedLatencyMs(node) + (mode === 'zkml' ? proof.ms : 0))
  const compromisePpm = mode === 'tee' ? (hardwareOf(node, policy)?.compromisePpm ?? 0) : 0
  return {
    mode: modes[mode],
    pool: node.pool,
    hardware: node.hardware ?? '',
    reason: judge(mode, node, { wish, model, units, price, latencyMs, proofMs: proof.ms }, policy, now),
    latencyMs,
    price,
    expectedLoss: (wish.valueAtRisk * BigInt(compromisePpm)) / 1_000_000n,
  }
}

/** What the proof of one row takes and costs; nothing where none can be had. */
const proofOf = ({ circuit }: RegisteredModel, { proving }: Policy): { ms: number; price: bigint } =>
  circuit && proving ? { ms: provingMs(proving, circuit.constraints), price: provingPrice(proving, circuit.constraints) } : { ms: 0, price: 0n }

function judge(
  mode: Mode,
  node: Node,
  offer: { wish: Wish; model: RegisteredModel; units: number; price: bigint; latencyMs: number; proofMs: number },
  policy: Policy,
  now: number,
): Reason {
  if (mode !== 'zkml') {
    const trusted = trust(node, policy)
    if (trusted !== 'eligible') return trusted
  }
  if (mode !== 'tee' && offer.model.circuit === undefined) return 'no-circuit'
  if (mode !== 'tee' && policy.proving === undefined) return 'proof-not-sold'
  if (mode !== 'tee' && offer.units > 1) return 'one-row-a-proof'
  if (assurance[mode] < wanted[offer.wish.verification]) return 'assurance-too-low'
  const live = liveness(node, policy, now)
  if (live !== 'eligible') return live
  if (offer.wish.deadlineMs > 0 && offer.latencyMs > offer.wish.deadlineMs) return mode === 'zkml' && offer.latencyMs - offer.proofMs <= offer.wish.deadlineMs ? 'proof-too-slow' : 'too-slow'
  if (offer.wish.budget !== undefined && offer.price > offer.wish.budget) return 'over-budget'
  return 'eligible'
}

const hardwareOf = ({ hardware }: Node, policy: Policy) => (hardware === undefined ? undefined : policy.hardware[hardware])

/** Whether a node's hardware may vouch for an answer: a prover affirms it now, and the policy's entry gives assurance. */
export function trust(node: Node, policy: Policy): Reason {
  if (node.hardware === undefined) return 'not-appraised'
  return hardwareOf(node, policy)?.assurance === 'tee' ? 'eligible' : 'hardware-not-allowed'
}

/** Whether a node may be given work now, whatever the work. */
export function liveness(node: Node, policy: Policy, now: number): Reason {
  if (now - node.seenAtMs > policy.heartbeatMaxAgeMs) return 'not-live'
  if (!node.accepting) return 'draining'
  if (!node.registered) return 'key-not-registered'
  if (node.queueDepth >= node.queueLimit) return 'queue-full'
  return 'eligible'
}

const unprovable = {
  'one-row-a-proof': 'a proof is of one row; ask for each row by itself',
  'proof-not-sold': 'no proofs are sold here',
}

/** The reason that helps the caller most: what they could change comes before what they can only wait for. */
function refusal(candidates: readonly Candidate[], verification: Verification): Refused<Refusal> {
  const relevant = candidates.filter((c) => c.reason !== 'assurance-too-low' && (verification !== 'auto' || c.mode === modes.tee))
  const has = (reason: Reason): boolean => relevant.some((c) => c.reason === reason)
  if (has('over-budget')) return refuse('over-budget', `the cheapest way costs ${relevant.filter((c) => c.reason === 'over-budget').map((c) => c.price).reduce((a, b) => (a < b ? a : b))} atomic units`, 'budget')
  const fastest = (reason: Reason): number => Math.min(...relevant.filter((c) => c.reason === reason).map((c) => c.latencyMs))
  if (has('too-slow')) return refuse('too-slow', `the fastest way takes about ${fastest('too-slow')} ms`, 'deadlineMs')
  const proof = wanted[verification] > wanted.tee
  if (proof && has('proof-too-slow')) return refuse('proof-too-slow', `with its proof the fastest way takes about ${fastest('proof-too-slow')} ms`, 'deadlineMs')
  for (const reason of ['one-row-a-proof', 'proof-not-sold'] as const) if (proof && has(reason)) return refuse(reason, unprovable[reason], 'verification')
  if (relevant.length > 0 && relevant.every((c) => c.reason === 'no-circuit')) return refuse('no-circuit', 'the model has no zero-knowledge circuit', 'verification')
  return refuse('no-live-pool', 'no live pool serves this model now; try again later')
}
