import { Receipt } from '@haca/core'
import type { TeeKind } from '@haca/core/tee'

/** Kind of receipt key that a machine of a kind vouches for; `undefined` for devices, which vouch for none. */
export const keyKindOf = (kind: TeeKind): number | undefined => (kind in Receipt.keyKinds ? Receipt.keyKinds[kind as Receipt.KeyKind] : undefined)
