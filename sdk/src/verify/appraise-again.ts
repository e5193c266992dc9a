import { Digest, Hex, Receipt, Secp256k1 } from '@haca/core'
import { AppraisalRecord, appraiseKey, AttestationError, HARDWARE_VERIFIERS, Policy, Removals, simulated, SignedPolicy, VENDOR_ROOTS, webCrypto, type Appraisal, type Collection, type CryptoProvider, type EvidenceClaims, type TrustAnchors } from '@haca/core/tee'
import type { Network } from '../network.js'
import { believedRecords, bytesOf, describeRemoved, holdsIn, isWellFormed, removalsOfRecord, type Believed, type Removed } from './attestation.js'
import type { Bundle } from './bundle.js'

/** Whom a caller believes about hardware. */
export interface TeeTrust {
  network: Network
  /** Vendors' roots; ours are pinned in the source. Simulated evidence counts for nothing unless its root is among these. */
  roots?: TrustAnchors
  /** Signature checks; WebCrypto where nothing else is given. */
  crypto?: CryptoProvider
  chain?: TeeChain
}

/** What the chain says of keys and policies. */
export interface TeeChain {
  /** The registry's record of a key; absent where it knows none. */
  keyRecord?(node: Hex.Hex): Promise<KeyRecord | undefined>
  /** Every removal there ever was. */
  removals?(): Promise<Removed[]>
  /** SHA-256 of the document in force in an epoch; absent where there was no such epoch. */
  policyDigestAt?(epoch: number): Promise<Hex.Hex | undefined>
}

/** Times in unix seconds; 0 means never. */
export interface KeyRecord {
  evidenceId: Hex.Hex
  retiredAt: number
  /** Absent: it was never declared. */
  compromisedFrom?: number
  /** What a guardian said last; empty where none did. */
  reason: string
}

/** What came of repeating an appraisal. */
export type Again =
  /** Everything was there: the hardware's own word, weighed here. */
  | { kind: 'repeated'; appraisal: Appraisal.Appraisal; collection: Collection.KeyCollection; pieces: readonly EvidenceClaims[]; policy: Policy.Policy; inForce: Believed; later: readonly Believed[]; removals: readonly Removed[] | undefined }
  /** Something was missing: a pinned verifier's signed word is all there is. */
  | { kind: 'word'; inForce: Believed; later: readonly Believed[]; removals: readonly Removed[] | undefined; lacking: string }
  | { kind: 'unknown'; reason: string }
  | { kind: 'refuted'; reason: string }

const unknown = (reason: string): Again => ({ kind: 'unknown', reason })
const refuted = (reason: string): Again => ({ kind: 'refuted', reason })
const iso = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')

/**
 * Repeats the appraisal of the key that signed a receipt, as it was when the receipt says it was issued: the same evidence, collateral and policy
 * by digest, our own verifiers and roots. Asks nobody but the chain, if one is given.
 */
export async function appraiseAgain(bundle: Bundle, receipt: Receipt.Receipt, trust: TeeTrust): Promise<Again> {
  try {
    return await repeat(bundle, receipt, trust)
  } catch (error) {
    if (error instanceof AttestationError || error instanceof Policy.PolicyError) return refuted(`what the bundle has of the key cannot be read: ${error.message}`)
    throw error
  }
}

