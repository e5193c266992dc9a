import type { Hex } from '@haca/core'

/** What the chain says of a key at a time. */
export interface Keys {
  validity(key: Hex.Hex, keyKind: number, at: number): Promise<string>
  record(key: Hex.Hex): Promise<{ evidenceId: Hex.Hex } | undefined>
}

/** Puts a key into the TeeRegistry; resolves once the chain has it beyond doubt. */
export interface Registrar {
  register(key: { node: Hex.Hex; keyKind: number; evidenceId: Hex.Hex; notBefore: number; notAfter: number }): Promise<void>
}
