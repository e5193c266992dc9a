import type { Collection, KeyBinding, TeeKind } from '@haca/core/tee'

/** The machine a node runs on, as far as it can vouch for a key. */
export interface Hardware {
  readonly kind: TeeKind
  /** Evidence that holds the given fields, with the endorsements only this machine can supply. */
  attest(fields: KeyBinding.BoundFields): Promise<Collection.Piece>
  /** Evidence of each GPU and switch over a nonce of 32 bytes; empty where there are none. */
  devices(nonce: Uint8Array): Promise<Collection.Piece[]>
}
