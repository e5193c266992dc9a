// Groth16 over BN254: keys, proofs, statements, verification. Nothing here needs a server, a file or snarkjs.
export { decodeProof, encodeProof, type Proof, PROOF_BYTES, proofFromJson, type ProofReason, proofToJson, signalsFromJson, signalsToJson } from './proof.js'
export { decodeKey, encodeKey, keyFromJson, keyId, type KeyReason, keyToJson, SIGNALS_MAX, type VerificationKey } from './verification-key.js'
export { context, type ContextScope, statementHash } from './statement.js'
export { decodeRegisteredKey, describeSetup, encodeRegisteredKey, type RegisteredKey, registeredKeyId, type Setup } from './registered-key.js'
export { type BatchItem, prepare, type PreparedKey, verify, verifyBatch, type VerifyReason } from './verify.js'
export { type Contribution, DEV_MARKER, readZkey, type Zkey } from './zkey.js'
export type { G1, G2, PointReason } from './point.js'
