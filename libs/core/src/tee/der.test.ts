import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { fromHex, toHex } from './bytes.js'
import { Der, TAG } from './der.js'
import { OID } from './oid.js'
import { refusal } from './testing/refusal.js'
import * as D from './testing/der-builder.js'

const der = (hex: string) => new Der(fromHex(hex)!)

describe('values', () => {
  it('reads integers as their two’s complement bytes', () => {
    expect(toHex(der('020100').integer())).toBe('00')
    expect(toHex(der('02020080').integer())).toBe('0080')
    expect(toHex(der('0201ff').integer())).toBe('ff')
    expect(der('0203010001').smallInteger()).toBe(65537)
  })

  it('reads object identifiers, short and UUID-wide', () => {
    // X.690 §8.19.5 example: {2 999 3}; ecdsa-with-SHA256 from RFC 5758.
    expect(der('0603883703').oid()).toBe('2.999.3')
    expect(der('06082a8648ce3d040302').oid()).toBe(OID.ecdsaWithSha256)
    expect(new Der(D.oid(OID.simulatedTee)).oid()).toBe(OID.simulatedTee)
  })

  it('reads flags with the most significant bit first', () => {
    expect([...der('03020106').flags()]).toEqual([5, 6])
    expect([...der('03020780').flags()]).toEqual([0])
    expect([...der('03020204').flags()]).toEqual([5])
  })

  it('reads both forms of time', () => {
    expect(der('170d3439313233313233353935395a').time()).toBe(Date.UTC(2049, 11, 31, 23, 59, 59))
    expect(der('170d3530303130313030303030305a').time()).toBe(Date.UTC(1950, 0, 1))
    expect(der('170d3234303232393030303030305a').time()).toBe(Date.UTC(2024, 1, 29))
    expect(der('180f39393939313233313233353935395a').time()).toBe(Date.UTC(9999, 11, 31, 23, 59, 59))
  })
})

describe('refuses', () => {
  const cases: readonly [string, () => unknown][] = [
    ['an empty input', () => der('').next()],
    ['a truncated header', () => der('30').next()],
    ['a value longer than its container', () => der('040201').next()],
    ['an indefinite length', () => der('30800000').next()],
    ['a length in more bytes than needed', () => der(`0481${'01'}00`).next()],
    ['a length with a leading zero', () => der(`04820080${'00'.repeat(128)}`).next()],
    ['a five-byte length', () => der('04850000000001ff').next()],
    ['a high tag number', () => der('1f8101 00'.replace(' ', '')).next()],
    ['another tag than expected', () => der('020100').octetString()],
    ['an empty integer', () => der('0200').integer()],
    ['an integer padded with zero', () => der('02020001').integer()],
    ['an integer padded with ones', () => der('0202ff80').integer()],
    ['a negative small integer', () => der('0201ff').smallInteger()],
    ['a small integer beyond 31 bits', () => der('02050080000000').smallInteger()],
    ['a boolean that is neither', () => der('010101').boolean()],
    ['a two-byte boolean', () => der('0102ffff').boolean()],
    ['a bit string with unused bits where bytes are meant', () => der('03020780').bitString()],
    ['an empty bit string', () => der('0300').bitString()],
    ['flags with non-zero padding', () => der('030201ff').flags()],
    ['flags with nine unused bits', () => der('03020980').flags()],
    ['an object identifier with a padded arc', () => der('06038001 01'.replace(' ', '')).oid()],
    ['an unfinished object identifier', () => der('06022a86').oid()],
    ['an empty object identifier', () => der('0600').oid()],
    ['a time with an offset', () => der('1711323330313031303030303030 2b30303030'.replace(' ', '')).time()],
    ['a time without seconds', () => der('170b323330313031303030305a').time()],
    ['30 February', () => der('170d3233303233303030303030305a').time()],
    ['29 February of 2100', () => der('180f32313030303232393030303030305a').time()],
    ['the zeroth month', () => der('170d3233303030313030303030305a').time()],
    ['a letter among the digits', () => der('170d3233303130313030303a30305a').time()],
    ['24 o’clock', () => der('170d3233303130313234303030305a').time()],
    ['fractions of seconds', () => der('181132303233303130313030303030302e355a').time()],
    ['leftovers', () => Der.sequence(fromHex('300000')!)],
    ['leftovers inside', () => der('020100').end()],
  ]
  it.each(cases)('%s', async (_, read) => {
    expect(await refusal(read)).toBe('der-malformed')
  })
})

it('answers or refuses, whatever the bytes', () => {
  const walk = (reader: Der, depth: number): void => {
    while (!reader.done) {
      const { tag, value } = reader.next()
      if ((tag & 0x20) !== 0 && depth < 8) walk(new Der(value), depth + 1)
      if (tag === TAG.oid) new Der(D.tlv(TAG.oid, value)).oid()
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        walk(new Der(bytes), 0)
      } catch (error) {
        expect(error).toMatchObject({ code: 'der-malformed' })
      }
    }),
    { numRuns: 5000 },
  )
})
