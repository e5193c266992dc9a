import { Batch, Hex, MerkleSum, Receipt, type Eip712 } from '@haca/core'
import { EvidenceProducedSchema, Verdict } from '@haca/proto'
import { fromBinary } from '@bufbuild/protobuf'
import { Outcome, evidenceFileKey, type BatchLedger, type Blobs, type Pointer } from '@haca/platform/blobs'
import { Wire } from '@haca/platform/wire'
import { anchorKey, type Anchor } from './project-events.js'
import type { Claims } from './ports.js'
import type { KeyAttestation, KeyRecords } from './key-records.js'
import type { OpenBatches } from './open-batches.js'
import { proofBundle, type ProofBundle } from './read-proof.js'
import { Refusal } from './refusal.js'

/** Everything a sceptic needs to check one receipt, as JSON. What is not known yet is null, never left out. */
export interface ReceiptBundle {
  v: 1
  requestId: Hex.Hex
  /** True when the key that signed is simulated: then no hardware vouches for anything. */
  simulated: boolean
  domain: Eip712.Domain
  receipt: Receipt.Json
  signature: Hex.Hex
  receiptHash: Hex.Hex
  /** Transaction that collected the payment; null: not settled yet, void, or let go since, an hour after it expired: then `inclusion.collected` and the chain tell. */
  payment: { transaction: Hex.Hex; blockNumber: number; amount: string } | null
  /** Null: not appraised yet, or not published yet. */
  evidence: { evidenceId: Hex.Hex; kind: string; verdict: 'affirming' | 'contraindicated'; rules: { rule: string; ok: boolean; detail: string }[] } | null
  /** Null: no proof was bought, or it is not made yet. */
  proof: ProofBundle | null
  /** Where the receipt lies under a root on chain; null: not anchored yet. */
  inclusion: {
    header: Batch.Json
    headerHash: Hex.Hex
    index: number
    collected: string
    siblings: ({ hash: Hex.Hex; sum: string } | null)[]
    evidenceDigest: Hex.Hex
    /** Null: sealed, and not seen in a block yet. */
    anchor: Anchor | null
  } | null
  /** Null: a plain node key, or one that was never appraised under the evidence the receipt names. */
  attestation: KeyAttestation | null
}

export interface ReceiptReader {
  blobs: Blobs
  ledger: BatchLedger
  batches: OpenBatches
  claims: Claims
  scope: Receipt.Scope
  records: KeyRecords
}

/** The receipt of a request with whatever is known of its settlement. Throws `receipt.unknown` or, for a request that is on its way, `receipt.not-yet`. */
export async function getReceipt(requestId: Hex.Hex, reader: ReceiptReader): Promise<ReceiptBundle> {
  const pointer = await reader.ledger.pointer(requestId)
  const anchored = pointer && (await fromBatch(pointer, reader))
  const signed = anchored?.signed ?? (await fromOutcome(requestId, reader))
  const claim = await reader.claims.byRequest(requestId)
  const { receipt, signature } = signed
  const receiptHash = Receipt.hash(receipt, reader.scope)
  return {
    v: 1,
    requestId,
    simulated: receipt.keyKind === Receipt.keyKinds.simulated,
    domain: Receipt.domain(reader.scope, receipt.keyKind),
    receipt: Receipt.toJson(receipt),
    signature,
    receiptHash,
    payment: claim?.transaction ? { transaction: claim.transaction, blockNumber: claim.blockNumber as number, amount: claim.amount.toString() } : null,
    evidence: anchored?.evidence ?? null,
    proof: await proofBundle(receipt, receiptHash, reader.blobs),
    inclusion: anchored?.inclusion ?? null,
    attestation: receipt.keyKind === Receipt.keyKinds.node ? null : await reader.records.attestationOf(receipt.node, receipt.evidenceId),
  }
}

/** The receipt as its node stored it, before any batch has it. */
async function fromOutcome(requestId: Hex.Hex, { blobs, claims }: ReceiptReader): Promise<Receipt.Signed> {
  const outcome = await Outcome.read(blobs, requestId)
  if (outcome?.case && outcome.value.receipt) return Wire.toSignedReceipt(outcome.value.receipt)
  if (outcome?.case === 'voided') throw new Refusal('gone', outcome.value.code, `the request was void and not charged, so it has no receipt: ${outcome.value.detail}`)
  if (await claims.byRequest(requestId)) throw new Refusal('unavailable', 'receipt.not-yet', 'the request is accepted and has no receipt yet', undefined, 1)
  throw unknown()
}

async function fromBatch(pointer: Pointer, { blobs, batches }: ReceiptReader): Promise<{ signed: Receipt.Signed; evidence: ReceiptBundle['evidence']; inclusion: ReceiptBundle['inclusion'] }> {
  const batch = await batches.get(pointer.batchId)
  if (!batch) throw unknown()
  const { sealed, rows, tree } = batch
  const row = rows[pointer.index] as (typeof rows)[number]
  const anchor = await blobs.get(anchorKey(pointer.batchId))
  return {
    signed: { receipt: row.receipt, signature: row.signature },
    evidence: await evidenceAt(pointer.index, await blobs.get(evidenceFileKey(sealed.evidenceFile))),
    inclusion: {
      header: Batch.toJson(sealed.header),
      headerHash: Batch.hash(sealed.header),
      index: pointer.index,
      collected: row.collected.toString(),
      siblings: MerkleSum.proof(tree, pointer.index).map((s) => s && { hash: s.hash, sum: s.sum.toString() }),
      evidenceDigest: row.evidenceDigest,
      anchor: anchor ? (JSON.parse(new TextDecoder().decode(anchor)) as Anchor) : null,
    },
  }
}

/** The evidence message of one row: messages follow one another, each behind its length in four bytes. */
async function evidenceAt(index: number, file: Uint8Array | undefined): Promise<ReceiptBundle['evidence']> {
  if (!file) return null
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  let at = 0
  for (let i = 0; i < index; i++) at += 4 + view.getUint32(at)
  const length = view.getUint32(at)
  if (length === 0) return null
  const message = fromBinary(EvidenceProducedSchema, file.subarray(at + 4, at + 4 + length))
  return {
    evidenceId: Hex.fromBytes(message.evidenceId),
    kind: message.kind,
    verdict: message.verdict === Verdict.AFFIRMING ? 'affirming' : 'contraindicated',
    rules: message.rules.map(({ rule, ok, detail }) => ({ rule, ok, detail })),
  }
}

const unknown = (): Refusal => new Refusal('unknown', 'receipt.unknown', 'there is no receipt for this request id', 'id')
