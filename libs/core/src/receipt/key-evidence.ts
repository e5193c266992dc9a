import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from '../abi.js'
import * as Hex from '../hex.js'
import { portable, sign, type Primitives } from '../secp256k1.js'
import { accept, refuse, type Verdict } from '../verdict.js'

/** What a receipt key's evidence must speak of. */
export interface Binding {
  chainId: number
  /** TeeRegistry the key is to be registered in. */
  registry: Hex.Hex
  /** Address of the receipt key. */
  node: Hex.Hex
}

/** Report data of a key's quote: SHA-256(abi.encode("haca/keybinding/1", chainId, registry, node)) and 32 zero bytes; 64 bytes. */
export function reportData(binding: Binding): Uint8Array {
  const preimage = Abi.encode([
    { type: 'string', value: 'haca/keybinding/1' },
    { type: 'uint', value: binding.chainId },
    { type: 'address', value: binding.registry },
    { type: 'address', value: binding.node },
  ])
  const out = new Uint8Array(64)
  out.set(sha256(preimage), 0)
  return out
}

/** Media type of the simulator's evidence: a kind of its own, never mapped onto real hardware. */
export const simulatedMediaType = 'application/vnd.haca.simulated-evidence+json'

/** What the simulator signs. It proves that a process asked a simulator, and nothing about hardware. */
export interface SimulatedEvidence {
  kind: 'simulated'
  warning: 'SIMULATED: NOT HARDWARE'
  /** 64 bytes. */
  reportData: Hex.Hex
  /** Unix seconds. */
  issuedAt: number
  /** By the simulator's root key; 65 bytes. */
  signature: Hex.Hex
}

/** Issues simulated evidence; for the simulator and nobody else. */
export function issueSimulated(report: Uint8Array, issuedAt: number, rootKey: Uint8Array): Uint8Array {
  const evidence: SimulatedEvidence = {
    kind: 'simulated',
    warning: 'SIMULATED: NOT HARDWARE',
    reportData: Hex.fromBytes(report),
    issuedAt,
    signature: Hex.fromBytes(sign(simulatedDigest(report, issuedAt), rootKey)),
  }
  return utf8ToBytes(JSON.stringify(evidence))
}

export type SimulatedReason = 'simulated.malformed' | 'simulated.wrong-root' | 'simulated.stale'

/** Verifies simulated evidence under a given root. Whoever has no root to give refuses the kind as a whole. */
export function verifySimulated(
  bytes: Uint8Array,
  trust: { root: Hex.Hex; now: number; maxAgeSeconds: number },
  primitives: Primitives = portable,
): Verdict<{ reportData: Uint8Array; issuedAt: number }, SimulatedReason> {
  let evidence: Partial<SimulatedEvidence>
  try {
    evidence = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, 4096))) as Partial<SimulatedEvidence>
  } catch {
    return refuse('simulated.malformed')
  }
  const { kind, reportData: report, issuedAt, signature } = evidence ?? {}
  if (kind !== 'simulated' || !Hex.is(report, 64) || !Hex.is(signature, 65) || !Number.isSafeInteger(issuedAt)) return refuse('simulated.malformed')
  const by = primitives.recover(simulatedDigest(Hex.toBytes(report), issuedAt as number), Hex.toBytes(signature))
  if (!by || !Hex.equals(Hex.fromBytes(by), trust.root)) return refuse('simulated.wrong-root')
  if (Math.abs(trust.now - (issuedAt as number)) > trust.maxAgeSeconds) return refuse('simulated.stale')
  return accept({ reportData: Hex.toBytes(report), issuedAt: issuedAt as number })
}

const simulatedDigest = (report: Uint8Array, issuedAt: number): Uint8Array =>
  portable.keccak256(Abi.concat([utf8ToBytes('haca/simulated-evidence/1'), report, Abi.uint(issuedAt, 8)]))
