import { readFileSync } from 'node:fs'
import { Hex, Secp256k1 } from '@haca/core'
import { AppraisalRecord, AttestationStatement, Base64 } from '@haca/core/tee'
import { describe, expect, it } from 'vitest'
import { networkOf, type AttestedEvidence, type AttestedVectors } from '../testing/attested-vectors.js'
import { readLiveKeys } from './live-keys.js'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../vectors/receipt/${name}`, import.meta.url), 'utf8'))
const vectors = read('attested-v1.json') as AttestedVectors
const { attestations } = read('attested-evidence-v1.json') as AttestedEvidence

const gatewayKey = new Uint8Array(32).fill(3)
const network = { ...networkOf(vectors), offerSigners: [Secp256k1.addressOfKey(gatewayKey)] }
const nonce: Hex.Hex = `0x${'a5'.repeat(32)}`

function signedRecord(name: string): AppraisalRecord.SignedRecord {
  const [{ record, signature } = expect.fail(name)] = attestations[name]?.records ?? []
  return { record: Base64.decodeBase64Url(record) as Uint8Array, signature: Hex.toBytes(signature) }
}

function answer(change: Partial<AttestationStatement.AttestationStatement> = {}, key = gatewayKey): { statement: string; signature: Hex.Hex } {
  const { chainId, log: settlementLog, teeRegistry, policyRegistry } = vectors
  const keys = ['tdx', 'tdxByStranger'].map((name) => ({ node: vectors.cases[0]?.receipt.node as Hex.Hex, appraisal: signedRecord(name) }))
  const statement = { nonce, at: 1_768_046_460, chainId, settlementLog, teeRegistry, policyRegistry, policyEpoch: 42, policyDigest: Hex.zero32, omitted: 0, keys, ...change }
  const signed = AttestationStatement.signStatement(statement, key)
  return { statement: Base64.encodeBase64Url(signed.statement), signature: Hex.fromBytes(signed.signature) }
}

/** The statement with one key whose record says something else, signed by somebody or other. */
function withRecord(change: Partial<AppraisalRecord.AppraisalRecord>): { statement: string; signature: Hex.Hex } {
  const record = { ...AppraisalRecord.decodeRecord(signedRecord('tdx').record), ...change }
  return answer({ keys: [{ node: record.node, appraisal: AppraisalRecord.signRecord(record, { chainId: vectors.chainId, registry: vectors.teeRegistry }, gatewayKey) }] })
}

describe('the keys that live', () => {
  it('are believed of a pinned gateway, and each says whether a pinned verifier appraised it', () => {
    const { keys, policyEpoch, gateway } = readLiveKeys(answer(), nonce, network)
    expect({ policyEpoch, gateway }).toEqual({ policyEpoch: 42, gateway: network.offerSigners[0] })
    expect(keys.map(({ record, verifier }) => [record.kind, verifier])).toEqual([['tdx', vectors.evidenceSigners[0]], ['tdx', undefined]])
  })

  it.each([
    ['of another nonce', answer({ nonce: Hex.zero32 }), 'another nonce'],
    ['of another chain', answer({ chainId: 8453 }), 'another deployment'],
    ['of another log', answer({ settlementLog: Hex.zeroAddress }), 'another deployment'],
    ['of another registry of keys', answer({ teeRegistry: Hex.zeroAddress }), 'another deployment'],
    ['of another registry of policies', answer({ policyRegistry: Hex.zeroAddress }), 'another deployment'],
    ['whose newest appraisal is against one', withRecord({ outcome: 'contraindicated' }), 'does not live'],
    ['of which one had run out', withRecord({ expiresAt: 1_768_046_460 }), 'does not live'],
    ['of another gateway', answer({}, new Uint8Array(32).fill(4)), 'no known gateway key'],
    ['under another signature', { ...answer(), signature: answer({ at: 1 }).signature }, 'no known gateway key'],
    ['that are no statement', { statement: '=', signature: '0x' }, 'no signed statement'],
    ['that are nothing', {}, 'no signed statement'],
  ])('%s are refused', (_what, given, why) => {
    expect(() => readLiveKeys(given, nonce, network)).toThrow(expect.objectContaining({ code: 'answer-not-authentic', message: expect.stringContaining(why) as string }))
  })
})
