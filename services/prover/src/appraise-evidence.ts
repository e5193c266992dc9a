import { Hex, Secp256k1 } from '@haca/core'
import { appraiseKey, Collection, type AppraisalRecord, type CryptoProvider, type Endorsements, type Policy, type TrustAnchors, type Verifier } from '@haca/core/tee'
import type { Collateral } from './ports.js'

/** What evidence is weighed with. */
export interface Scales {
  collateral: Collateral
  verifiers: readonly Verifier[]
  /** Pinned roots, asked anew each time: a simulator's root may be added while it starts. */
  roots(): TrustAnchors
  crypto: CryptoProvider
}

/**
 * Weighs a key's evidence against a policy, now, and writes down everything needed to repeat it. Throws AttestationError for bytes that are no
 * collection, and a retryable AppError while an endorsement cannot be had.
 */
export async function appraiseEvidence(
  bytes: Uint8Array,
  { receivedAt, at, policy }: { receivedAt: Date; at: Date; policy: Policy.Policy },
  { collateral, verifiers, roots, crypto }: Scales,
): Promise<AppraisalRecord.AppraisalRecord> {
  const collection = Collection.decodeCollection(bytes)
  const gathered = new Map<string, Endorsements>()
  const used: AppraisalRecord.CollateralUsed[] = []
  for (const piece of Collection.pieceNames(collection)) {
    const found = await collateral.endorsements(piece, collection, at)
    gathered.set(piece, found.endorsements)
    used.push(...found.used)
  }
  const { appraisal, claims, evidenceId } = await appraiseKey({ bytes, collateral: (piece) => gathered.get(piece) ?? [], receivedAt, at, policy, roots: roots(), verifiers, crypto })
  const machine = claims.find(({ role }) => role === 'cpu')
  const seconds = (date: Date): number => Math.floor(date.getTime() / 1000)
  return {
    node: nodeOf(collection),
    kind: collection.binding.kind,
    evidenceId: `0x${evidenceId}`,
    outcome: appraisal.outcome,
    reasons: appraisal.reasons,
    receivedAt: seconds(receivedAt),
    appraisedAt: seconds(at),
    expiresAt: seconds(appraisal.expiresAt),
    policyEpoch: policy.epoch,
    policyDigest: `0x${policy.digest}`,
    hardwareId: appraisal.hardwareId ?? null,
    imageId: appraisal.imageId ?? null,
    product: machine?.product ?? null,
    platformId: machine?.platformId ?? null,
    models: collection.binding.models.map((digest) => Hex.fromBytes(digest)),
    collateral: used,
  }
}

/** Address of the receipt key that a collection is about. */
export const nodeOf = ({ binding }: Collection.KeyCollection): Hex.Hex => Hex.fromBytes(Secp256k1.addressOfPublicKey(binding.receiptKey)).toLowerCase() as Hex.Hex
