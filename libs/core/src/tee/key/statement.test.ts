import { describe, expect, it } from 'vitest'
import * as Hex from '../../hex.js'
import { addressOfKey } from '../../secp256k1.js'
import { fromUtf8, utf8 } from '../bytes.js'
import { refusal } from '../testing/refusal.js'
import { decodeStatement, encodeStatement, signerOfStatement, signStatement, type AttestationStatement } from './statement.js'

const key = new Uint8Array(32).fill(7)
const hex = (digits: string, width: number): Hex.Hex => `0x${digits.repeat(width)}`
const statement: AttestationStatement = {
  nonce: hex('a1', 32),
  at: 1_800_000_000,
  chainId: 84532,
  settlementLog: hex('01', 20),
  teeRegistry: hex('02', 20),
  policyRegistry: hex('03', 20),
  policyEpoch: 7,
  policyDigest: hex('04', 32),
  omitted: 0,
  keys: [{ node: hex('05', 20), appraisal: { record: utf8('{}'), signature: new Uint8Array(65).fill(6) } }],
}

describe('an attestation statement', () => {
  it('reads back what it wrote', () => {
    expect(decodeStatement(encodeStatement(statement))).toEqual(statement)
  })

  it('is its gateway’s, byte for byte', () => {
    const signed = signStatement(statement, key)
    expect(Hex.equals(signerOfStatement(signed) ?? '', addressOfKey(key))).toBe(true)
    const other = encodeStatement({ ...statement, nonce: hex('a2', 32) })
    expect(Hex.equals(signerOfStatement({ ...signed, statement: other }) ?? '', addressOfKey(key))).toBe(false)
    expect(signerOfStatement({ ...signed, signature: signed.signature.slice(1) })).toBeUndefined()
  })

  it.each([
    ['another version', { v: 2 }],
    ['an unknown field', { extra: 1 }],
    ['a short nonce', { nonce: '0xa1' }],
    ['a key without a signature', { keys: [{ node: statement.keys[0]?.node, record: 'e30' }] }],
    ['a record that is no base64url', { keys: [{ node: statement.keys[0]?.node, record: '=', signature: hex('06', 65) }] }],
  ])('with %s is refused', async (_what, change) => {
    const json = { ...(JSON.parse(fromUtf8(encodeStatement(statement)) ?? '') as object), ...change }
    expect(await refusal(() => decodeStatement(utf8(JSON.stringify(json))))).toBe('evidence-malformed')
  })
})
