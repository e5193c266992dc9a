import { encodeAbiParameters, getAddress, keccak256 } from 'viem'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Abi from './abi.js'
import * as Digest from './digest.js'
import * as Hex from './hex.js'
import * as Money from './money.js'

const hex = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(Hex.fromBytes)

describe('abi.encode', () => {
  it('agrees with viem on words and texts of any length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), hex(20), hex(32), fc.string({ maxLength: 40 }), (a, n, address, word, b) => {
        const ours = Abi.encode([
          { type: 'string', value: a },
          { type: 'uint', value: n },
          { type: 'string', value: b },
          { type: 'address', value: address },
          { type: 'bytes32', value: word },
        ])
        const theirs = encodeAbiParameters(
          [{ type: 'string' }, { type: 'uint256' }, { type: 'string' }, { type: 'address' }, { type: 'bytes32' }],
          [a, n, b, address, word],
        )
        expect(Hex.fromBytes(ours)).toBe(theirs)
      }),
    )
  })
})

describe('identifiers', () => {
  it('separates requests of one payment by the payment-identifier', () => {
    const payment = `0x${'14'.repeat(32)}` as Hex.Hex
    const identifier = Digest.identifierHash('pay_0123456789abcdef')
    expect(identifier).toBe(keccak256(new TextEncoder().encode('pay_0123456789abcdef')))
    expect(Digest.requestId(payment, identifier)).not.toBe(Digest.requestId(payment))
  })

  it('gives another fingerprint for another operation, body, salt or identifier', () => {
    const base = { operation: 'infer', body: Uint8Array.of(1), salt: new Uint8Array(32), identifier: Hex.zero32 }
    const all = [base, { ...base, operation: 'stream' }, { ...base, body: Uint8Array.of(2) }, { ...base, salt: new Uint8Array(32).fill(1) }, { ...base, salt: new Uint8Array(0) }, { ...base, identifier: `0x${'01'.repeat(32)}` as Hex.Hex }]
    expect(new Set(all.map((request) => Digest.fingerprint(request))).size).toBe(all.length)
  })
})

describe('hex and money', () => {
  it('writes addresses as EIP-55 does', () => {
    fc.assert(
      fc.property(hex(20), (address) => {
        expect(Hex.checksum(address)).toBe(getAddress(address))
      }),
    )
  })

  it('refuses what is not hexadecimal or not of the width', () => {
    for (const bad of ['', '0', '0x0', '0xzz', 'ff', '0x ff']) expect(() => Hex.toBytes(bad)).toThrow()
    expect(() => Hex.toBytes('0x00', 2)).toThrow()
  })

  it('reads decimal uint128 and nothing else', () => {
    expect(Money.parse('0')).toBe(0n)
    expect(Money.parse(Money.max.toString())).toBe(Money.max)
    for (const bad of ['', '01', '-1', '1.0', '1e3', ' 1', (Money.max + 1n).toString()]) expect(() => Money.parse(bad)).toThrow()
    expect([Money.format(1500n, 6), Money.format(1_000_000n, 6), Money.format(0n, 6), Money.format(12_345_678n, 6)]).toEqual(['0.0015', '1', '0', '12.345678'])
  })
})
