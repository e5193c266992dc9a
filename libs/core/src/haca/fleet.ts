import type { Hex } from '../hex.js'

/** What one node last said of itself, with what the chain says of its key. */
export interface Node {
  /** Address of the receipt key. */
  node: Hex
  /** Kafka pool it consumes. */
  pool: string
  /** See `Receipt.keyKinds`. */
  keyKind: number
  /** The policy's entry for its hardware, as a prover's affirming appraisal has it now, e.g. `snp-genoa`; `undefined` where none holds. */
  hardware: string | undefined
  modelHashes: readonly Hex[]
  /** Requests it holds, and the age of the oldest in milliseconds. */
  queueDepth: number
  oldestAgeMs: number
  serviceP50Ms: number
  serviceP99Ms: number
  /** False while draining. */
  accepting: boolean
  /** Requests it may hold before it is full. */
  queueLimit: number
  /** Unix milliseconds of its last heartbeat, by the router's clock. */
  seenAtMs: number
  /** Whether its key is registered and valid now, as read from the TeeRegistry. */
  registered: boolean
}

/** What is known of one hardware entry of the policy. */
export interface Hardware {
  /** Assurance it can give: `none` for a plain node key. */
  assurance: 'none' | 'tee'
  /** Probability per million that the hardware is compromised while a request runs. */
  compromisePpm: number
}

/** The policy a decision is taken under. */
export interface Policy {
  epoch: number
  /** Hardware entries that may be used; anything else is refused. */
  hardware: Readonly<Record<string, Hardware>>
  /** A node not heard of for longer is not live. */
  heartbeatMaxAgeMs: number
  /** Seconds a client may wait for an answer that was accepted. */
  deadlineSeconds: number
  /** What a proof takes and costs; absent where none are sold. */
  proving?: Proving
}

/** Proving time is linear in constraints; its price is for that time, on the hardware it was measured on. */
export interface Proving {
  fixedMs: number
  perMillionConstraintsMs: number
  /** Atomic units for one second of proving. */
  secondAtomic: bigint
}

/** Milliseconds a proof is predicted to take once it is begun. */
export const provingMs = (proving: Proving, constraints: number): number => Math.ceil(proving.fixedMs + (proving.perMillionConstraintsMs * constraints) / 1_000_000)

/** Atomic units a proof costs, rounded up. */
export const provingPrice = (proving: Proving, constraints: number): bigint => (proving.secondAtomic * BigInt(provingMs(proving, constraints)) + 999n) / 1_000n

/** A model as the registry and its manifest describe it. */
export interface RegisteredModel {
  modelHash: Hex
  name: string
  version: string
  /** Atomic units per row. */
  unitPrice: bigint
  publisher: Hex
  maxUnits: number
  retired: boolean
  /** Verification key when the model has a circuit, and what a proof of one row takes. */
  circuit?: { vkId: Hex; constraints: number }
}

/** Longest latency that is told apart: what a decision's hash has room for. */
export const latencyMaxMs = 2 ** 32 - 1

/** Milliseconds a new request would wait on a node and run, by its own figures. */
export const predictedLatencyMs = (node: Node): number => Math.min(latencyMaxMs, Math.max(node.oldestAgeMs, node.queueDepth * node.serviceP50Ms) + node.serviceP99Ms)
