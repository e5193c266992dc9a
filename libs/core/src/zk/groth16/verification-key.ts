import { keccak_256 } from '@noble/hashes/sha3.js'
import { concat } from '../../abi.js'
import * as Hex from '../../hex.js'
import { accept, refuse, type Verdict } from '../../verdict.js'
import { checkG1, checkG2, decodeG1, decodeG2, encodeG1, encodeG2, equalG2, type G1, G1_BYTES, type G2, G2_BYTES, negateG2, type PointReason } from './point.js'
import { groth16Object, readG1, readG2, writeG1, writeG2 } from './snarkjs-json.js'

/** What a proof is verified with: the commitment to one circuit, and so to a model. */
export interface VerificationKey {
  alpha1: G1
  beta2: G2
  gamma2: G2
  delta2: G2
  /** One point for the constant, and one for each public signal. */
  inputs: readonly G1[]
}

export type KeyReason = PointReason | 'json' | 'unsafe-key'

/** Most public signals of a key we read. */
export const SIGNALS_MAX = 1024

const FIXED_BYTES = G1_BYTES + 3 * G2_BYTES

/** alpha1, beta2, gamma2, delta2, inputs, in EVM precompile order. */
export const encodeKey = ({ alpha1, beta2, gamma2, delta2, inputs }: VerificationKey): Uint8Array =>
  concat([encodeG1(alpha1), ...[beta2, gamma2, delta2].map(encodeG2), ...inputs.map(encodeG1)])

/** keccak256 of the key's bytes: the name under which the chain knows it. */
export const keyId = (key: VerificationKey): Hex.Hex => Hex.fromBytes(keccak_256(encodeKey(key)))

/** Reads a key's bytes. */
export function decodeKey(bytes: Uint8Array): Verdict<VerificationKey, KeyReason> {
  const count = (bytes.length - FIXED_BYTES) / G1_BYTES
  if (!Number.isInteger(count) || count < 1 || count > SIGNALS_MAX + 1) return refuse('length', `${bytes.length} bytes are no verification key`, 'key')
  const alpha1 = decodeG1(bytes.subarray(0, G1_BYTES), 'alpha1')
  if (!alpha1.ok) return alpha1
  const points: G2[] = []
  for (const [i, field] of ['beta2', 'gamma2', 'delta2'].entries()) {
    const point = decodeG2(bytes.subarray(G1_BYTES + i * G2_BYTES, G1_BYTES + (i + 1) * G2_BYTES), field)
    if (!point.ok) return point
    points.push(point.value)
  }
  const inputs: G1[] = []
  for (let i = 0; i < count; i++) {
    const point = decodeG1(bytes.subarray(FIXED_BYTES + i * G1_BYTES, FIXED_BYTES + (i + 1) * G1_BYTES), `inputs[${i}]`)
    if (!point.ok) return point
    inputs.push(point.value)
  }
  const [beta2, gamma2, delta2] = points as [G2, G2, G2]
  return refuseUnsafe({ alpha1: alpha1.value, beta2, gamma2, delta2, inputs })
}

/** Whether every point counts, and the key is not one that anybody can forge under. */
export function checkKey(key: VerificationKey): Verdict<VerificationKey, KeyReason> {
  if (key.inputs.length < 1 || key.inputs.length > SIGNALS_MAX + 1) return refuse('length', `${key.inputs.length} input points`, 'inputs')
  for (const [field, point] of [['alpha1', key.alpha1], ...key.inputs.map((point, i) => [`inputs[${i}]`, point] as const)] as const) {
    const checked = checkG1(point, field)
    if (!checked.ok) return checked
  }
  for (const field of ['beta2', 'gamma2', 'delta2'] as const) {
    const checked = checkG2(key[field], field)
    if (!checked.ok) return checked
  }
  return refuseUnsafe(key)
}

/**
 * A key to which nobody has contributed has delta = gamma, and then C can take the inputs' place: everything can be proved.
 * snarkjs makes such keys on the way, and they have been deployed by mistake.
 */
function refuseUnsafe(key: VerificationKey): Verdict<VerificationKey, KeyReason> {
  if (equalG2(key.delta2, key.gamma2) || equalG2(key.delta2, negateG2(key.gamma2))) return refuse('unsafe-key', 'delta is gamma: nobody contributed to this key, and anybody can forge under it', 'delta2')
  return accept(key)
}

/** Reads snarkjs' `verification_key.json`. Its `vk_alphabeta_12` is not looked at: it is computed anew. */
export function keyFromJson(json: unknown): Verdict<VerificationKey, KeyReason> {
  const fields = groth16Object(json)
  const [alpha1, beta2, gamma2, delta2] = [readG1(fields?.['vk_alpha_1']), readG2(fields?.['vk_beta_2']), readG2(fields?.['vk_gamma_2']), readG2(fields?.['vk_delta_2'])]
  const list = fields?.['IC']
  const inputs = Array.isArray(list) && list.length <= SIGNALS_MAX + 1 ? list.map(readG1) : []
  if (!alpha1 || !beta2 || !gamma2 || !delta2 || inputs.length === 0 || inputs.some((point) => !point) || fields?.['nPublic'] !== inputs.length - 1) {
    return refuse('json', 'not a Groth16 verification key over bn128 as snarkjs writes it', 'key')
  }
  return checkKey({ alpha1, beta2, gamma2, delta2, inputs: inputs as G1[] })
}

/** snarkjs' `verification_key.json`, without the pairing that it keeps beside the points it is of. */
export const keyToJson = ({ alpha1, beta2, gamma2, delta2, inputs }: VerificationKey) => ({
  protocol: 'groth16',
  curve: 'bn128',
  nPublic: inputs.length - 1,
  vk_alpha_1: writeG1(alpha1),
  vk_beta_2: writeG2(beta2),
  vk_gamma_2: writeG2(gamma2),
  vk_delta_2: writeG2(delta2),
  IC: inputs.map(writeG1),
})
