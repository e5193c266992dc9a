export * from './gen/contracts.js'
export { deployHaca, predictAddresses, requireCode, votingRules, type AddressBook, type Clients, type HacaOptions } from './deploy.js'
export { Contradiction, EntryKind, KeyKind, Outcome, PaymentState, ProofRefusal, SetupKind, Validity, VoidReason } from './enums.js'
export {
  encodeGroth16Proof,
  encodeVerificationKey,
  groth16Format,
  statementHashOf,
  verificationKeyId,
  zkContextOf,
  type KeySetup,
  type SnarkjsProof,
  type SnarkjsVerificationKey,
} from './groth16.js'
export { enactPolicy, keyKindsMask, policyProposal, removalKey, type PolicyDocument } from './policy.js'
export { prepareLocalChain, usdcOf, type LocalChain, type LocalChainOptions } from './local-chain.js'
