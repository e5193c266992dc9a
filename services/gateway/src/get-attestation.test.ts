import { accept, Hex } from '@haca/core'
import { AppraisalRecord, AttestationStatement, Base64, Policy } from '@haca/core/tee'
import { PolicyBuilder } from '@haca/core/tee/testing'
import { KeyArchive, MemoryBlobs } from '@haca/platform/blobs'
import { describe, expect, it } from 'vitest'
import { getAttestation, type Attesting } from './get-attestation.js'
import { KeyRecords } from './key-records.js'

const now = 1_795_000_000_000
const address = (n: number): Hex.Hex => `0x${n.toString(16).padStart(40, '0')}`
const scope = { chainId: 84532, registry: address(0x11) }
const policy = Policy.decodePolicy(PolicyBuilder.encodePolicy(PolicyBuilder.policyJson()))
const record: AppraisalRecord.AppraisalRecord = {
  ...{ node: address(1), kind: 'tdx', evidenceId: Hex.zero32, outcome: 'affirming', reasons: [], receivedAt: now / 1000 - 60, appraisedAt: now / 1000 - 60, expiresAt: now / 1000 + 3_600 },
  ...{ policyEpoch: 42, policyDigest: Hex.zero32, hardwareId: 'tdx-spr', imageId: 'engine', product: null, platformId: null, models: [], collateral: [] },
}

/** What is said of keys that are archived, when the registry answers what it does. */
async function attested(records: AppraisalRecord.AppraisalRecord[], validity: Attesting['keys']['validity'] = async () => 'valid', askedAt = now) {
  const archive = new KeyArchive(new MemoryBlobs())
  for (const one of records) await archive.append(one.node, AppraisalRecord.signRecord(one, scope, new Uint8Array(32).fill(5)))
  const deployment = { chainId: 84532, settlementLog: address(0x22), teeRegistry: scope.registry, policyRegistry: address(0x33) }
  const current = () => accept({ policy, daRef: Hex.zero32, readAtMs: now })
  const known = new KeyRecords(archive, () => now)
  await known.live()
  const answer = await getAttestation(Hex.zero32, { records: known, keys: { validity }, policy: { current }, deployment, offerKey: new Uint8Array(32).fill(3), now: () => askedAt })
  const { keys, omitted } = AttestationStatement.decodeStatement(Base64.decodeBase64Url(answer.statement)!)
  return { nodes: keys.map(({ node }) => node), omitted, simulated: answer.simulated }
}

describe('the keys that live', () => {
  it('are those that the registry holds for good, too', async () => {
    const records = [1, 2, 3].map((n) => ({ ...record, node: address(n), appraisedAt: record.appraisedAt - n }))
    const validity: Attesting['keys']['validity'] = async (node, keyKind) => (node === address(2) ? 'compromised' : keyKind === 2 ? 'valid' : 'wrong-kind')
    expect(await attested(records, validity)).toEqual({ nodes: [address(1), address(3)], omitted: 0, simulated: false })
  })

  it('live at the second of the statement, not only when they were read', async () => {
    const last = { ...record, node: address(2), expiresAt: now / 1000 + 1 }
    expect(await attested([record, last], undefined, now + 1_000)).toMatchObject({ nodes: [address(1)] })
  })

  it('are not known while the registry cannot be asked', async () => {
    await expect(attested([record], () => Promise.reject(new Error('the chain is away')))).rejects.toMatchObject({ kind: 'unavailable', code: 'registry.unreachable' })
  })

  it('are said to be simulated when one of them is, also one that there is no room for', async () => {
    const many = Array.from({ length: AttestationStatement.KEYS_MAX }, (_, n) => ({ ...record, node: address(n + 2) }))
    const old = { ...record, kind: 'simulated' as const, appraisedAt: record.appraisedAt - 1 }
    expect(await attested([old, ...many])).toMatchObject({ omitted: 1, simulated: true })
  })
})
