import { bn254 } from '@noble/curves/bn254.js'
import * as Field from '../field.js'
import type { G1Point, G2Point } from '../groth16/point.js'
import type { Proof } from '../groth16/proof.js'
import type { VerificationKey } from '../groth16/verification-key.js'

/**
 * A verification key whose secrets we keep. With them anything is proved without a circuit: for any a and b, the C that
 * solves the verifier's equation. It is what a set-up must make impossible, and here it makes valid proofs at once.
 */
export interface Trapdoor {
  key: VerificationKey
  prove(signals: readonly bigint[], seed: bigint): Proof
}

const Fr = bn254.fields.Fr

export function trapdoor(signals: number, seed: bigint): Trapdoor {
  const draw = (i: number): bigint => Fr.pow(Field.mod(seed * 7919n + BigInt(i) + 3n), 65_537n)
  const [alpha, beta, gamma, delta] = [draw(0), draw(1), draw(2), draw(3)] as [bigint, bigint, bigint, bigint]
  const inputs = Array.from({ length: signals + 1 }, (_, i) => draw(4 + i))
  const key = {
    alpha1: g1(alpha),
    beta2: g2(beta),
    gamma2: g2(gamma),
    delta2: g2(delta),
    inputs: inputs.map((input) => g1(input)),
  }
  return {
    key,
    prove(values, proofSeed) {
      const [a, b] = [Field.mod(proofSeed * 31n + 17n), Field.mod(proofSeed * proofSeed + 5n)]
      const input = values.reduce((sum, value, i) => sum + value * inputs[i + 1]!, inputs[0]!)
      const c = Field.mod((a * b - alpha * beta - input * gamma) * Field.inverse(delta))
      return { a: g1(a), b: g2(b), c: g1(c) }
    },
  }
}

export const g1 = (scalar: bigint) => affine(bn254.G1.Point.BASE.multiply(scalar))
export const g2 = (scalar: bigint) => {
  const { x, y } = bn254.G2.Point.BASE.multiply(scalar).toAffine() as ReturnType<G2Point['toAffine']>
  return { x: { c0: x.c0, c1: x.c1 }, y: { c0: y.c0, c1: y.c1 } }
}

function affine(point: G1Point) {
  const { x, y } = point.toAffine()
  return { x, y }
}
