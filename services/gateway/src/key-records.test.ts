import { Hex } from '@haca/core'
import { AppraisalRecord, AttestationStatement, Base64, type Policy } from '@haca/core/tee'
import { KeyArchive, MemoryBlobs } from '@haca/platform/blobs'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { getAttestation, type Attesting } from './get-attestation.js'
import { KeyRecords } from './key-records.js'
import type { PolicyInForce } from './policy-epoch.js'

const read = (name: string): any => JSON.parse(readFileSync(new URL(`../../../vectors/receipt/${name}`, import.meta.url), 'utf8'))
const vectors = read('attested-v1.json')
const { attestations, blobs } = read('attested-evidence-v1.json')
const bytesOf = (text: string): Uint8Array => Base64.decodeBase64Url(text) as Uint8Array
const tdx = vectors.cases.find((one: any) => one.attestation === 'tdx').receipt
const issuedAtMs = tdx.issuedAt * 1000

/** The archive as a prover leaves it, of keys of the shared vectors. */
async function archiveWith(...names: string[]): Promise<KeyArchive> {
  const archive = new KeyArchive(new MemoryBlobs())
  for (const name of names) {
    const { records, evidence, collateral, policies } = attestations[name]
    await archive.putEvidence(bytesOf(blobs[evidence.digest as Hex.Hex]))
    for (const { digest } of collateral) await archive.putCollateral(bytesOf(blobs[digest as Hex.Hex]))
    for (const { digest } of policies) await archive.putPolicy(bytesOf(blobs[digest as Hex.Hex]))
    for (const { record, signature } of records) {
      const signed = { record: bytesOf(record), signature: Hex.toBytes(signature) }
      await archive.append(AppraisalRecord.decodeRecord(signed.record).node, signed)
    }
  }
  return archive
}

const recordsAt = (archive: KeyArchive, ms = issuedAtMs): KeyRecords => new KeyRecords(archive, () => ms)
const nonce: Hex.Hex = `0x${'5a'.repeat(32)}`
const inForce: PolicyInForce = { current: () => ({ ok: true, value: { policy: { epoch: 43, digest: 'ab'.repeat(32) } as Policy.Policy, daRef: Hex.zero32, readAtMs: 0 } }) }
const attesting = (records: KeyRecords, policy = inForce): Attesting => ({
  ...{ records, keys: { validity: async () => 'valid' as const }, policy, offerKey: new Uint8Array(32).fill(1), now: () => issuedAtMs },
  deployment: { chainId: vectors.chainId, settlementLog: vectors.log, teeRegistry: vectors.teeRegistry, policyRegistry: vectors.policyRegistry },
})

describe('what is archived of a key', () => {
  it('is its records, oldest first, with everything they were made with by digest', async () => {
    const archive = await archiveWith('tdxLaterGone')
    expect(await recordsAt(archive).attestationOf(tdx.node, tdx.evidenceId)).toEqual(attestations.tdxLaterGone)
  })

  it('is nothing for other evidence, and nothing for a key nobody appraised', async () => {
    const records = recordsAt(await archiveWith('tdx'))
    expect(await records.attestationOf(tdx.node, Hex.zero32)).toBeNull()
    expect(await records.attestationOf(Hex.zeroAddress, tdx.evidenceId)).toBeNull()
  })

  it('says so when the evidence itself is not there', async () => {
    const archive = await archiveWith('tdx')
    await archive.blobs.delete(`evidence/${tdx.evidenceId.slice(2)}`)
    expect(await recordsAt(archive).attestationOf(tdx.node, tdx.evidenceId)).toMatchObject({ evidence: null, records: [expect.anything()] })
  })

  it('lists the keys that live, and neither those that ran out nor those that turned', async () => {
    const archive = await archiveWith('snp', 'nitro', 'tdxLaterGone')
    const kinds = async (ms: number) => (await recordsAt(archive, ms).live()).map(({ appraisal }) => AppraisalRecord.decodeRecord(appraisal.record).kind).sort()
    expect(await kinds(issuedAtMs)).toEqual(['nitro', 'sev-snp'])
    expect(await kinds(issuedAtMs + 3_600_000)).toEqual(['sev-snp'])
  })
})

describe('the attestation statement', () => {
  it('is signed over the asker’s nonce, the policy in force and the live keys', async () => {
    const answer = await getAttestation(nonce, attesting(recordsAt(await archiveWith('nitro'))))
    const statement = bytesOf(answer.statement)
    expect(Hex.equals(AttestationStatement.signerOfStatement({ statement, signature: Hex.toBytes(answer.signature) }) ?? '', answer.signer)).toBe(true)
    expect(AttestationStatement.decodeStatement(statement)).toMatchObject({ nonce, at: tdx.issuedAt, policyEpoch: 43, policyDigest: `0x${'ab'.repeat(32)}`, omitted: 0, keys: [{ appraisal: { signature: Hex.toBytes(attestations.nitro.records[0].signature) } }] })
  })

  it('is refused while no policy is in sight: then no key is known to live', async () => {
    const blind: PolicyInForce = { current: () => ({ ok: false, reason: 'policy.stale', detail: 'last seen long ago' }) }
    await expect(getAttestation(nonce, attesting(recordsAt(await archiveWith('nitro')), blind))).rejects.toMatchObject({ kind: 'unavailable', code: 'policy.stale' })
  })
})
