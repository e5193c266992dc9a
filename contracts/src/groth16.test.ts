import { readFileSync } from 'node:fs'
import type { Hex } from 'viem'
import { describe, expect, it } from 'vitest'
import {
  encodeGroth16Proof,
  encodeVerificationKey,
  groth16Format,
  statementHashOf,
  verificationKeyId,
  zkContextOf,
  type KeySetup,
  type SnarkjsProof,
  type SnarkjsVerificationKey,
} from './index.js'

interface Vectors {
  format: Hex
  points: { name: string; snarkjs: SnarkjsVerificationKey }[]
  keys: { name: string; points: string; setup: KeySetup; bytes: Hex; vkId: Hex }[]
  proofs: { key: string; signals: Hex[]; statementHash: Hex; proof: Hex; snarkjs: SnarkjsProof }[]
  contexts: { chainId: number; settlementLog: Hex; requestId: Hex; modelHash: Hex; context: Hex }[]
}

interface Ceremony {
  verificationKey: SnarkjsVerificationKey
  proof: SnarkjsProof
  publicSignals: string[]
  setup: KeySetup
  keyBytes: Hex
  vkId: Hex
  proofBytes: Hex
  statementHash: Hex
}

const read = <T>(name: string) => JSON.parse(readFileSync(new URL(`../../vectors/zk/${name}`, import.meta.url), 'utf8')) as T
const vectors = read<Vectors>('groth16-v1.json')
const ceremony = read<Ceremony>('groth16-snarkjs-v1.json')

describe('verification keys', () => {
  it('have the format the contracts expect', () => expect(groth16Format).toBe(vectors.format))

  it.each(vectors.keys)('$name has the bytes and the id of the vectors', ({ points, setup, bytes, vkId }) => {
    const key = vectors.points.find(({ name }) => name === points)?.snarkjs as SnarkjsVerificationKey
    expect(encodeVerificationKey(key, setup)).toBe(bytes)
    expect(verificationKeyId(bytes)).toBe(vkId)
  })

  it('of a snarkjs ceremony have the bytes and the id of the vectors', () => {
    expect(encodeVerificationKey(ceremony.verificationKey, ceremony.setup)).toBe(ceremony.keyBytes)
    expect(verificationKeyId(ceremony.keyBytes)).toBe(ceremony.vkId)
  })

  it('refuse points that are not affine and labels that are not 32 bytes', () => {
    const infinity = { ...ceremony.verificationKey, vk_alpha_1: ['0', '1', '0'] }
    expect(() => encodeVerificationKey(infinity, { kind: 'dev' })).toThrow('Not an affine point of G1')
    const missing = { ...ceremony.verificationKey, vk_beta_2: [['1', '2']] }
    expect(() => encodeVerificationKey(missing, { kind: 'dev' })).toThrow('Not an affine point of G2')
    const short = { kind: 'ceremony', contributors: 3, beacon: '0x01', transcript: '0x02' } as const
    expect(() => encodeVerificationKey(ceremony.verificationKey, short)).toThrow('Expected 32 bytes, got 1')
  })
})

describe('proofs', () => {
  it.each(vectors.proofs)('of $key have the bytes and the statement of the vectors', ({ signals, statementHash, proof, snarkjs }) => {
    expect(encodeGroth16Proof(snarkjs)).toBe(proof)
    expect(statementHashOf(signals.map(BigInt))).toBe(statementHash)
  })

  it('of snarkjs have the bytes and the statement of the vectors', () => {
    expect(encodeGroth16Proof(ceremony.proof)).toBe(ceremony.proofBytes)
    expect(statementHashOf(ceremony.publicSignals.map(BigInt))).toBe(ceremony.statementHash)
  })
})

it.each(vectors.contexts)('the context of $requestId for $modelHash is that of the vectors', ({ context, ...of }) => {
  expect(zkContextOf(of)).toBe(BigInt(context))
})
