import type { Hex } from '@haca/core'
import type { AppraisalRecord, Collection, Endorsements, KeyBinding } from '@haca/core/tee'

/** What the chain says of a key at a time. */
export interface Keys {
  validity(key: Hex.Hex, keyKind: number, at: number): Promise<string>
  /** Its registration; times in unix seconds, `retiredAt` 0 while it is not retired. */
  record(key: Hex.Hex): Promise<{ evidenceId: Hex.Hex; notAfter: bigint; retiredAt: bigint } | undefined>
}

/** A key as the TeeRegistry takes it; times in unix seconds. */
export interface Registration {
  node: Hex.Hex
  keyKind: number
  imageId: Hex.Hex
  evidenceId: Hex.Hex
  notBefore: number
  notAfter: number
}

/** Writes to the TeeRegistry; each resolves once the chain has it beyond doubt. */
export interface Registrar {
  register(key: Registration): Promise<void>
  /** Ends a key's life now. Receipts from before stand. */
  retire(node: Hex.Hex): Promise<void>
}

/** Endorsements that no node supplies: what the vendors publish, validated, and archived by digest. */
export interface Collateral {
  /** For one piece of a key's evidence, as known at `at`. Throws a retryable AppError when a vendor must be asked and does not answer. */
  endorsements(piece: string, collection: Collection.KeyCollection, at: Date): Promise<{ endorsements: Endorsements; used: readonly AppraisalRecord.CollateralUsed[] }>
  /** Hears when something that was given out has a successor. Answers how to stop listening. */
  onChange(listener: () => void): () => void
}

/** Challenges that were answered. */
export interface Challenges {
  /** Spends a challenge: answers true the first time, and never again. */
  spend(challenge: KeyBinding.Challenge): Promise<boolean>
}
