import type { Hex } from '@haca/core'
import { teeRegistryAbi } from '@haca/contracts'
import type { Chain } from './client.js'

/** Why a key was, or was not, entitled to sign; the names of `TeeRegistry.Validity`. */
export type Validity = 'valid' | 'unknown' | 'not-yet-valid' | 'expired' | 'retired' | 'compromised' | 'wrong-kind'

/** How far two readers of one chain may be apart: within it, `unknown` for a key that just signed is no verdict. */
export const registryLagSeconds = 15

interface KeyRecord {
  operator: Hex.Hex
  keyKind: number
  notBefore: bigint
  notAfter: bigint
  retiredAt: bigint
  compromisedFrom: bigint
  compromised: boolean
  imageId: Hex.Hex
  evidenceId: Hex.Hex
}

/**
 * Reads of the TeeRegistry. A record is believed for `maxAgeMs`; that a key is unknown is believed for a tenth of it, because
 * fresh nodes wait for it. Registration never changes, retirement and compromise do: `maxAgeMs` is how late they are seen.
 */
export class KeyRegistry {
  readonly #cache = new Map<string, { record: KeyRecord | undefined; readAtMs: number }>()

  constructor(
    readonly chain: Chain,
    readonly address: Hex.Hex,
    readonly options: { maxAgeMs: number; now(): number },
  ) {}

  /** Whether `key` was entitled to sign receipts of its kind at `at` (unix seconds). Rejects when the chain cannot be asked. */
  async validity(key: Hex.Hex, keyKind: number, at: number): Promise<Validity> {
    const record = await this.record(key)
    return record ? validityOf(record, keyKind, BigInt(at)) : 'unknown'
  }

  /** What was registered for a key, or `undefined`. */
  async record(key: Hex.Hex): Promise<KeyRecord | undefined> {
    const name = key.toLowerCase()
    const cached = this.#cache.get(name)
    const age = cached ? this.options.now() - cached.readAtMs : Infinity
    if (cached && age < (cached.record ? this.options.maxAgeMs : this.options.maxAgeMs / 10)) return cached.record
    const record = await this.#read(key)
    if (this.#cache.size > 10_000) this.#cache.clear()
    this.#cache.set(name, { record, readAtMs: this.options.now() })
    return record
  }

  async #read(key: Hex.Hex): Promise<KeyRecord | undefined> {
    const call = { address: this.address, abi: teeRegistryAbi } as const
    // `keyOf` reverts for an unknown key, which looks like a broken call; `validityAt` says so plainly.
    const validity = await this.chain.readContract({ ...call, functionName: 'validityAt', args: [key, 0n] })
    return validity === unknown ? undefined : this.chain.readContract({ ...call, functionName: 'keyOf', args: [key] })
  }
}

const unknown = 1

/** The contract's `validityAs`, in the contract's order. */
export function validityOf(record: KeyRecord, keyKind: number, at: bigint): Validity {
  if (record.compromised && at >= record.compromisedFrom) return 'compromised'
  if (at < record.notBefore) return 'not-yet-valid'
  if (at > record.notAfter) return 'expired'
  if (record.retiredAt !== 0n && at >= record.retiredAt) return 'retired'
  return record.keyKind === keyKind ? 'valid' : 'wrong-kind'
}
