import { AppError, Digest, Hex, type Payment } from '@haca/core'
import type { BatchLedger, Row } from '@haca/platform/blobs'
import type { Logger } from '@haca/platform/log'
import type { Credit, Vault } from '../ports.js'
import { nonceKey } from '../refunds.js'
import type { Completion } from '../verify-completion.js'
import type { Committer } from './committer.js'

export interface ReceiptLaneOptions {
  ledger: BatchLedger
  committer: Committer
  vault: Vault
  logger: Logger
  token: Hex.Hex
  batchMax: number
  batchAgeMs: number
  evidenceWithinSeconds: number
  now(): number
}

/** What a verdict is to the lane: yes or no, and the bytes it can be checked by. */
export interface EvidenceIn {
  requestId: Hex.Hex
  receiptHash: Hex.Hex
  affirming: boolean
  /** The EvidenceProduced message as it came. */
  bytes: Uint8Array
}

interface Entry {
  completion: Completion
  addedAtMs: number
  /** No batch had it when the object store was asked. Until then it may be a receipt that an earlier process sealed. */
  unsealed: boolean
  /** When the vault is asked about it, unless the payment lane has said so by then. */
  askAtMs: number
  evidence: EvidenceIn | undefined
  /** Set once the vault has decided: collected amount, or 0 for good. */
  credited: bigint | undefined
  readyAtMs: number | undefined
  sealed: Promise<void>
  resolve(): void
}

interface Early {
  evidence: EvidenceIn
  addedAtMs: number
  sealed: Promise<void>
  resolve(): void
  reject(error: Error): void
}

const consultMax = 500
/** The payment lane asks the vault about every payment it collects; what it has not said in this time, we ask ourselves. */
const askEveryMs = 5_000
/** How long evidence waits for its receipt. Longer than any backlog: only a receipt that was refused never comes. */
const earlyMaxMs = 3_600_000

/**
 * Joins receipts with their evidence and with what the vault says was collected, and seals them in order of readiness. A
 * receipt counts for what was collected only with an affirming verdict; anything else makes its leaf void, which is the
 * proof its payment can be refunded by.
 */
export class ReceiptLane {
  readonly #entries = new Map<Hex.Hex, Entry>()
  /** Evidence whose receipt has not come yet, by receipt: a verdict on a forged one must not hide the verdict on the genuine one. */
  readonly #early = new Map<Hex.Hex, Early>()
  #timer: NodeJS.Timeout | undefined
  #turning = false
  /** The last commit may have sealed its receipts without saying so. */
  #uncertain = false

  constructor(readonly options: ReceiptLaneOptions) {}

  start(): void {
    this.#timer = setInterval(() => void this.#turn(), 250)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Resolves when the receipt is in a sealed batch whose commit is on its way. Throws `receipt.equivocation` for a second receipt of a request. */
  async add(completion: Completion): Promise<void> {
    const { requestId, receiptHash } = completion
    const entry = this.#entries.get(requestId) ?? this.#open(completion)
    if (entry.completion.receiptHash !== receiptHash) throw equivocation(requestId)
    if (entry.unsealed) return entry.sealed
    const pointer = await this.options.ledger.pointer(requestId)
    if (!pointer) {
      entry.unsealed = true
      return entry.sealed
    }
    this.#close(entry)
    if (pointer.receiptHash !== receiptHash) throw equivocation(requestId)
  }

  /** Resolves when the receipt it speaks of is sealed. */
  async evidence(evidence: EvidenceIn): Promise<void> {
    const entry = this.#entries.get(evidence.requestId)
    if (entry) {
      if (entry.completion.receiptHash !== evidence.receiptHash) throw new AppError('evidence.other-receipt', { detail: 'the evidence speaks of another receipt of this request' })
      entry.evidence ??= evidence
      return entry.sealed
    }
    if (await this.options.ledger.pointer(evidence.requestId)) return
    if (this.#entries.has(evidence.requestId)) return this.evidence(evidence)
    const early = this.#early.get(evidence.receiptHash)
    if (early) return early.sealed
    let resolve!: () => void
    let reject!: (error: Error) => void
    const sealed = new Promise<void>((done, fail) => ([resolve, reject] = [done, fail]))
    this.#early.set(evidence.receiptHash, { evidence, addedAtMs: this.options.now(), sealed, resolve, reject })
    return sealed
  }

  /** What the payment lane read in the vault, behind the safe tag. */
  credited(requestId: Hex.Hex, { amount, refunded }: Credit): void {
    const entry = this.#entries.get(requestId)
    if (entry) entry.credited ??= refunded ? 0n : amount
  }

  backlog(): { depth: number; oldestAgeMs: number } {
    const first = this.#entries.values().next().value
    return { depth: this.#entries.size, oldestAgeMs: first ? this.options.now() - first.addedAtMs : 0 }
  }

  #open(completion: Completion): Entry {
    let resolve!: () => void
    const sealed = new Promise<void>((done) => (resolve = done))
    const early = this.#early.get(completion.receiptHash)
    this.#early.delete(completion.receiptHash)
    if (early) sealed.then(early.resolve, early.resolve)
    const now = this.options.now()
    const entry: Entry = { completion, addedAtMs: now, unsealed: false, askAtMs: now + askEveryMs, evidence: early?.evidence, credited: undefined, readyAtMs: undefined, sealed, resolve }
    this.#entries.set(completion.requestId, entry)
    return entry
  }

  #close(entry: Entry): void {
    this.#entries.delete(entry.completion.requestId)
    entry.resolve()
  }

  async #turn(): Promise<void> {
    if (this.#turning) return
    this.#turning = true
    try {
      await this.#recount()
      await this.#askVault()
      this.#markReady()
      this.#dropOrphans()
      await this.#sealDue()
    } catch (err) {
      this.options.logger.warn({ err }, 'receipts wait; trying again')
    } finally {
      this.#turning = false
    }
  }

  /** Learns from the vault, behind the safe tag, what was collected for receipts not decided yet. */
  async #askVault(): Promise<void> {
    const now = this.options.now()
    const open = [...this.#entries.values()].filter((entry) => entry.credited === undefined && entry.askAtMs <= now).slice(0, consultMax)
    if (open.length === 0) return
    const ids = open.map((entry) => entry.completion.payment.paymentId)
    // The time first: the safe tag moves on by minutes at once, and a payment may be collected in what it then covers.
    const safeTime = await this.options.vault.safeTime()
    const credits = await this.options.vault.credits(ids, 'safe')
    for (const [i, entry] of open.entries()) {
      const credit = credits[i] as Credit
      if (credit.amount > 0n) this.credited(entry.completion.requestId, credit)
      else if (cannotBeCollected(entry.completion.payment, safeTime)) entry.credited ??= 0n
      else entry.askAtMs = now + askEveryMs
    }
  }

  #markReady(): void {
    const now = this.options.now()
    for (const entry of this.#entries.values()) {
      if (entry.readyAtMs !== undefined || entry.credited === undefined || !entry.unsealed) continue
      // Counted from when we learned of the receipt: after an outage its evidence lies in the topic as long as the receipt did.
      const tooLate = now > entry.addedAtMs + this.options.evidenceWithinSeconds * 1_000
      if (entry.evidence || tooLate) entry.readyAtMs = now
    }
  }

