import { Hex, Receipt, Secp256k1 } from '@haca/core'
import { AppraisalRecord, AttestationStatement, Base64 } from '@haca/core/tee'
import type { KeyRegistry } from '@haca/platform/chain'
import type { KeyRecords } from './key-records.js'
import type { PolicyInForce } from './policy-epoch.js'
import { Refusal } from './refusal.js'

export interface Attesting {
  records: KeyRecords
  keys: Pick<KeyRegistry, 'validity'>
  policy: PolicyInForce
  /** What the statement speaks of. */
  deployment: Pick<AttestationStatement.AttestationStatement, 'chainId' | 'settlementLog' | 'teeRegistry' | 'policyRegistry'>
  /** Signs offers, and this. */
  offerKey: Uint8Array
  now(): number
}

export interface AttestationAnswer {
  v: 1
  /** One of the keys is SIMULATED, listed or omitted: no hardware vouches for it. */
  simulated: boolean
  /** The statement's exact bytes, base64url of JSON. */
  statement: string
  signature: Hex.Hex
  signer: Hex.Hex
}

/** The keys that live at the second it names and their newest appraisals, signed over the asker's nonce: one that ran out since they were read would have the whole refused. Throws a Refusal while policy or registry is not in sight: then no key is known to live. */
export async function getAttestation(nonce: Hex.Hex, { records, keys: registry, policy, deployment, offerKey, now }: Attesting): Promise<AttestationAnswer> {
  const current = policy.current()
  if (!current.ok) throw new Refusal('unavailable', current.reason, current.detail ?? 'no policy is in sight', undefined, 5)
  const { epoch, digest } = current.value.policy
  const known = await records.live()
  const at = Math.floor(now() / 1000)
  const live = await registered(known.filter((key) => recordOf(key).expiresAt > at), registry, at)
  const keys = live.slice(0, AttestationStatement.KEYS_MAX)
  const { statement, signature } = AttestationStatement.signStatement(
    { nonce, at, ...deployment, policyEpoch: epoch, policyDigest: `0x${digest}`, omitted: live.length - keys.length, keys },
    offerKey,
  )
  const simulated = live.some((key) => recordOf(key).kind === 'simulated')
  return { v: 1, simulated, statement: Base64.encodeBase64Url(statement), signature: Hex.fromBytes(signature), signer: Secp256k1.addressOfKey(offerKey) }
}

const recordOf = ({ appraisal }: AttestationStatement.LiveKey): AppraisalRecord.AppraisalRecord => AppraisalRecord.decodeRecord(appraisal.record)

/** Those that the chain holds for good: a guardian who revokes a key or declares it compromised tells the registry, and no prover. */
async function registered(live: readonly AttestationStatement.LiveKey[], registry: Attesting['keys'], at: number): Promise<AttestationStatement.LiveKey[]> {
  const kindOf = (key: AttestationStatement.LiveKey): number => Receipt.keyKinds[recordOf(key).kind as Receipt.KeyKind]
  const validities = await Promise.all(live.map((key) => registry.validity(key.node, kindOf(key), at))).catch(() => {
    throw new Refusal('unavailable', 'registry.unreachable', 'the registry of keys cannot be asked now', undefined, 5)
  })
  return live.filter((_, n) => validities[n] === 'valid')
}
