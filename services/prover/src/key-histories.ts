import { AppError, Hex, type Secp256k1 } from '@haca/core'
import { AppraisalRecord } from '@haca/core/tee'
import type { KeyArchive } from '@haca/platform/blobs'

export interface KeyHistoriesOptions {
  archive: Pick<KeyArchive, 'history'>
  /** What records are signed for, and by whom. */
  recordScope: AppraisalRecord.RecordScope
  evidenceSigner: Hex.Hex
  primitives: Secp256k1.Primitives
  /** Unix milliseconds. */
  now(): number
}

const keysMax = 1_000
/** A history is read again when it is older: whoever waits for news of a key looks once a second. */
const maxAgeMs = 1_000

/** What was said of keys, as archived; what we did not sign is left out. Every receipt asks, so a history is read once for all receipts of a second. */
export class KeyHistories {
  readonly #read = new Map<Hex.Hex, { atMs: number; records: readonly AppraisalRecord.AppraisalRecord[] }>()

  constructor(readonly options: KeyHistoriesOptions) {}

  /** Records of a key, oldest first, read no earlier than the second in which a receipt was issued. Throws a retryable `archive.unreachable`. */
  async of(node: Hex.Hex, issuedAt: number): Promise<readonly AppraisalRecord.AppraisalRecord[]> {
    const atMs = this.options.now()
    const known = this.#read.get(node)
    if (known && known.atMs >= issuedAt * 1_000 && atMs - known.atMs < maxAgeMs) return known.records
    const records = await this.#ours(node)
    if (this.#read.size >= keysMax) this.#read.clear()
    if (records.length > 0) this.#read.set(node, { atMs, records })
    return records
  }

  async #ours(node: Hex.Hex): Promise<AppraisalRecord.AppraisalRecord[]> {
    const { archive, recordScope, evidenceSigner, primitives } = this.options
    const signed = await archive.history(node).catch((cause: unknown) => {
      throw new AppError('archive.unreachable', { retryable: true, cause })
    })
    const ours = signed.filter((one) => {
      const by = AppraisalRecord.signerOfRecord(one, recordScope, primitives)
      return by !== undefined && Hex.equals(by, evidenceSigner)
    })
    // Two provers may store what they found in another order than they found it; whoever appraises again goes by the same one.
    return ours.map(({ record }) => AppraisalRecord.decodeRecord(record)).sort((a, b) => a.appraisedAt - b.appraisedAt || a.policyEpoch - b.policyEpoch)
  }
}
