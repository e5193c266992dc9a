import { Hex, Secp256k1 } from '@haca/core'
import { AppraisalRecord, AttestationStatement, Base64 } from '@haca/core/tee'
import type { KeyRecords } from './key-records.js'
import type { PolicyInForce } from './policy-epoch.js'
import { Refusal } from './refusal.js'

export interface Attesting {
  records: KeyRecords
  policy: PolicyInForce
  /** What the statement speaks of. */
  deployment: Pick<AttestationStatement.AttestationStatement, 'chainId' | 'settlementLog' | 'teeRegistry' | 'policyRegistry'>
  /** Signs offers, and this. */
  offerKey: Uint8Array
  now(): number
}

export interface AttestationAnswer {
  v: 1
  /** One of the keys is SIMULATED: no hardware vouches for it. */
  simulated: boolean
  /** The statement's exact bytes, base64url of JSON. */
  statement: string
  signature: Hex.Hex
  signer: Hex.Hex
}

/** The live keys and their newest appraisals, signed over the asker's nonce. Throws a Refusal while no policy is in sight: then no key is known to live. */
export async function getAttestation(nonce: Hex.Hex, { records, policy, deployment, offerKey, now }: Attesting): Promise<AttestationAnswer> {
  const current = policy.current()
  if (!current.ok) throw new Refusal('unavailable', current.reason, current.detail ?? 'no policy is in sight', undefined, 5)
  const { epoch, digest } = current.value.policy
  const live = await records.live()
  const keys = live.slice(0, AttestationStatement.KEYS_MAX)
  const { statement, signature } = AttestationStatement.signStatement(
    { nonce, at: Math.floor(now() / 1000), ...deployment, policyEpoch: epoch, policyDigest: `0x${digest}`, omitted: live.length - keys.length, keys },
    offerKey,
  )
  const simulated = keys.some(({ appraisal }) => AppraisalRecord.decodeRecord(appraisal.record).kind === 'simulated')
  return { v: 1, simulated, statement: Base64.encodeBase64Url(statement), signature: Hex.fromBytes(signature), signer: Secp256k1.addressOfKey(offerKey) }
}
