import { addressOfPublicKey } from '../../secp256k1.js'
import { toHex } from '../bytes.js'
import type { EvidenceClaims } from '../evidence.js'
import type { KeyBinding } from './binding.js'
import type { Policy } from './document.js'

/** What a removal is about, by the names of the on-chain registry's entries. */
export const REMOVAL_ENTRIES = ['hardware', 'product', 'platform', 'signer', 'measurement'] as const
export type RemovalEntry = (typeof REMOVAL_ENTRIES)[number]

/**
 * Something no policy admits, whatever its document says: taken out by a guardian, at once. Values are spelt as in the
 * document: `tdx`, `sev-snp/Milan`, a platform id, the receipt key's address with `0x`, a measurement.
 */
export interface Removal {
  readonly entry: RemovalEntry
  readonly value: string
  readonly reason: string
  /** The epoch it began. */
  readonly epoch: number
}

/** A document as it holds in a later epoch: the same entries, less what was removed since. */
export const withRemovals = (policy: Policy, epoch: number, removed: readonly Removal[]): Policy => ({ ...policy, epoch, removed })

/** The removal that is about an entry, if one is. */
export const removalOf = ({ removed }: Policy, entry: RemovalEntry, value: string): Removal | undefined =>
  removed.find((removal) => removal.entry === entry && removal.value === value)

/** Every removal that speaks of a piece of evidence or of the key it is for. */
export function removalsOf(claims: EvidenceClaims, { receiptKey }: Pick<KeyBinding, 'receiptKey'>, policy: Policy): Removal[] {
  const { kind, product, platformId, measurements } = claims
  const entries: [RemovalEntry, string | undefined][] = [
    ['hardware', kind],
    ['product', `${kind}/${product}`],
    ['platform', platformId],
    ['signer', `0x${toHex(addressOfPublicKey(receiptKey))}`],
    ...Object.values(measurements).map((value): [RemovalEntry, string] => ['measurement', value]),
  ]
  return entries.flatMap(([entry, value]) => (value === undefined ? [] : (removalOf(policy, entry, value) ?? [])))
}

/** One line for people. */
export const describeRemoval = ({ entry, value, reason, epoch }: Removal): string => `${entry} ${value} was removed in epoch ${epoch}: ${reason}`
