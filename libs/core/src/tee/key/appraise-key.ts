import { sha256 } from '@noble/hashes/sha2.js'
import { toHex, type HexDigits } from '../bytes.js'
import type { CryptoProvider } from '../crypto.js'
import { AttestationError } from '../error.js'
import type { Endorsements, EvidenceClaims, TrustAnchors, Verifier } from '../evidence.js'
import { appraise, type Appraisal } from '../policy/appraise.js'
import type { Policy } from '../policy/document.js'
import { verifyEvidence } from '../verify.js'
import { decodeCollection, pieceNames, piecesOf, type KeyCollection, type Piece } from './collection.js'

/** What a key is appraised with. Whoever has these gets the same answer, today or years later. */
export interface KeyAppraisalInput {
  /** The collection as it was handed in. */
  readonly bytes: Uint8Array
  /** Endorsements that the node does not supply, for one of its pieces. */
  readonly collateral: (piece: string, collection: KeyCollection) => Endorsements
  readonly receivedAt: Date
  readonly at: Date
  readonly policy: Policy
  readonly roots: TrustAnchors
  /** Which kinds count; written in the caller's source, never read at run time. */
  readonly verifiers: readonly Verifier[]
  readonly crypto: CryptoProvider
}

export interface KeyAppraisal {
  readonly appraisal: Appraisal
  readonly collection: KeyCollection
  /** Claims of the machine first, then of its devices; empty when a piece was refused. */
  readonly claims: readonly EvidenceClaims[]
  /** SHA-256 of the collection. */
  readonly evidenceId: HexDigits
}

/**
 * Verifies every piece of a key's evidence and weighs the whole against a policy. Evidence that a verifier refuses makes the appraisal
 * contraindicated, with the refusal's code as its reason. Throws AttestationError for bytes that are no collection at all.
 */
export async function appraiseKey(input: KeyAppraisalInput): Promise<KeyAppraisal> {
  const collection = decodeCollection(input.bytes)
  const evidenceId = toHex(sha256(input.bytes))
  const verified = await verifyPieces(collection, input)
  if ('refused' in verified) return { appraisal: refusedAppraisal(verified.refused, input), collection, claims: [], evidenceId }
  const registration = { binding: collection.binding, challenge: collection.challenge, receivedAt: input.receivedAt }
  return { appraisal: appraise(verified.claims, registration, input.policy, input.at), collection, claims: verified.claims, evidenceId }
}

type Verified = { claims: EvidenceClaims[] } | { refused: { piece: string; error: AttestationError } }

async function verifyPieces(collection: KeyCollection, input: KeyAppraisalInput): Promise<Verified> {
  const claims: EvidenceClaims[] = []
  for (const [i, piece] of piecesOf(collection).entries()) {
    const name = pieceNames(collection)[i]!
    try {
      claims.push(await verifyPiece(piece, input.collateral(name, collection), input))
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error
      return { refused: { piece: name, error } }
    }
  }
  return { claims }
}

/** Revocation is a fact here and the policy's to demand: what is present is obeyed, what is absent is said to be. */
const verifyPiece = ({ evidence, endorsements }: Piece, collateral: Endorsements, { at, roots, crypto, verifiers }: KeyAppraisalInput): Promise<EvidenceClaims> =>
  verifyEvidence(evidence, { at, roots, endorsements: [...endorsements, ...collateral], revocation: 'unchecked', crypto }, verifiers)

function refusedAppraisal({ piece, error }: { piece: string; error: AttestationError }, { policy, at }: KeyAppraisalInput): Appraisal {
  return {
    outcome: 'contraindicated',
    reasons: [{ rule: `${piece}.verified`, ok: false, detail: `${error.code}: ${error.detail}` }],
    expiresAt: at,
    policyEpoch: policy.epoch,
    policyDigest: policy.digest,
    hardwareId: undefined,
    imageId: undefined,
  }
}
