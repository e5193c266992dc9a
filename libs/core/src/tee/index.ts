// Attestation: verifiers (evidence → facts) and appraisal (facts × policy → verdict). Pure and isomorphic.
// What is checked, in which order: README.md.
export { AttestationError, ATTESTATION_ERROR_CODES, type AttestationErrorCode } from './error.js'
export type { CryptoProvider, EcdsaCheck, RsaPssCheck } from './crypto.js'
export { webCrypto, type SubtleCryptoLike } from './web-crypto.js'
export {
  ENDORSEMENT_ROLES,
  endorsementsDigest,
  FLAGS,
  MEDIA_TYPES,
  TEE_KINDS,
  VERIFIER_VERSION,
  type Endorsement,
  type EndorsementRole,
  type Endorsements,
  type Evidence,
  type EvidenceClaims,
  type Provenance,
  type TcbFacts,
  type TcbPart,
  type TeeKind,
  type TeeRole,
  type TrustAnchors,
  type VerifyContext,
  type Verifier,
} from './evidence.js'
export type { RevocationFact, RevocationMode } from './revocation.js'
export { TCB_STATUSES, type TcbStatus } from './dcap/tcb.js'

export { VENDOR_ROOTS } from './roots.js'
export { HARDWARE_VERIFIERS, verifyEvidence } from './verify.js'
export { nitro } from './nitro.js'
export { sgx, tdx } from './dcap/verify.js'
export { snp } from './snp/verify.js'
export { nvidiaGpu, nvidiaSwitch, verifyEvidenceList } from './nvidia/verify.js'
export { simulated } from './simulated.js'

export { appraiseKey, type KeyAppraisal, type KeyAppraisalInput } from './key/appraise-key.js'

export * as Appraisal from './policy/appraise.js'
export * as AppraisalRecord from './key/record.js'
export * as AttestationStatement from './key/statement.js'
export * as Base64 from './base64.js'
export * as Cbor from './cbor.js'
export * as Collection from './key/collection.js'
export * as EventLog from './event-log.js'
export * as GoldenValues from './nvidia/golden-values.js'
export * as KeyBinding from './policy/binding.js'
export * as Policy from './policy/document.js'
export * as SignedPolicy from './policy/signed.js'
export * as Removals from './policy/removals.js'
export * as Simulated from './simulated.js'
