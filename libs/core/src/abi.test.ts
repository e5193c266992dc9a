import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Abi from './abi.js'
import * as Hex from './hex.js'

describe('unsigned integers', () => {
  it('have the bytes of their hexadecimal form, as numbers and as big integers', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
        expect(Hex.fromBytes(Abi.word(value))).toBe(`0x${value.toString(16).padStart(64, '0')}`)
        const low = Number(value & 0x1f_ffff_ffff_ffffn)
        expect(Hex.fromBytes(Abi.uint(low, 7))).toBe(`0x${low.toString(16).padStart(14, '0')}`)
        expect(Abi.uint(BigInt(low), 7)).toEqual(Abi.uint(low, 7))
      }),
    )
  })

  it.each([
    [256, 1],
    [-1, 32],
    [1.5, 32],
    [2 ** 53, 32],
    [Number.NaN, 32],
    [2n ** 256n, 32],
    [2n ** 128n, 16],
    [-1n, 16],
    [2n ** 64n, 8],
  ])('are refused when %s does not fit %i bytes', (value, width) => {
    expect(() => Abi.uint(value, width)).toThrow(`an unsigned integer of at most ${width} bytes`)
  })

  it.each([
    [2n ** 128n - 1n, 16],
    [2n ** 64n - 1n, 8],
    [255, 1],
    [0, 1],
  ])('take the largest that fits: %s in %i bytes', (value, width) => {
    expect(BigInt(Hex.fromBytes(Abi.uint(value, width)))).toBe(BigInt(value))
  })
})
