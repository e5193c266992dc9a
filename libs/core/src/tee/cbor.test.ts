import { expect, it, describe } from 'vitest'
import fc from 'fast-check'
import { fromHex, toHex } from './bytes.js'
import * as Cbor from './cbor.js'
import { refusal } from './testing/refusal.js'

const decodeHex = (hex: string) => Cbor.decode(fromHex(hex)!)

// RFC 8949 appendix A, the rows inside the accepted subset.
const APPENDIX_A: readonly [string, Cbor.CborInput][] = [
  ['00', 0],
  ['01', 1],
  ['0a', 10],
  ['17', 23],
  ['1818', 24],
  ['1819', 25],
  ['1864', 100],
  ['1903e8', 1000],
  ['1a000f4240', 1000000],
  ['1b000000e8d4a51000', 1000000000000],
  ['20', -1],
  ['29', -10],
  ['3863', -100],
  ['3903e7', -1000],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['40', new Uint8Array()],
  ['4401020304', Uint8Array.of(1, 2, 3, 4)],
  ['60', ''],
  ['6161', 'a'],
  ['6449455446', 'IETF'],
  ['62225c', '"\\'],
  ['62c3bc', '\u00fc'],
  ['63e6b0b4', '\u6c34'],
  ['64f0908591', '\ud800\udd51'],
  ['80', []],
  ['83010203', [1, 2, 3]],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  ['a0', new Map()],
  [
    'a201020304',
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  [
    'a26161016162820203',
    new Map<string, Cbor.CborInput>([
      ['a', 1],
      ['b', [2, 3]],
    ]),
  ],
  ['826161a161626163', ['a', new Map([['b', 'c']])]],
]

describe('decode', () => {
  it.each(APPENDIX_A)('reads %s', (hex, value) => {
    expect(decodeHex(hex)).toEqual(value)
  })

  it('reads an indefinite-length map, as newer Nitro payloads are', () => {
    // RFC 8949 appendix A: {_ "a": 1, "b": [2, 3]} with the inner array definite.
    expect(decodeHex('bf61610161628202 03ff'.replace(' ', ''))).toEqual(
      new Map<string, unknown>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    )
  })

  it.each([
    ['an integer in a longer form than needed', '1817'],
    ['a two-byte integer that fits one', '190018'],
    ['a four-byte integer that fits two', '1a0000ffff'],
    ['an eight-byte integer that fits four', '1b00000000ffffffff'],
    ['an integer beyond 2^53', '1b0020000000000000'],
    ['a byte string length in a longer form', '580401020304'],
    ['a reserved additional value', '1c'],
    ['an indefinite byte string', '5f42010243030405ff'],
    ['an indefinite text', '7f657374726561646d696e67ff'],
    ['an indefinite array', '9f01ff'],
    ['a lone break', 'ff'],
    ['a tag', 'c074323031332d30332d32315432303a30343a30305a'],
    ['a half float', 'f93c00'],
    ['a double', 'fb3ff199999999999a'],
    ['undefined', 'f7'],
    ['an unassigned simple value', 'f0'],
    ['invalid UTF-8', '61ff'],
    ['a duplicate text key', 'a2616101616102'],
    ['a duplicate integer key', 'a201010102'],
    ['a duplicate key in an indefinite map', 'bf616101616102ff'],
    ['a byte string as key', 'a1410001'],
    ['a null as key', 'a1f601'],
    ['bytes after the item', '0000'],
    ['nothing', ''],
    ['a truncated byte string', '4401'],
    ['a truncated head', '19'],
    ['an array that claims more than the input', '9affffffff'],
    ['a map that claims more than the input', 'bbffffffffffffffff'],
    ['an unfinished indefinite map', 'bf616101'],
    ['an indefinite map with a key and no value', 'bf6161ff'],
    ['nesting deeper than the cap', `${'81'.repeat(Cbor.CBOR_DEPTH_MAX + 1)}00`],
  ])('refuses %s', async (_, hex) => {
    expect(await refusal(() => decodeHex(hex))).toBe('cbor-malformed')
  })

  it('reads nesting up to the cap', () => {
    expect(() => decodeHex(`${'81'.repeat(Cbor.CBOR_DEPTH_MAX)}00`)).not.toThrow()
  })

  it('answers or refuses, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        try {
          Cbor.decode(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'cbor-malformed' })
        }
      }),
      { numRuns: 5000 },
    )
  })
})

describe('encode', () => {
  it.each(APPENDIX_A)('writes %s', (hex, value) => {
    expect(toHex(Cbor.encode(value))).toBe(hex)
  })

  it('orders keys bytewise, so shorter text comes first (RFC 8949 §4.2.1)', () => {
    // The example of §4.2.1: 10, 100, -1, "z", "aa", false and arrays aside.
    const map = new Map<Cbor.CborKey, number>([
      ['aa', 5],
      ['z', 4],
      [-1, 3],
      [100, 2],
      [10, 1],
    ])
    expect(toHex(Cbor.encode(map))).toBe('a50a011864022003617a046261 6105'.replace(' ', ''))
  })

  it('refuses numbers CBOR integers cannot hold exactly', () => {
    expect(() => Cbor.encode(1.5)).toThrow(RangeError)
    expect(() => Cbor.encode(2 ** 53)).toThrow(RangeError)
  })

  it('is read back', () => {
    const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null), fc.uint8Array({ maxLength: 40 }))
    const tree = fc.letrec<{ value: Cbor.CborInput }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }).map((object) => new Map(Object.entries(object))),
      ),
    })).value
    fc.assert(
      fc.property(tree, (value) => {
        expect(Cbor.decode(Cbor.encode(value))).toEqual(value)
      }),
    )
  })
})