async function repeat({ attestation, archive }: Bundle, receipt: Receipt.Receipt, trust: TeeTrust): Promise<Again> {
  const { teeRegistry, policyRegistry, evidenceSigners = [], policySigners = [], chainId } = trust.network
  const kind = kindOf(receipt.keyKind)
  if (receipt.keyKind === Receipt.keyKinds.simulated && !(trust.roots?.simulated?.length ?? 0)) return unknown('SIMULATED: no hardware vouches for this key, and no simulated root was pinned')
  if (attestation === undefined || attestation === null) return unknown('the bundle says nothing of how the key came to be trusted')
  if (!isWellFormed(attestation, archive)) return refuted('what the bundle has of the key is malformed')
  if (!teeRegistry || !policyRegistry) return unknown('the deployment names no registry of keys, or none of policies')
  const believed = believedRecords(attestation, receipt, { chainId, registry: teeRegistry }, evidenceSigners)
  if (believed.length === 0) return unknown(`none of the ${attestation.records.length} appraisals in the bundle is of this key and evidence and signed by a pinned verifier`)
  const judging = AppraisalRecord.inForce(believed.map(({ record }) => record), receipt)
  const inForce = believed.find(({ record }) => record === judging)
  if (!inForce) return refuted(`the receipt says it was issued at ${iso(receipt.issuedAt)}, before its key was first appraised at ${iso(believed[0]!.record.appraisedAt)}`)
  const { record } = inForce
  const failed = record.reasons.find(({ ok }) => !ok)
  if (record.outcome !== 'affirming') return refuted(`the appraisal that counts, of ${iso(record.appraisedAt)} in policy epoch ${record.policyEpoch}, is against the key: ${failed?.detail ?? 'no reason given'}`)
  if (receipt.issuedAt > record.expiresAt) return refuted(`the receipt says it was issued at ${iso(receipt.issuedAt)}; its key was trusted until ${iso(record.expiresAt)}`)
  const later = believed.slice(believed.indexOf(inForce) + 1)
  const gone = removalFound(receipt.policyEpoch, later)
  if (gone) return refuted(gone)
  if (record.kind !== kind) return refuted(`the receipt names a key of kind ${kind ?? receipt.keyKind}, the evidence is of kind ${record.kind}`)

  const removals = (await trust.chain?.removals?.()) ?? archive?.removals
  const epoch = Math.max(record.policyEpoch, receipt.policyEpoch)
  const held = (removals ?? []).filter((removal) => holdsIn(removal, epoch))
  const [fell] = removalsOfRecord(record, held)
  if (fell) return refuted(describeRemoved(fell))

  const word = (lacking: string): Again => ({ kind: 'word', inForce, later, removals, lacking })
  const evidence = bytesOf(archive, 'evidence', receipt.evidenceId)
  if (evidence === 'altered') return refuted('the evidence given is not the one the receipt names')
  if (evidence === 'missing') return word('the evidence itself was not given')
  const document = findPolicy(archive, record.policyDigest)
  if (document === 'altered') return refuted(`the policy given is not the one of epoch ${record.policyEpoch}`)
  if (document === 'missing') return word(`the policy of epoch ${record.policyEpoch} was not given`)
  if (!document.some((envelope) => isSignedBy(envelope, { chainId, registry: policyRegistry }, policySigners))) return unknown(`the policy of epoch ${record.policyEpoch} is signed by nobody who was pinned for it`)
  const anchored = await trust.chain?.policyDigestAt?.(record.policyEpoch)
  if (trust.chain?.policyDigestAt && !anchored) return unknown(`the chain does not have policy epoch ${record.policyEpoch}, or not yet where nothing is taken back`)
  if (anchored && anchored !== record.policyDigest) return refuted(`the chain had another policy in epoch ${record.policyEpoch}`)
  const silent = await silentOnOwnEpoch(receipt, record, later, trust.chain)
  if (silent) return unknown(silent)

  const missing = record.collateral.find(({ digest }) => bytesOf(archive, 'collateral', digest) === 'missing')
  if (missing) return word(`collateral was not given: ${missing.role} of ${missing.piece}`)
  const altered = record.collateral.find(({ digest }) => bytesOf(archive, 'collateral', digest) === 'altered')
  if (altered) return refuted(`the ${altered.role} given for ${altered.piece} is not the one that was used`)

  const removed = held.map(({ entry, value, reason, removedIn: since }) => ({ entry, value, reason, epoch: since }))
  const policy = Removals.withRemovals(Policy.decodePolicy(document[0]!.document), epoch, removed)
  const { appraisal, collection, claims } = await appraiseKey({
    bytes: evidence,
    collateral: (piece) => record.collateral.filter((used) => used.piece === piece).map(({ role, digest }) => ({ role, bytes: bytesOf(archive, 'collateral', digest) as Uint8Array })),
    receivedAt: new Date(record.receivedAt * 1000),
    at: when(receipt, record),
    policy,
    roots: rootsOf(trust),
    verifiers: trust.roots?.simulated?.length ? [...HARDWARE_VERIFIERS, simulated] : HARDWARE_VERIFIERS,
    crypto: trust.crypto ?? webCrypto(globalThis.crypto.subtle),
  })
  const { binding } = collection
  if (!Hex.equals(Hex.fromBytes(Secp256k1.addressOfPublicKey(binding.receiptKey)), receipt.node)) return refuted('the evidence is for another key than the one that signed')
  if (binding.kind !== kind) return refuted(`the receipt names a key of kind ${kind}, the evidence is of kind ${binding.kind}`)
  if (binding.chainId !== chainId || !Hex.equals(Hex.fromBytes(binding.registry), teeRegistry)) return refuted('the hardware bound its key to another chain or registry')
  return { kind: 'repeated', appraisal, collection, pieces: claims, policy, inForce, later, removals }
}

