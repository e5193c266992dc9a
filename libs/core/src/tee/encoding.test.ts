import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { decodeBase64, decodeBase64Url } from './base64.js'
import { compare, Cursor, equal, fromHex, fromUtf8, toHex, utf8 } from './bytes.js'
import { parseStrict } from './json.js'
import { decodeCertificates } from './pem.js'
import { refusal } from './testing/refusal.js'
import { toPem } from './testing/pki.js'

describe('hexadecimal', () => {
  it('agrees with Buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'))
        expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes)
      }),
    )
  })

  it.each(['0', '0x00', '0g', ' 00'])('does not read %j', (text) => {
    expect(fromHex(text)).toBeUndefined()
  })
})

describe('bytes', () => {
  it('compares for equality and order', () => {
    expect(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(equal(Uint8Array.of(1), Uint8Array.of(1, 0))).toBe(false)
    expect(compare(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0)
    expect(compare(Uint8Array.of(2), Uint8Array.of(1, 0))).toBeGreaterThan(0)
  })

  it('does not repair UTF-8', () => {
    expect(fromUtf8(Uint8Array.of(0xff))).toBeUndefined()
    expect(fromUtf8(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined()
  })

  it('reads little-endian and refuses to run off the end', async () => {
    const cursor = () => new Cursor(fromHex('0102030405060708090a0b0c0d0e0f101112')!, 'evidence-malformed', 'sample')
    const c = cursor()
    expect([c.u8(), c.u16(), c.u24(), c.u32(), c.u64()]).toEqual([
      0x01,
      0x0302,
      0x060504,
      0x0a090807,
      0x1211100f0e0d0c0bn,
    ])
    expect(await refusal(() => c.u8())).toBe('evidence-malformed')
    expect(await refusal(() => cursor().take(19))).toBe('evidence-malformed')
    expect(await refusal(() => cursor().end())).toBe('evidence-malformed')
  })
})

describe('base64', () => {
  // RFC 4648 §10.
  it.each([
    ['', ''],
    ['f', 'Zg=='],
    ['fo', 'Zm8='],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg=='],
    ['fooba', 'Zm9vYmE='],
    ['foobar', 'Zm9vYmFy'],
  ])('reads %j', (text, encoded) => {
    expect(decodeBase64(encoded)).toEqual(utf8(text))
    expect(decodeBase64Url(encoded.replace(/=/g, ''))).toEqual(utf8(text))
  })

  it.each(['Zg', 'Zg=', 'Zh==', 'Zm9=', 'Z===', 'Zm 9v', 'Zm9v\n', 'Zm9_', '====', 'Zg==Zg=='])(
    'does not read %j',
    (text) => {
      expect(decodeBase64(text)).toBeUndefined()
    },
  )

  it.each(['Z', 'Zh', 'Zg==', 'Zm9+', 'Zm9/'])('does not read %j as base64url', (text) => {
    expect(decodeBase64Url(text)).toBeUndefined()
  })

  it('agrees with Buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeBase64(Buffer.from(bytes).toString('base64'))).toEqual(bytes)
        expect(decodeBase64Url(Buffer.from(bytes).toString('base64url'))).toEqual(bytes)
      }),
    )
  })
})

describe('PEM', () => {
  const one = toPem(Uint8Array.of(1, 2, 3))
  const two = toPem(Uint8Array.of(4))

  it('reads a bundle in order, with Intel’s closing NUL', () => {
    expect(decodeCertificates(utf8(`${one}${two}\0`))).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(4)])
    expect(decodeCertificates(utf8(one.trim() + two.replace(/\n/g, '\r\n')))).toHaveLength(2)
  })

  it.each([
    ['nothing', ''],
    ['text before a block', `x${one}`],
    ['text between blocks', `${one}x${two}`],
    ['text after a block', `${one}x`],
    ['a space after a block', `${one} `],
    ['two closing NULs', `${one}\0\0`],
    ['a block without an end', one.slice(0, 40)],
    ['another kind of block', one.replaceAll('CERTIFICATE', 'PRIVATE KEY')],
    ['a broken body', one.replace('AQID', 'AQI*')],
    ['too many certificates', one.repeat(9)],
  ])('refuses %s', async (_, text) => {
    expect(await refusal(() => decodeCertificates(utf8(text)))).toBe('pem-malformed')
  })
})

describe('strict JSON', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(parseStrict(utf8(text))).toEqual(JSON.parse(text))
      }),
    )
  })

  it.each([
    ['a duplicate key', '{"a":1,"a":2}'],
    ['a duplicate key in another spelling', '{"a":1,"\\u0061":2}'],
    ['a duplicate key below', '[{"x":{"k":1,"m":[{}],"k":1}}]'],
    ['a duplicate key after a nested object', '{"a":{"b":1},"c":"}","a":3}'],
    ['a duplicate with white space before the colon', '{"a" :1,"a"\n:2}'],
    ['text after the value', '{} {}'],
    ['a comment', '{"a":1/**/}'],
    ['a byte order mark', '\ufeff{}'],
    ['nesting deeper than the cap', '['.repeat(17) + ']'.repeat(17)],
    ['no end', '{"a":'],
  ])('refuses %s', async (_, text) => {
    expect(await refusal(() => parseStrict(utf8(text)))).toBe('json-malformed')
  })

  it('takes equal strings that are values, and equal keys of different objects', () => {
    expect(parseStrict(utf8('{"a":"a","b":["b","b",{"a":1}]}'))).toEqual({ a: 'a', b: ['b', 'b', { a: 1 }] })
  })

  it('refuses what is not UTF-8', async () => {
    expect(await refusal(() => parseStrict(Uint8Array.of(0x22, 0xff, 0x22)))).toBe('json-malformed')
  })
})
