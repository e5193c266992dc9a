import { Digest, type Hex } from '@haca/core'
import { AppraisalRecord, Base64, SignedPolicy, type AttestationStatement } from '@haca/core/tee'
import type { KeyArchive } from '@haca/platform/blobs'

/** Bytes by their SHA-256, and the path here under which they are served. */
export interface Reference {
  digest: Hex.Hex
  url: string
}

/** How the key that signed a receipt came to be trusted: signed records, and the digests of what they were made with. */
export interface KeyAttestation {
  evidenceId: Hex.Hex
  /** Oldest first: `record` is its exact bytes, base64url. */
  records: { record: string; signature: Hex.Hex }[]
  /** Null: not archived. */
  evidence: Reference | null
  collateral: Reference[]
  /** Envelopes of the policies that records name by the SHA-256 of their `document`. */
  policies: (Reference & { document: Hex.Hex })[]
}

const pathOf = (shelf: 'evidence' | 'collateral' | 'policies', digest: Hex.Hex): Reference => ({ digest, url: `/v1/${shelf}/${digest}` })

/** Histories are read again after this long: a record is written when something changed, and a reader polls. */
const maxAgeMs = 2_000
const keysKeptMax = 1_024

/** Read access to the appraisals in the archive, for whoever asks about a receipt or about the keys that live now. */
export class KeyRecords {
  readonly #histories = new Map<Hex.Hex, { readAtMs: number; history: Promise<AppraisalRecord.SignedRecord[]> }>()
  /** Keys that ran out or turned: they are retired on chain, and what is retired never lives again. */
  readonly #over = new Set<Hex.Hex>()
  #live: { readAtMs: number; keys: Promise<AttestationStatement.LiveKey[]> } | undefined
  /** Which envelopes hold a document. Nothing in the archive is ever replaced, so what was read once is known. */
  readonly #documents = new Map<Hex.Hex, Hex.Hex>()

  constructor(
    readonly archive: KeyArchive,
    readonly now: () => number,
  ) {}

  /** What is archived of the key under the evidence that a receipt names; null where it was never appraised with that. */
  async attestationOf(node: Hex.Hex, evidenceId: Hex.Hex): Promise<KeyAttestation | null> {
    const history = (await this.#history(node)).map((signed) => ({ signed, record: AppraisalRecord.decodeRecord(signed.record) })).filter(({ record }) => record.evidenceId === evidenceId.toLowerCase())
    if (history.length === 0) return null
    const collateral = new Set(history.flatMap(({ record }) => record.collateral.map(({ digest }) => digest)))
    const documents = new Set(history.map(({ record }) => record.policyDigest))
    return {
      evidenceId,
      records: history.map(({ signed }) => ({ record: Base64.encodeBase64Url(signed.record), signature: toHex(signed.signature) })),
      evidence: (await this.archive.evidence(evidenceId)) ? pathOf('evidence', evidenceId) : null,
      collateral: [...collateral].map((digest) => pathOf('collateral', digest)),
      policies: (await this.#envelopes()).filter(({ document }) => documents.has(document)).map(({ document, digest }) => ({ ...pathOf('policies', digest), document })),
    }
  }

  /** Newest appraisal of every key whose trust has not run out, by when it was made, newest first. */
  live(): Promise<AttestationStatement.LiveKey[]> {
    const known = this.#live
    if (known && this.now() - known.readAtMs < maxAgeMs) return known.keys
    const keys = this.#readLive()
    this.#live = { readAtMs: this.now(), keys }
    keys.catch(() => (this.#live = undefined))
    return keys
  }

  async #readLive(): Promise<AttestationStatement.LiveKey[]> {
    const nodes = (await this.archive.nodes()).filter((node) => !this.#over.has(node))
    const newest = await Promise.all(nodes.map(async (node) => ({ node, appraisal: (await this.#history(node)).at(-1) })))
    const dated = newest.flatMap(({ node, appraisal }) => (appraisal ? [{ node, appraisal, record: AppraisalRecord.decodeRecord(appraisal.record) }] : []))
    const lives = ({ record }: { record: AppraisalRecord.AppraisalRecord }): boolean => record.outcome === 'affirming' && record.expiresAt * 1000 > this.now()
    for (const key of dated) if (!lives(key)) this.#over.add(key.node)
    return dated
      .filter(lives)
      .sort((a, b) => b.record.appraisedAt - a.record.appraisedAt)
      .map(({ node, appraisal }) => ({ node, appraisal }))
  }

  #history(node: Hex.Hex): Promise<AppraisalRecord.SignedRecord[]> {
    const known = this.#histories.get(node)
    if (known && this.now() - known.readAtMs < maxAgeMs) return known.history
    if (this.#histories.size >= keysKeptMax) this.#histories.clear()
    const history = this.archive.history(node)
    this.#histories.set(node, { readAtMs: this.now(), history })
    history.catch(() => this.#histories.delete(node))
    return history
  }

  async #envelopes(): Promise<{ digest: Hex.Hex; document: Hex.Hex }[]> {
    for (const digest of await this.archive.policies()) {
      if (this.#documents.has(digest)) continue
      const envelope = await this.archive.policy(digest)
      if (envelope) this.#documents.set(digest, Digest.content(SignedPolicy.decodeSignedPolicy(envelope).document))
    }
    return [...this.#documents].map(([digest, document]) => ({ digest, document }))
  }
}

const toHex = (bytes: Uint8Array): Hex.Hex => `0x${Buffer.from(bytes).toString('hex')}`
