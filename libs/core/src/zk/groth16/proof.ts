import { concat } from '../../abi.js'
import { accept, refuse, type Verdict } from '../../verdict.js'
import { checkG1, checkG2, decodeG1, decodeG2, encodeG1, encodeG2, type G1, G1_BYTES, type G2, G2_BYTES, type PointReason } from './point.js'
import { decimals, groth16Object, readG1, readG2, writeG1, writeG2 } from './snarkjs-json.js'

/** A Groth16 proof. Anyone can turn it into another valid proof of the same statement: never use it as an identity. */
export interface Proof {
  a: G1
  b: G2
  c: G1
}

export type ProofReason = PointReason | 'json'

/** Bytes of a proof: A, B, C. */
export const PROOF_BYTES = 2 * G1_BYTES + G2_BYTES

export const encodeProof = ({ a, b, c }: Proof): Uint8Array => concat([encodeG1(a), encodeG2(b), encodeG1(c)])

/** Reads a proof of exactly 256 bytes; every point must be one of its group and not infinity. */
export function decodeProof(bytes: Uint8Array): Verdict<Proof, PointReason> {
  if (bytes.length !== PROOF_BYTES) return refuse('length', `${bytes.length} bytes, and a proof has ${PROOF_BYTES}`, 'proof')
  const a = decodeG1(bytes.subarray(0, G1_BYTES), 'a')
  if (!a.ok) return a
  const c = decodeG1(bytes.subarray(G1_BYTES + G2_BYTES), 'c')
  if (!c.ok) return c
  const b = decodeG2(bytes.subarray(G1_BYTES, G1_BYTES + G2_BYTES), 'b')
  return b.ok ? accept({ a: a.value, b: b.value, c: c.value }) : b
}

/** Whether a proof's points count; `verify` asks the same. */
export function checkProof({ a, b, c }: Proof): Verdict<Proof, PointReason> {
  for (const [point, field] of [[a, 'a'], [c, 'c']] as const) {
    const checked = checkG1(point, field)
    if (!checked.ok) return checked
  }
  const checked = checkG2(b, 'b')
  return checked.ok ? accept({ a, b, c }) : checked
}

/** Reads snarkjs' `proof.json`. */
export function proofFromJson(json: unknown): Verdict<Proof, ProofReason> {
  const fields = groth16Object(json)
  const [a, b, c] = [readG1(fields?.['pi_a']), readG2(fields?.['pi_b']), readG1(fields?.['pi_c'])]
  if (!a || !b || !c) return refuse('json', 'not a Groth16 proof over bn128 as snarkjs writes it', 'proof')
  return checkProof({ a, b, c })
}

/** snarkjs' `proof.json`. */
export const proofToJson = ({ a, b, c }: Proof) => ({ pi_a: writeG1(a), pi_b: writeG2(b), pi_c: writeG1(c), protocol: 'groth16', curve: 'bn128' })

/** Reads snarkjs' `public.json`; `verify` asks whether the signals are in the field. */
export function signalsFromJson(json: unknown): Verdict<bigint[], 'json'> {
  const signals = decimals(json)
  return signals ? accept(signals) : refuse('json', 'public signals are a list of decimal texts', 'signals')
}

export const signalsToJson = (signals: readonly bigint[]): string[] => signals.map(String)
