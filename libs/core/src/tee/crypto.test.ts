import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from './bytes.js'
import { parseCertificate } from './certificate.js'
import { verifySignature } from './signature.js'
import { webCrypto, type SubtleCryptoLike } from './web-crypto.js'
import * as D from './testing/der-builder.js'
import { generateKey, pointOf, signRaw } from './testing/pki.js'
import { PROVIDERS } from './testing/providers.js'
import { derOf } from './testing/vectors.js'

const hex = (text: string) => fromHex(text.replace(/\s/g, ''))!

// RFC 6979 §A.2.5 and §A.2.6, message "sample".
const P256 = {
  curve: 'P-256',
  hash: 'SHA-256',
  publicKey: hex(`04
    60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
    7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299`),
  signature: hex(`
    EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8`),
  message: utf8('sample'),
} as const
const P384 = {
  curve: 'P-384',
  hash: 'SHA-384',
  publicKey: hex(`04
    EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13
    8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720`),
  signature: hex(`
    94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46
    99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8`),
  message: utf8('sample'),
} as const

const changed = (bytes: Uint8Array, index: number) => bytes.with(index, bytes[index]! ^ 1)

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('%s', (_, crypto) => {
  it('digests (FIPS 180-4, message "abc")', async () => {
    expect(toHex(await crypto.digest('SHA-256', utf8('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect(toHex(await crypto.digest('SHA-384', utf8('abc')))).toBe(
      'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
    )
  })

  it.each([P256, P384])('verifies ECDSA on $curve, and answers false for anything else', async (check) => {
    const half = check.signature.length / 2
    const zero = new Uint8Array(half)
    expect(await crypto.verifyEcdsa(check)).toBe(true)
    const wrong = [
      { ...check, message: utf8('simple') },
      { ...check, signature: changed(check.signature, 0) },
      { ...check, signature: changed(check.signature, half) },
      { ...check, signature: Uint8Array.of(...zero, ...check.signature.subarray(half)) },
      { ...check, signature: Uint8Array.of(...check.signature.subarray(0, half), ...zero) },
      { ...check, signature: new Uint8Array(2 * half) },
      { ...check, signature: new Uint8Array(2 * half).fill(0xff) },
      { ...check, publicKey: changed(check.publicKey, check.publicKey.length - 1) },
      { ...check, publicKey: new Uint8Array(check.publicKey.length).fill(0, 1).with(0, 4) },
    ]
    for (const other of wrong) expect(await crypto.verifyEcdsa(other)).toBe(false)
  })

  it('takes signatures whose numbers begin with zeros', async () => {
    const key = generateKey('P-256')
    let signature: Uint8Array
    do signature = signRaw(key, P256.message)
    while (signature[0] !== 0 && signature[32] !== 0)
    expect(await crypto.verifyEcdsa({ ...P256, publicKey: pointOf(key), signature })).toBe(true)
  })

  it('verifies RSA-PSS with SHA-384 (AMD’s ASK by its ARK), and answers false for anything else', async () => {
    const ask = parseCertificate(derOf('roots/amd-ask-genoa.pem'))
    const ark = parseCertificate(derOf('roots/amd-ark-genoa.pem'))
    if (ark.publicKey.type !== 'rsa') throw new Error('not RSA')
    const check = {
      hash: 'SHA-384',
      publicKey: ark.publicKey.spki,
      signature: ask.signature.value,
      message: ask.tbs,
    } as const
    expect(await crypto.verifyRsaPss(check)).toBe(true)
    expect(await crypto.verifyRsaPss({ ...check, message: changed(ask.tbs, 9) })).toBe(false)
    expect(await crypto.verifyRsaPss({ ...check, signature: changed(check.signature, 9) })).toBe(false)
    expect(await crypto.verifyRsaPss({ ...check, signature: check.signature.subarray(1) })).toBe(false)
    expect(await crypto.verifyRsaPss({ ...check, publicKey: utf8('not a key') })).toBe(false)
  })

  it('answers false where scheme and key do not fit, and for numbers wider than the curve', async () => {
    const ark = parseCertificate(derOf('roots/amd-ark-genoa.pem'))
    const aws = parseCertificate(derOf('roots/aws-nitro-root-g1.pem'))
    const ecdsa = (value: Uint8Array) => ({ scheme: 'ecdsa', hash: 'SHA-384', value }) as const
    expect(await verifySignature(crypto, aws.publicKey, aws.signature, aws.tbs)).toBe(true)
    expect(await verifySignature(crypto, ark.publicKey, aws.signature, aws.tbs)).toBe(false)
    expect(await verifySignature(crypto, aws.publicKey, ark.signature, ark.tbs)).toBe(false)
    const wide = D.sequence(D.integer(new Uint8Array(49).fill(1)), D.integer(1))
    expect(await verifySignature(crypto, aws.publicKey, ecdsa(wide), aws.tbs)).toBe(false)
    const negative = D.sequence(D.tlv(0x02, Uint8Array.of(0x80)), D.integer(1))
    expect(await verifySignature(crypto, aws.publicKey, ecdsa(negative), aws.tbs)).toBe(false)
  })
})

describe('webCrypto', () => {
  it('does not turn a breakage into an answer', async () => {
    const broken: SubtleCryptoLike = {
      digest: () => Promise.reject(new Error('broken')),
      importKey: () => Promise.reject(new Error('broken')),
      verify: () => Promise.reject(new Error('broken')),
    }
    await expect(webCrypto(broken).verifyEcdsa(P256)).rejects.toThrow('broken')
    await expect(webCrypto(broken).digest('SHA-256', utf8(''))).rejects.toThrow('broken')
  })
})
