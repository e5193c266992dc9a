import * as oracle from 'poseidon-lite'
import { describe, expect, it } from 'vitest'
import * as Field from '../field.js'
import { nowhere } from '../ir/operation.js'
import { ConstraintSystem } from '../r1cs/constraint-system.js'
import { wire } from '../r1cs/linear-combination.js'
import { read, violated } from '../r1cs/r1cs-file.js'
import { mutateEach } from '../testing/mutation.js'
import { constrainHash, hash } from './hash.js'
import { parameters } from './parameters.js'
import { permute } from './permutation.js'

/** Deterministic field elements. */
function* elements(seed: bigint): Generator<bigint> {
  for (let x = seed; ; ) {
    x = Field.mod(x * x * 5n + 7n)
    yield x
  }
}

const take = (count: number, seed: bigint): bigint[] => {
  const from = elements(seed)
  return Array.from({ length: count }, () => from.next().value as bigint)
}

describe('Poseidon', () => {
  // Test vectors of the authors' reference implementation, extgit.iaik.tugraz.at/krypto/hadeshash, test_vectors.txt:
  // poseidonperm_x5_254_3 and poseidonperm_x5_254_5, input 0, 1, 2, …
  it('meets the authors’ vectors for widths 3 and 5', () => {
    expect(permute(parameters(3), [0n, 1n, 2n], nowhere)).toEqual([
      0x115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189an,
      0x0fca49b798923ab0239de1c9e7a4a9a2210312b6a2f616d18b5a87f9b628ae29n,
      0x0e7ae82e40091e63cbd4f16a6d16310b3729d4b6e138fcf54110e2867045a30cn,
    ])
    expect(permute(parameters(5), [0n, 1n, 2n, 3n, 4n], nowhere)).toEqual([
      0x299c867db6c1fdd79dcefa40e4510b9837e60ebb1ce0663dbaa525df65250465n,
      0x1148aaef609aa338b27dafd89bb98862d8bb2b429aceac47d86206154ffe053dn,
      0x24febb87fed7462e23f6665ff9a0111f4044c38ee1672c1ac6b0637d34f24907n,
      0x0eb08f6d809668a981c186beaf6110060707059576406b248e5d9cf6e78b3d3en,
      0x07748bc6877c9b82c8b98666ee9d0626ec7f5be4205f79ee8528ef1c4a376fc7n,
    ])
  })

  it('is circomlib’s for tag 0 and a whole block, by poseidon-lite', () => {
    for (const [count, theirs] of [[1, oracle.poseidon1], [2, oracle.poseidon2], [4, oracle.poseidon4], [8, oracle.poseidon8], [16, oracle.poseidon16]] as const) {
      const input = take(count, BigInt(count))
      expect(hash(0n, input)).toBe(theirs(input))
    }
  })

  it('separates tags, lengths, orders and blocks', () => {
    const digests = [hash(1n, [1n, 2n]), hash(2n, [1n, 2n]), hash(1n, [2n, 1n]), hash(1n, [1n, 2n, 0n]), hash(1n, take(17, 3n)), hash(1n, take(33, 3n)), hash(1n, [])]
    expect(new Set(digests).size).toBe(digests.length)
  })

  it.each([1, 2, 3, 8, 17, 40])('has the same value in constraints, for %i elements', (count) => {
    const system = new ConstraintSystem(count + 1)
    const inputs = Array.from({ length: count }, (_, i) => wire(i + 1))
    system.equal(constrainHash(system, 5n, inputs), wire(count + 1))
    const r1cs = read(system.finish())
    const input = take(count, 11n)
    const inner: bigint[] = []
    const digest = hash(5n, input, { small: (value) => void inner.push(BigInt(value)), element: (value) => void inner.push(value) })
    const witness = [1n, ...input, digest, ...inner]
    expect(witness.length).toBe(r1cs.wireCount)
    expect(violated(r1cs, witness)).toBeUndefined()
    // Every wire is determined by the input: changing any single one breaks a constraint.
    expect(mutateEach(r1cs, witness, [1n])).toEqual({ tried: witness.length - 1, survivors: [] })
  })

  it('costs 612 constraints a block of sixteen', () => {
    const system = new ConstraintSystem(16)
    constrainHash(system, 0n, Array.from({ length: 16 }, (_, i) => wire(i + 1)))
    expect(system.constraintCount).toBe(3 * (17 * 8 + 68))
  })
})
