import { AppError, Batch, Digest, EvidenceRoot, type Hex, LeafFile, MerkleSum, Receipt, type Secp256k1 } from '@haca/core'
import type { Blobs } from './blobs.js'

/** A receipt whose fate is decided: what was collected for it, and what its verdict rests on. */
export interface Row extends LeafFile.Row {
  receiptHash: Hex.Hex
}

/** A sealed batch: durable before its root is sent, and everything needed to prove a leaf of it. */
export interface Sealed {
  header: Batch.Header
  /** Content addresses. */
  leafFile: Hex.Hex
  evidenceFile: Hex.Hex
}

/** Where a receipt lies; written when its batch is sealed, found by request id. */
export interface Pointer {
  batchId: number
  index: number
  receiptHash: Hex.Hex
}

const batchKey = (id: number): string => `batches/${String(Math.floor(id / 1000)).padStart(9, '0')}/${String(id).padStart(12, '0')}`
const pointerKey = (requestId: Hex.Hex): string => `receipts/${requestId.slice(2, 4)}/${requestId.slice(2)}`
export const leafFileKey = (digest: Hex.Hex): string => `leaves/${digest.slice(2)}`
export const evidenceFileKey = (digest: Hex.Hex): string => `verdicts/${digest.slice(2)}`

/** Batches in the object store: leaf files by digest, one record per id, one pointer per receipt. */
export class BatchLedger {
  constructor(
    readonly blobs: Blobs,
    readonly scope: Receipt.Scope,
  ) {}

  /**
   * Seals rows as the batch after `tip`: leaf file, then record, then pointers. The record's `putOnce` decides: throws
   * `batch.taken`, retryable, when another settler sealed this id.
   */
  async seal(rows: readonly Row[], evidence: Uint8Array, token: Hex.Hex, tip: { id: number; hash: Hex.Hex }): Promise<Sealed> {
    const tree = MerkleSum.build(rows.map((row) => MerkleSum.leaf(this.scope, row.receiptHash, row.collected)))
    const root = MerkleSum.root(tree)
    const leaves = LeafFile.encode({ scope: this.scope, token, rows: [...rows] })
    const [leafFile, evidenceFile] = [Digest.content(leaves), Digest.content(evidence)]
    await Promise.all([this.blobs.putOnce(leafFileKey(leafFile), leaves), this.blobs.putOnce(evidenceFileKey(evidenceFile), evidence)])
    const header: Batch.Header = {
      prev: tip.hash,
      root: root.hash,
      token,
      total: root.sum,
      daRef: leafFile,
      evidenceRoot: EvidenceRoot.evidenceRoot(rows.map((row) => ({ receiptHash: row.receiptHash, evidenceDigest: row.evidenceDigest }))),
      id: tip.id + 1,
      count: rows.length,
    }
    const sealed: Sealed = { header, leafFile, evidenceFile }
    const kept = await this.blobs.putOnce(batchKey(header.id), encode(sealed))
    if (!kept.stored) throw new AppError('batch.taken', { retryable: true, detail: `batch ${header.id} was sealed by another settler` })
    await this.point(rows, header.id)
    return sealed
  }

  /** Writes the pointers of a batch; again after a crash between record and pointers. */
  async point(rows: readonly { receipt: Receipt.Receipt; receiptHash: Hex.Hex }[], batchId: number): Promise<void> {
    for (let from = 0; from < rows.length; from += 64) {
      await Promise.all(
        rows.slice(from, from + 64).map((row, i) => {
          const pointer: Pointer = { batchId, index: from + i, receiptHash: row.receiptHash }
          return this.blobs.put(pointerKey(row.receipt.requestId), new TextEncoder().encode(JSON.stringify(pointer)))
        }),
      )
    }
  }

  async sealed(id: number): Promise<Sealed | undefined> {
    const bytes = await this.blobs.get(batchKey(id))
    if (!bytes) return undefined
    const record = JSON.parse(new TextDecoder().decode(bytes)) as { header: Batch.Json; leafFile: Hex.Hex; evidenceFile: Hex.Hex }
    return { ...record, header: Batch.fromJson(record.header) }
  }

  async pointer(requestId: Hex.Hex): Promise<Pointer | undefined> {
    const bytes = await this.blobs.get(pointerKey(requestId))
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Pointer)
  }

  /** Rows of a sealed batch, from its leaf file. Whoever reads many brings a faster keccak. */
  async rows(sealed: Sealed, keccak256?: Secp256k1.Primitives['keccak256']): Promise<Row[]> {
    return LeafFile.decode(await this.#leaves(sealed)).rows.map((row) => ({ ...row, receiptHash: Receipt.hash(row.receipt, this.scope, keccak256) }))
  }

  /** One row of a sealed batch, if it has so many. */
  async row(sealed: Sealed, index: number): Promise<Row | undefined> {
    const row = LeafFile.row(await this.#leaves(sealed), index)
    return row && { ...row, receiptHash: Receipt.hash(row.receipt, this.scope) }
  }

  async #leaves(sealed: Sealed): Promise<Uint8Array> {
    const bytes = await this.blobs.get(leafFileKey(sealed.leafFile))
    if (!bytes) throw new AppError('leaf-file.missing', { retryable: true })
    return bytes
  }
}

const encode = (sealed: Sealed): Uint8Array => new TextEncoder().encode(JSON.stringify({ ...sealed, header: Batch.toJson(sealed.header) }))