const kindOf = (keyKind: number): string | undefined => Object.entries(Receipt.keyKinds).find(([, number]) => number === keyKind)?.[0]

/** When a receipt says it was issued, within the key's life as its record has it: a node's clock may be behind, and its last second is its own. */
const when = ({ issuedAt }: Receipt.Receipt, { appraisedAt, expiresAt }: AppraisalRecord.AppraisalRecord): Date => new Date(Math.min(Math.max(issuedAt, appraisedAt) * 1000, expiresAt * 1000 - 1))

/** A later appraisal may say that something of the key was removed by the very epoch the receipt was sold under. */
function removalFound(epoch: number, later: readonly Believed[]): string | undefined {
  for (const { record } of later) {
    const removal = record.policyEpoch <= epoch && record.reasons.find(({ rule, ok }) => !ok && rule.endsWith('.removed'))
    if (removal) return `removed in the receipt’s own epoch: ${removal.detail}`
  }
  return undefined
}

/** The receipt may have been sold under a document that came after the appraisal that counts; whether that one takes the key, only an appraisal under it says. */
async function silentOnOwnEpoch({ policyEpoch }: Receipt.Receipt, record: AppraisalRecord.AppraisalRecord, later: readonly Believed[], chain: TeeChain | undefined): Promise<string | undefined> {
  if (!chain?.policyDigestAt || policyEpoch <= record.policyEpoch) return undefined
  const own = await chain.policyDigestAt(policyEpoch)
  if (!own) return `the chain does not have policy epoch ${policyEpoch}, which the receipt names, or not yet where nothing is taken back`
  if (own === record.policyDigest || later.some(({ record: one }) => one.policyDigest === own && one.outcome === 'affirming')) return undefined
  return `the receipt was sold under another document, of policy epoch ${policyEpoch}, and the bundle has no appraisal of the key under that`
}

/** Envelopes that hold a document; several may, with other signatures. */
function findPolicy(archive: Bundle['archive'], document: Hex.Hex): SignedPolicy.SignedPolicy[] | 'missing' | 'altered' {
  const all = Object.keys(archive?.policies ?? {}).map((digest) => bytesOf(archive, 'policies', digest as Hex.Hex))
  const fits = all.flatMap((bytes) => (typeof bytes === 'string' ? [] : SignedPolicy.decodeSignedPolicy(bytes))).filter((envelope) => Digest.content(envelope.document) === document)
  if (fits.length > 0) return fits
  return all.includes('altered') ? 'altered' : 'missing'
}

const isSignedBy = (envelope: SignedPolicy.SignedPolicy, scope: SignedPolicy.PolicyScope, signers: readonly Hex.Hex[]): boolean =>
  SignedPolicy.policySigners(envelope, scope).some((by) => signers.some((known) => Hex.equals(known, by)))

/** The caller's roots, with the golden-value keys of the deployment where the caller names none. */
function rootsOf({ roots = VENDOR_ROOTS, network }: TeeTrust): TrustAnchors {
  return { ...roots, goldenValueSigners: roots.goldenValueSigners ?? (network.goldenValueSigners ?? []).map((point) => Hex.toBytes(point, 97)) }
}
