import { describe, expect, it } from 'vitest'
import { addressOfKey } from '../../secp256k1.js'
import { toHex, utf8 } from '../bytes.js'
import { encodePolicy, policyJson } from '../testing/policy-builder.js'
import { decodeSignedPolicy, encodeSignedPolicy, openPolicy, policyDigest, policySigners, signPolicy } from './signed.js'

const key = new Uint8Array(32).fill(7)
const other = new Uint8Array(32).fill(8)
const scope = { chainId: 84532, registry: `0x${'11'.repeat(20)}` as const }
const document = encodePolicy(policyJson())

describe('a signed policy', () => {
  it('opens for whoever pins one of its signers', () => {
    const bytes = encodeSignedPolicy(signPolicy(document, scope, [other, key]))
    expect(decodeSignedPolicy(bytes).document).toEqual(document)
    expect(openPolicy(bytes, { ...scope, signers: [addressOfKey(key)] }).epoch).toBe(policyJson()['epoch'])
  })

  it('counts a signer once, however often it signed', () => {
    expect(policySigners(signPolicy(document, scope, [key, key]), scope)).toEqual([addressOfKey(key).toLowerCase()])
  })

  it('is signed for one chain and registry', () => {
    const elsewhere = [{ ...scope, chainId: 8453 }, { ...scope, registry: `0x${'12'.repeat(20)}` as const }]
    expect(new Set([scope, ...elsewhere].map((one) => toHex(policyDigest(document, one)))).size).toBe(3)
  })

  const trust = { ...scope, signers: [addressOfKey(key)] }
  it.each([
    ['nobody’s signature', () => encodeSignedPolicy({ document, signatures: [] })],
    ['a stranger’s signature', () => encodeSignedPolicy(signPolicy(document, scope, [other]))],
    ['a signature for another chain', () => encodeSignedPolicy(signPolicy(document, { ...scope, chainId: 8453 }, [key]))],
    ['another document', () => encodeSignedPolicy({ ...signPolicy(document, scope, [key]), document: encodePolicy(policyJson({ epoch: 43 })) })],
  ])('with %s is refused', (_what, make) => {
    expect(() => openPolicy(make(), trust)).toThrow('policy-unsigned')
  })

  it.each([
    ['a field too many', '{"document":"","signatures":[],"note":""}'],
    ['padding', '{"document":"AA==","signatures":[]}'],
    ['a short signature', '{"document":"","signatures":["0xab"]}'],
    ['no JSON', '{'],
  ])('with %s is malformed', (_what, text) => {
    expect(() => decodeSignedPolicy(utf8(text))).toThrow('policy-malformed')
  })
})
