import { grainGenConstants } from '@noble/curves/abstract/poseidon.js'
import { bn254 } from '@noble/curves/bn254.js'

/**
 * Poseidon over BN254's scalar field with x^5 (Grassi et al., "Poseidon: A New Hash Function for Zero-Knowledge Proof
 * Systems", USENIX Security 2021). Constants and matrices come from the Grain LFSR of the paper's appendix E; the numbers
 * of rounds are those of its script for 128 bits of security with margin, as used by circomlib and others.
 */
export interface Parameters {
  width: number
  fullRounds: number
  partialRounds: number
  /** One list of `width` constants for each round. */
  constants: readonly (readonly bigint[])[]
  matrix: readonly (readonly bigint[])[]
}

export const FULL_ROUNDS = 8

/** Partial rounds by state width, for the widths we use. */
const PARTIAL_ROUNDS: Readonly<Record<number, number>> = { 2: 56, 3: 57, 5: 60, 9: 63, 17: 68 }

const generated = new Map<number, Parameters>()

/** Parameters of a width; made once. */
export function parameters(width: number): Parameters {
  const known = generated.get(width)
  if (known) return known
  const partialRounds = PARTIAL_ROUNDS[width]
  if (partialRounds === undefined) throw new RangeError(`no Poseidon of width ${width}`)
  const { roundConstants, mds } = grainGenConstants({ Fp: bn254.fields.Fr, t: width, roundsFull: FULL_ROUNDS, roundsPartial: partialRounds, sboxPower: 5 })
  const made = { width, fullRounds: FULL_ROUNDS, partialRounds, constants: roundConstants, matrix: mds }
  generated.set(width, made)
  return made
}

/** Whether a round applies the S-box to every lane, or to the first one only. */
export const isFull = ({ fullRounds, partialRounds }: Parameters, round: number): boolean => round < fullRounds / 2 || round >= fullRounds / 2 + partialRounds

export const roundsOf = ({ fullRounds, partialRounds }: Parameters): number => fullRounds + partialRounds
