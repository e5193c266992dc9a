import { Digest, Hex } from '@haca/core'
import { AppraisalRecord, Base64, Removals } from '@haca/core/tee'

/** What a bundle says of the key that signed: the signed word of whoever appraised it, and the digests of what it was appraised with. */
export interface Attestation {
  /** SHA-256 of the collection the node handed in. */
  evidenceId: Hex.Hex
  /** Oldest first: `record` is its exact bytes, base64url; 65 bytes of signature. */
  records: { record: string; signature: Hex.Hex }[]
  /** Null: not archived. */
  evidence: Reference | null
  collateral: Reference[]
  /** Envelopes; `document` is the SHA-256 that records name. */
  policies: (Reference & { document: Hex.Hex })[]
}

/** Bytes by their SHA-256, and the path under which a gateway has them. */
export interface Reference {
  digest: Hex.Hex
  url: string
}

/** Digest to bytes, base64url. Every digest is computed again by whoever reads it. */
export interface Archive {
  evidence: Record<Hex.Hex, string>
  collateral: Record<Hex.Hex, string>
  policies: Record<Hex.Hex, string>
  /** What guardians had ever removed when the archive was made, as the chain told it then; absent where nobody asked it. */
  removals?: Removed[]
}

/** A removal as the policy registry has it. */
export interface Removed extends Omit<Removals.Removal, 'epoch'> {
  /** Epoch it began in. */
  removedIn: number
  /** Epoch that took it back; 0 while it holds. */
  restoredIn: number
}

export type Shelf = 'evidence' | 'collateral' | 'policies'

/** Bytes of an archive by digest; `altered` where something else lies under the name. */
export function bytesOf(archive: Archive | undefined, shelf: Shelf, digest: Hex.Hex): Uint8Array | 'missing' | 'altered' {
  const text = archive?.[shelf]?.[digest]
  if (typeof text !== 'string') return 'missing'
  const bytes = Base64.decodeBase64Url(text)
  return bytes && Digest.content(bytes) === digest ? bytes : 'altered'
}

/** Whether what a bundle has of a key has the form it should: it comes from whoever handed the file on. What it holds is looked at later. */
export function isWellFormed(attestation: unknown, archive: unknown): boolean {
  const { evidenceId, records, evidence, collateral, policies } = Object(attestation) as Partial<Attestation>
  const texts = (list: unknown, ...names: string[]): boolean => Array.isArray(list) && list.every((item) => names.every((name) => typeof Object(item)[name] === 'string'))
  const named = Hex.is(evidenceId, 32) && texts(records, 'record', 'signature') && texts(collateral, 'digest') && texts(policies, 'digest', 'document')
  if (!named || !(evidence === null || texts([evidence], 'digest'))) return false
  if (archive === undefined) return true
  const shelves = ['evidence', 'collateral', 'policies'].map((name) => Object(archive)[name] as unknown)
  if (!shelves.every((shelf) => typeof shelf === 'object' && shelf !== null && !Array.isArray(shelf))) return false
  const removals = Object(archive).removals as unknown
  return removals === undefined || (texts(removals, 'entry', 'value', 'reason') && (removals as Removed[]).every(({ removedIn, restoredIn }) => Number.isSafeInteger(removedIn) && Number.isSafeInteger(restoredIn)))
}

/** Whether a removal was in force in an epoch. */
export const holdsIn = ({ removedIn, restoredIn }: Removed, epoch: number): boolean => removedIn <= epoch && (restoredIn === 0 || restoredIn > epoch)

/** Removals that speak of a key, by what its record says of it; images are in the evidence alone. */
export function removalsOfRecord({ node, kind, product, platformId }: AppraisalRecord.AppraisalRecord, removals: readonly Removed[]): Removed[] {
  const values: Partial<Record<Removals.RemovalEntry, string | null>> = { hardware: kind, product: `${kind}/${product}`, platform: platformId, signer: node.toLowerCase() }
  return removals.filter(({ entry, value }) => values[entry] === value)
}

export const describeRemoved = ({ removedIn, ...removal }: Removed): string => Removals.describeRemoval({ ...removal, epoch: removedIn })

/** An appraisal, and the pinned verifier that signed it. */
export interface Believed {
  record: AppraisalRecord.AppraisalRecord
  signer: Hex.Hex
}

/** The records of a key that a pinned verifier signed, for this key and its evidence, oldest first whatever order they came in. Anything else is not evidence of anything. */
export function believedRecords({ records }: Attestation, about: { node: Hex.Hex; evidenceId: Hex.Hex }, scope: AppraisalRecord.RecordScope, signers: readonly Hex.Hex[]): Believed[] {
  const believed = records.flatMap(({ record: text, signature }) => {
    const bytes = Base64.decodeBase64Url(text)
    if (!bytes || !Hex.is(signature, 65)) return []
    const by = AppraisalRecord.signerOfRecord({ record: bytes, signature: Hex.toBytes(signature) }, scope)
    const signer = by && signers.find((known) => Hex.equals(known, by))
    if (!signer) return []
    const record = AppraisalRecord.decodeRecord(bytes)
    return Hex.equals(record.node, about.node) && Hex.equals(record.evidenceId, about.evidenceId) ? [{ record, signer }] : []
  })
  return believed.sort((a, b) => a.record.appraisedAt - b.record.appraisedAt || a.record.policyEpoch - b.record.policyEpoch)
}

/**
 * Fetches what an attestation names; what is nowhere is left out. `get` asks by digest: the paths of a bundle are somebody's word, and are not
 * followed.
 */
export async function fetchArchive({ evidence, collateral, policies }: Attestation, get: (shelf: Shelf, digest: Hex.Hex) => Promise<Uint8Array | undefined>): Promise<Archive> {
  const fill = async (shelf: Shelf, references: readonly Reference[]): Promise<Record<Hex.Hex, string>> => {
    const found = await Promise.all(references.map(async ({ digest }) => [digest, await get(shelf, digest)] as const))
    return Object.fromEntries(found.flatMap(([digest, bytes]) => (bytes ? [[digest, Base64.encodeBase64Url(bytes)]] : [])))
  }
  return { evidence: await fill('evidence', evidence ? [evidence] : []), collateral: await fill('collateral', collateral), policies: await fill('policies', policies) }
}
