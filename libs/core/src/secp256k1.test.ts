import { describe, expect, it } from 'vitest'
import * as Abi from './abi.js'
import * as Secp256k1 from './secp256k1.js'

// Order of the group (SEC 2, section 2.4.1); EIP-2 takes scalars up to its half, rounded down.
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const half = order / 2n

const signature = (s: bigint, v = 27): Uint8Array => Abi.concat([Abi.word(1), Abi.word(s), Uint8Array.of(v)])

describe('canonical signatures', () => {
  it.each([1n, half - 1n, half, 2n ** 254n])('have a low s: %s', (s) => {
    expect(Secp256k1.isCanonical(signature(s))).toBe(true)
    expect(Secp256k1.isCanonical(signature(s, 28))).toBe(true)
  })

  it.each([0n, half + 1n, order - 1n, order, 2n ** 256n - 1n])('never have s = %s', (s) => {
    expect(Secp256k1.isCanonical(signature(s))).toBe(false)
  })

  it('have 65 bytes and end in 27 or 28', () => {
    for (const v of [0, 1, 26, 29]) expect(Secp256k1.isCanonical(signature(1n, v))).toBe(false)
    expect(Secp256k1.isCanonical(signature(1n).subarray(0, 64))).toBe(false)
  })
})
