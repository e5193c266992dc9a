import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Hex from './hex.js'

describe('hexadecimal', () => {
  it('goes to bytes and back, whatever its case', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const hex = Hex.fromBytes(bytes)
        expect(Hex.toBytes(hex)).toEqual(bytes)
        expect(Hex.toBytes(`0x${hex.slice(2).toUpperCase()}`)).toEqual(bytes)
        expect(Hex.is(hex, bytes.length)).toBe(true)
      }),
    )
  })

  it.each(['', '0', '0x0', '0X00', 'x0', '0x0g', '0xg0', '0x 1', '0x\u00e9\u00e9', '0x\u0130\u0130', '00'])('refuses %j', (text) => {
    expect(Hex.is(text)).toBe(false)
    expect(() => Hex.toBytes(text)).toThrow('0x-hexadecimal')
  })

  it('refuses another width than was asked for', () => {
    expect(() => Hex.toBytes('0x0011', 3)).toThrow('expected 3 bytes')
    expect(Hex.is('0x0011', 3)).toBe(false)
  })

  it('is written at a place, at exactly its width, or not at all', () => {
    const out = new Uint8Array(5)
    Hex.put('0xAb01', 2, out, 2)
    expect([...out]).toEqual([0, 0, 0xab, 0x01, 0])
    for (const text of ['0xab', '0xab0102', 'ab01', '0xab0g', '00ab01']) expect(() => Hex.put(text, 2, out, 0), text).toThrow('expected 2 bytes')
  })

  it('has the checksums of EIP-55', () => {
    for (const address of ['0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB', '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb']) {
      expect(Hex.checksum(address.toLowerCase())).toBe(address)
      expect(Hex.checksum(address.toLowerCase())).toBe(address)
    }
  })
})
