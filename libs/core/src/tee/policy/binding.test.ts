import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../bytes.js'
import * as Cbor from '../cbor.js'
import type { EvidenceClaims } from '../evidence.js'
import { refusal } from '../testing/refusal.js'
import {
  BINDING_DOMAIN,
  BINDING_BYTES_MAX,
  bindingHash,
  boundFields,
  challengeHash,
  checkBoundFields,
  decodeBinding,
  deviceNonce,
  encodeBinding,
  type Challenge,
  type KeyBinding,
} from './binding.js'

const bytes = (fill: number, length: number) => new Uint8Array(length).fill(fill)

/** The generator of secp256k1 (SEC 2, §2.4.1): a valid compressed key. */
const RECEIPT_KEY = fromHex('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')!

const binding: KeyBinding = {
  v: 1,
  domain: BINDING_DOMAIN,
  chainId: 84532,
  registry: bytes(0x11, 20),
  nodeId: bytes(0x22, 32),
  kind: 'tdx',
  receiptKey: RECEIPT_KEY,
  hpkeKey: bytes(0x33, 32),
  tlsSpki: null,
  models: [bytes(0x44, 32)],
  imageId: 'engine-1.8.0',
  session: bytes(0x55, 16),
  gpu: [bytes(0x66, 32)],
}

/** Written by hand from RFC 8949: a map of 13, keys by length and then by letter. */
const BYTES = [
  'ad',
  '6176 01',
  '63677075 81 5820' + '66'.repeat(32),
  '646b696e64 63746478',
  '66646f6d61696e 71686163612f6b657962696e64696e672f31',
  '666d6f64656c73 81 5820' + '44'.repeat(32),
  '666e6f64654964 5820' + '22'.repeat(32),
  '67636861696e4964 1a00014a34',
  '6768706b654b6579 5820' + '33'.repeat(32),
  '67696d6167654964 6c656e67696e652d312e382e30',
  '6773657373696f6e 50' + '55'.repeat(16),
  '67746c7353706b69 f6',
  '687265676973747279 54' + '11'.repeat(20),
  '6a726563656970744b6579 5821 0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
]
  .join('')
  .replaceAll(' ', '')

const challenge: Challenge = { verifierId: bytes(0xa1, 32), random: bytes(0xb2, 32), expiresAt: 1_768_046_400 }

const sha256 = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** 1768046400 is 0x69623f40. */
const CHALLENGE = sha256('challenge/1', challenge.verifierId, challenge.random, Buffer.from('0000000069623f40', 'hex'))

describe('key binding', () => {
  it('is written as deterministic CBOR', () => {
    expect(toHex(encodeBinding(binding))).toBe(BYTES)
    expect(toHex(bindingHash(binding))).toBe(sha256(Buffer.from(BYTES, 'hex')))
  })

  it('is read back from its bytes and from nothing else', async () => {
    expect(decodeBinding(fromHex(BYTES)!)).toEqual(binding)
    // The same map with two entries exchanged, with an entry dropped or added, or of indefinite length.
    const reordered = `ad${'63677075815820'}${'66'.repeat(32)}617601${BYTES.slice(2 + 6 + 14 + 64)}`
    const dropped = `ac${BYTES.slice(2 + 6)}`
    const added = `ae${BYTES.slice(2)}6174f6`
    const indefinite = `bf${BYTES.slice(2)}ff`
    for (const text of [reordered, dropped, added, indefinite, BYTES.slice(0, -2), `${BYTES}00`, '80', 'f6']) {
      expect(await refusal(() => decodeBinding(fromHex(text)!))).toMatch(/^(evidence|cbor)-malformed$/)
    }
    expect(await refusal(() => decodeBinding(new Uint8Array(BINDING_BYTES_MAX + 1)))).toBe('evidence-malformed')
  })

  const wrong: readonly [string, Record<string, unknown>][] = [
    ['another version', { v: 2 }],
    ['another domain', { domain: 'haca/keybinding/2' }],
    ['chain zero', { chainId: 0 }],
    ['a short registry', { registry: bytes(1, 19) }],
    ['a short node id', { nodeId: bytes(1, 31) }],
    ['an unknown kind', { kind: 'sev' }],
    ['an uncompressed key', { receiptKey: bytes(4, 65) }],
    ['a key off the curve', { receiptKey: Uint8Array.of(2, ...bytes(0xff, 32)) }],
    ['a short HPKE key', { hpkeKey: bytes(1, 31) }],
    ['a short TLS digest', { tlsSpki: bytes(1, 20) }],
    ['a short model digest', { models: [bytes(1, 20)] }],
    ['a model twice', { models: [bytes(1, 32), bytes(1, 32)] }],
    ['models out of order', { models: [bytes(2, 32), bytes(1, 32)] }],
    ['too many models', { models: Array.from({ length: 65 }, (_, i) => bytes(i, 32)) }],
    ['models that are no list', { models: null }],
    ['an image id that is not text', { imageId: 1 }],
    ['an image id that is too long', { imageId: 'x'.repeat(129) }],
    ['a short session', { session: bytes(1, 8) }],
    ['a short device digest', { gpu: [bytes(1, 31)] }],
    ['too many devices', { gpu: Array(33).fill(bytes(1, 32)) }],
    ['devices that are no list', { gpu: null }],
  ]
  it.each(wrong)('refuses %s in either direction', async (_name, change) => {
    const changed = { ...binding, ...change }
    expect(await refusal(() => decodeBinding(Cbor.encode(changed as never)))).toBe('evidence-malformed')
    if (!('v' in change) && !('domain' in change))
      expect(() => encodeBinding(changed as unknown as KeyBinding)).toThrow()
  })

  it('changes its digest with every field', () => {
    const changes: Partial<KeyBinding>[] = [
      { chainId: 8453 },
      { registry: bytes(0x12, 20) },
      { nodeId: bytes(0x23, 32) },
      { kind: 'nitro' },
      { receiptKey: Uint8Array.of(3, ...RECEIPT_KEY.slice(1)) },
      { hpkeKey: null },
      { tlsSpki: bytes(1, 32) },
      { models: [] },
      { imageId: 'engine-1.8.1' },
      { session: bytes(0x56, 16) },
      { gpu: [] },
    ]
    const digests = [{}, ...changes].map((change) => toHex(bindingHash({ ...binding, ...change })))
    expect(new Set(digests).size).toBe(digests.length)
  })
})

