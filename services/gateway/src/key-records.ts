import { Digest, Hex } from '@haca/core'
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

/** What was read is read again after this long: a record is written when something changed, and callers poll. */
const maxAgeMs = 2_000
const keptMax = 1_024

/** Answers kept for a moment, so that any number of callers cost one reading; a failure is not kept. */
class Recent<Value> {
  readonly #kept = new Map<string, { atMs: number; value: Promise<Value> }>()

  constructor(readonly now: () => number) {}

  get(key: string, read: () => Promise<Value>): Promise<Value> {
    const known = this.#kept.get(key)
    if (known && this.now() - known.atMs < maxAgeMs) return known.value
    if (this.#kept.size >= keptMax) this.#kept.clear()
    const value = read()
    this.#kept.set(key, { atMs: this.now(), value })
    value.catch(() => this.#kept.delete(key))
    return value
  }
}

/** Read access to the appraisals in the archive, for whoever asks about a receipt or about the keys that live now. */
export class KeyRecords {
  readonly #histories: Recent<AppraisalRecord.SignedRecord[]>
  readonly #attestations: Recent<KeyAttestation | null>
  readonly #live: Recent<AttestationStatement.LiveKey[]>
  /** Keys that ran out or turned: they are retired on chain, and what is retired never lives again. */
  readonly #over = new Set<Hex.Hex>()
  /** Which envelopes hold a document. Nothing in the archive is ever replaced, so what was read once is known. */
  readonly #documents = new Map<Hex.Hex, Hex.Hex>()

  constructor(
    readonly archive: KeyArchive,
    readonly now: () => number,
  ) {
    this.#histories = new Recent(now)
    this.#attestations = new Recent(now)
    this.#live = new Recent(now)
  }

  /** What is archived of the key under the evidence that a receipt names; null where it was never appraised with that. */
  attestationOf(node: Hex.Hex, evidenceId: Hex.Hex): Promise<KeyAttestation | null> {
    return this.#attestations.get(`${node}/${evidenceId}`.toLowerCase(), () => this.#readAttestation(node, evidenceId.toLowerCase() as Hex.Hex))
  }

  /** Newest appraisal of every key whose trust has not run out, by when it was made, newest first. */
  live(): Promise<AttestationStatement.LiveKey[]> {
    return this.#live.get('', () => this.#readLive())
  }

  async #readAttestation(node: Hex.Hex, evidenceId: Hex.Hex): Promise<KeyAttestation | null> {
    const all = (await this.#history(node)).map((signed) => ({ signed, record: AppraisalRecord.decodeRecord(signed.record) }))
    const history = all.filter(({ record }) => record.evidenceId === evidenceId)
    if (history.length === 0) return null
    const collateral = new Set(history.flatMap(({ record }) => record.collateral.map(({ digest }) => digest)))
    const documents = new Set(history.map(({ record }) => record.policyDigest))
    return {
      evidenceId,
      records: history.map(({ signed }) => ({ record: Base64.encodeBase64Url(signed.record), signature: Hex.fromBytes(signed.signature) })),
      evidence: (await this.archive.evidence(evidenceId)) ? pathOf('evidence', evidenceId) : null,
      collateral: [...collateral].map((digest) => pathOf('collateral', digest)),
      policies: (await this.#envelopes()).filter(({ document }) => documents.has(document)).map(({ document, digest }) => ({ ...pathOf('policies', digest), document })),
    }
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
    return this.#histories.get(node.toLowerCase(), () => this.archive.history(node))
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
