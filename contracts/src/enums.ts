// Solidity's enums reach TypeScript as numbers; sources.test.ts holds these to the sources.

/** `TeeRegistry.validityAt`: why a key was, or was not, entitled to sign. */
export const Validity = {
  Valid: 0,
  Unknown: 1,
  NotYetValid: 2,
  Expired: 3,
  Retired: 4,
  Compromised: 5,
  WrongKind: 6,
} as const

/** `SettlementLog.voidReasonOf`: why a leaf does not stand. */
export const VoidReason = {
  None: 0,
  AnchoredLate: 1,
  SignerInvalid: 2,
  SignatureMissing: 3,
  SimulatedKey: 4,
  Equivocation: 5,
  ProofMissing: 6,
} as const

/** `ProofLedger`: why a proof does not count for its receipt. */
export const ProofRefusal = {
  None: 0,
  AlreadyAccepted: 1,
  RequestSpent: 2,
  ModeWithoutProof: 3,
  SignatureInvalid: 4,
  SignerInvalid: 5,
  CircuitUnbound: 6,
  EvidenceMismatch: 7,
  StatementMismatch: 8,
  ContextMismatch: 9,
  Malformed: 10,
  OtherCircuit: 11,
} as const

/** `VerificationKeyRegistry.setupOf`: who made a key's secrets. */
export const SetupKind = { Dev: 0, Ceremony: 1 } as const

/** `SettlementLog.proveEquivocation`: how two receipts of one node contradict each other. */
export const Contradiction = { None: 0, Request: 1, Sequence: 2 } as const

/** `PolicyRegistry.remove`: what a removal is about. */
export const EntryKind = { Hardware: 0, Product: 1, Platform: 2, Signer: 3, Measurement: 4 } as const

/** `RevenueVault.creditOf`: where a payment is. */
export const PaymentState = { None: 0, Credited: 1, RefundDeferred: 2, Refunded: 3 } as const

/** `PaymentBatcher.settle`: what became of one item. */
export const Outcome = { Collected: 0, AlreadyCredited: 1, Rejected: 2 } as const

/** Kinds of receipt key (design section 6); `simulated` is refused unless a deployment says otherwise for ever. */
export const KeyKind = { node: 0, nitro: 1, tdx: 2, sevSnp: 3, sgx: 4, simulated: 255 } as const