describe('challenge', () => {
  it('hashes as documented', () => {
    expect(toHex(challengeHash(challenge))).toBe(CHALLENGE)
    expect(toHex(deviceNonce(challenge, RECEIPT_KEY))).toBe(sha256('gpu/1', Buffer.from(CHALLENGE, 'hex'), RECEIPT_KEY))
  })

  it('refuses parts of other sizes', () => {
    expect(() => challengeHash({ ...challenge, random: bytes(1, 31) })).toThrow(RangeError)
    expect(() => challengeHash({ ...challenge, verifierId: bytes(1, 20) })).toThrow(RangeError)
    expect(() => challengeHash({ ...challenge, expiresAt: 1.5 })).toThrow(RangeError)
    expect(() => challengeHash({ ...challenge, expiresAt: -1 })).toThrow(RangeError)
  })
})

describe('bound fields', () => {
  const hash = () => sha256(Buffer.from(BYTES, 'hex'))

  it.each(['tdx', 'sgx', 'sev-snp'] as const)('of %s are binding ‖ challenge in the report data', (kind) => {
    const own = { ...binding, kind }
    const { userData, nonce, publicKey } = boundFields(own, challenge)
    expect(toHex(userData)).toBe(toHex(bindingHash(own)) + CHALLENGE)
    expect([nonce, publicKey]).toEqual([undefined, undefined])
    if (kind === 'tdx') expect(toHex(userData).slice(0, 64)).toBe(hash())
  })

  it.each(['nitro', 'simulated'] as const)('of %s are user data, nonce and public key', (kind) => {
    const own = { ...binding, kind }
    expect(boundFields(own, challenge)).toEqual({
      userData: bindingHash(own),
      nonce: fromHex(CHALLENGE)!,
      publicKey: RECEIPT_KEY,
    })
  })

  it.each(['nvidia-gpu', 'nvidia-switch'] as const)('of %s do not exist', (kind) => {
    expect(() => boundFields({ ...binding, kind }, challenge)).toThrow(RangeError)
  })

  it('are checked one by one', () => {
    const own = { ...binding, kind: 'nitro' as const }
    const good = boundFields(own, challenge) as unknown as EvidenceClaims
    const results = (claims: object) =>
      checkBoundFields(claims as EvidenceClaims, own, challenge).map(({ field, ok }) => [field, ok])
    expect(results(good)).toEqual([
      ['userData', true],
      ['nonce', true],
      ['publicKey', true],
    ])
    expect(results({ ...good, nonce: undefined })).toEqual([
      ['userData', true],
      ['nonce', false],
      ['publicKey', true],
    ])
    expect(results({ ...good, userData: bytes(0, 32) })).toEqual([
      ['userData', false],
      ['nonce', true],
      ['publicKey', true],
    ])
    expect(results({ ...good, publicKey: bytes(0, 33) })).toEqual([
      ['userData', true],
      ['nonce', true],
      ['publicKey', false],
    ])
  })
})
