import { bn254 } from '@noble/curves/bn254.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import * as Abi from '../../abi.js'
import { assert } from '../../errors.js'
import type { Hex } from '../../hex.js'
import * as Field from '../field.js'
import { accept, refuse, type Verdict } from '../../verdict.js'
import { type G1Point, type PointReason, pointG1, pointG2 } from './point.js'
import { checkProof, encodeProof, type Proof } from './proof.js'
import { checkKey, keyId, type KeyReason, type VerificationKey } from './verification-key.js'

type Lines = ReturnType<typeof bn254.utils.calcPairingPrecomputes>
type Target = ReturnType<typeof bn254.millerLoopBatch>

/** A key whose points were checked, with everything computed that does not depend on a proof. Make it once, keep it. */
export interface PreparedKey {
  readonly id: Hex
  /** Number of public signals. */
  readonly signals: number
  readonly inputs: readonly G1Point[]
  readonly alpha: G1Point
  readonly betaLines: Lines
  readonly gammaLines: Lines
  readonly deltaLines: Lines
  /** e(alpha, beta) before the final exponentiation, which is shared with the proof's pairings. */
  readonly alphaBeta: Target
}

export type VerifyReason = PointReason | 'signal-count' | 'signal-range' | 'equation'

/** Bits of the windows of input points: a multiplication by a signal is then some forty additions. */
const WINDOW = 8

/** Checks a key and computes what all verifications share. Costs some 50 ms. */
export function prepare(key: VerificationKey): Verdict<PreparedKey, KeyReason> {
  const checked = checkKey(key)
  if (!checked.ok) return checked
  const lines = bn254.utils.calcPairingPrecomputes
  const alpha = pointG1(key.alpha1)
  const betaLines = lines(pointG2(key.beta2))
  const inputs = key.inputs.map(pointG1)
  for (const input of inputs.slice(1)) input.precompute(WINDOW, false)
  return accept({
    id: keyId(key),
    signals: key.inputs.length - 1,
    inputs,
    alpha,
    betaLines,
    gammaLines: lines(pointG2(key.gamma2)),
    deltaLines: lines(pointG2(key.delta2)),
    alphaBeta: bn254.millerLoopBatch([paired(betaLines, alpha)]),
  })
}

/**
 * Whether a proof shows its public signals under a key: e(A, B) = e(alpha, beta)·e(inputs, gamma)·e(C, delta).
 *
 * @example const verdict = verify(key, signals, proof); if (!verdict.ok) report(verdict.reason)
 */
export function verify(key: PreparedKey, signals: readonly bigint[], proof: Proof): Verdict<true, VerifyReason> {
  const range = checkSignals(key, signals)
  if (!range.ok) return range
  const checked = checkProof(proof)
  if (!checked.ok) return checked
  const pairs = [
    paired(bn254.utils.calcPairingPrecomputes(pointG2(proof.b)), pointG1(proof.a).negate()),
    ...present(key.gammaLines, inputOf(key, signals)),
    paired(key.deltaLines, pointG1(proof.c)),
  ]
  return isOne(bn254.fields.Fp12.mul(bn254.millerLoopBatch(pairs), key.alphaBeta)) ? accept(true) : refuse('equation', 'the proof does not show these signals')
}

export interface BatchItem {
  key: PreparedKey
  signals: readonly bigint[]
  proof: Proof
}

/**
 * Verifies many proofs, also under several keys, by one random combination: one pairing for each proof and two for each key
 * instead of three for each proof. A refusal without an index says that at least one is false, not which.
 *
 * @param seed 32 bytes that whoever made the proofs could not know; the coefficients also depend on everything that is verified
 */
export function verifyBatch(items: readonly BatchItem[], seed: Uint8Array): Verdict<true, VerifyReason> & { index?: number } {
  assert(seed.length === 32, 'a seed of 32 bytes')
  for (const [index, { key, signals, proof }] of items.entries()) {
    const range = checkSignals(key, signals)
    if (!range.ok) return { ...range, index }
    const checked = checkProof(proof)
    if (!checked.ok) return { ...checked, index }
  }
  if (items.length === 0) return accept(true)
  const coefficients = coefficientsOf(items, seed)
  const pairs = items.map(({ proof }, i) => paired(bn254.utils.calcPairingPrecomputes(pointG2(proof.b)), pointG1(proof.a).multiplyUnsafe(coefficients[i]!).negate()))
  for (const key of new Set(items.map((item) => item.key))) {
    const own = [...items.keys()].filter((i) => items[i]!.key === key)
    const total = own.reduce((sum, i) => sum + coefficients[i]!, 0n) % Field.r
    const c = own.reduce((sum, i) => sum.add(pointG1(items[i]!.proof.c).multiplyUnsafe(coefficients[i]!)), bn254.G1.Point.ZERO)
    const combined = Array.from({ length: key.signals }, (_, j) => own.reduce((sum, i) => sum + coefficients[i]! * items[i]!.signals[j]!, 0n) % Field.r)
    const input = combined.reduce((sum, scalar, j) => sum.add(key.inputs[j + 1]!.multiplyUnsafe(scalar)), key.inputs[0]!.multiplyUnsafe(total))
    pairs.push(...present(key.betaLines, key.alpha.multiplyUnsafe(total)), ...present(key.gammaLines, input), ...present(key.deltaLines, c))
  }
  return isOne(bn254.millerLoopBatch(pairs)) ? accept(true) : refuse('equation', 'at least one of the proofs does not show its signals')
}

/** One coefficient of 128 bits for each item, of a hash of the seed and of all that is verified. */
function coefficientsOf(items: readonly BatchItem[], seed: Uint8Array): bigint[] {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const transcript = keccak_256(Abi.concat(items.flatMap(({ key, signals, proof }) => [text(key.id), ...signals.map(Abi.word), encodeProof(proof)])))
  return items.map((_, i) => {
    const digest = keccak_256(Abi.concat([text('haca/zk-batch/1'), seed, transcript, Abi.word(i)]))
    return digest.subarray(0, 16).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) + 1n
  })
}

/** Signals are canonical: s and s + r would show the same thing under two names. */
function checkSignals(key: PreparedKey, signals: readonly bigint[]): Verdict<true, 'signal-count' | 'signal-range'> {
  if (signals.length !== key.signals) return refuse('signal-count', `${signals.length} signals, and the key is for ${key.signals}`, 'signals')
  const wrong = signals.findIndex((signal) => typeof signal !== 'bigint' || signal < 0n || signal >= Field.r)
  return wrong < 0 ? accept(true) : refuse('signal-range', 'a signal is not below the group order', `signals[${wrong}]`)
}

const inputOf = (key: PreparedKey, signals: readonly bigint[]): G1Point => signals.reduce((sum, signal, i) => sum.add(key.inputs[i + 1]!.multiplyUnsafe(signal)), key.inputs[0]!)

function paired(lines: Lines, point: G1Point): [Lines, bigint, bigint] {
  const { x, y } = point.toAffine()
  return [lines, x, y]
}

/** A pairing with infinity is one, and left out. */
const present = (lines: Lines, point: G1Point): [Lines, bigint, bigint][] => (point.is0() ? [] : [paired(lines, point)])

const isOne = (value: Target): boolean => {
  const { Fp12 } = bn254.fields
  return Fp12.eql(Fp12.finalExponentiate(value), Fp12.ONE)
}