  #dropOrphans(): void {
    const before = this.options.now() - earlyMaxMs
    for (const [receiptHash, early] of this.#early) {
      if (early.addedAtMs > before) return
      this.#early.delete(receiptHash)
      early.reject(new AppError('evidence.without-receipt', { detail: `no receipt ${receiptHash} came` }))
    }
  }

  /** A receipt does not carry its payment's nonce, and a refund needs it. */
  async #keepNonces(batch: readonly Entry[]): Promise<void> {
    const held = batch.filter((entry) => (entry.credited ?? 0n) > 0n && rowOf(entry).collected === 0n)
    await Promise.all(held.map(({ completion: { payment } }) => this.options.ledger.blobs.put(nonceKey(payment.paymentId), Hex.toBytes(payment.nonce))))
  }

  async #sealDue(): Promise<void> {
    const ready = [...this.#entries.values()].filter((entry) => entry.readyAtMs !== undefined)
    const oldest = ready.reduce((least, entry) => Math.min(least, entry.readyAtMs as number), Infinity)
    if (ready.length === 0 || (ready.length < this.options.batchMax && this.options.now() - oldest < this.options.batchAgeMs)) return
    const batch = ready.slice(0, this.options.batchMax)
    await this.#keepNonces(batch)
    this.#uncertain = true
    await this.options.committer.commit(batch.map(rowOf), evidenceFile(batch), this.options.token)
    this.#uncertain = false
    for (const entry of batch) this.#close(entry)
  }

  /** After a commit that did not say how it ended: lets go of what is sealed all the same. A receipt under two roots would be counted twice. */
  async #recount(): Promise<void> {
    if (!this.#uncertain) return
    for (const entry of this.#entries.values()) {
      if (entry.readyAtMs !== undefined && (await this.options.ledger.pointer(entry.completion.requestId))) this.#close(entry)
    }
    this.#uncertain = false
  }
}

/** A payment that was never credited cannot be any more once it has expired behind the safe tag. */
const cannotBeCollected = (payment: Payment.Payment, safeTime: number): boolean => safeTime >= payment.validBefore + 5

function rowOf({ completion, evidence, credited }: Entry): Row {
  const { receipt, signature } = completion.signed
  const collected = evidence?.affirming ? least(credited ?? 0n, receipt.price) : 0n
  return { receipt, signature, receiptHash: completion.receiptHash, collected, evidenceDigest: evidence ? Digest.content(evidence.bytes) : Hex.zero32 }
}

/** Evidence messages one after another, each behind its length in four bytes; a row without evidence has length 0. */
function evidenceFile(entries: readonly Entry[]): Uint8Array {
  const parts = entries.map((entry) => entry.evidence?.bytes ?? new Uint8Array(0))
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0))
  const view = new DataView(out.buffer)
  let at = 0
  for (const part of parts) {
    view.setUint32(at, part.length)
    out.set(part, at + 4)
    at += 4 + part.length
  }
  return out
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

const equivocation = (requestId: Hex.Hex): AppError => new AppError('receipt.equivocation', { detail: `request ${requestId} has two receipts` })
