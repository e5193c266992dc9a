import { AppError, Errors, type Hex, type Payment } from '@haca/core'
import type { Logger } from '@haca/platform/log'
import type { Credit, Vault } from '../ports.js'

/** What became of a payment. */
export type PaymentEnd = { outcome: 'collected'; credit: Credit } | { outcome: 'failed'; reason: PaymentFailure }

export type PaymentFailure = 'invalid_exact_evm_payload_authorization_valid_before' | 'invalid_exact_evm_nonce_already_used' | 'invalid_exact_evm_insufficient_balance'

/** Puts a batch on the chain; resolves when it is beyond doubt, one way or the other. */
export interface Poster {
  /** Payments of batches an earlier process sent and did not see the end of. */
  recovered(): ReadonlyMap<Hex.Hex, Promise<unknown>>
  /** `reverted` when the whole transaction failed: then nothing in it moved. Calls `included` as soon as a block has it, minutes before that is beyond doubt. */
  post(payments: readonly Payment.Payment[], included: () => void): Promise<'mined' | 'reverted' | 'superseded'>
  /** Credits a payment that somebody else submitted straight to the token. Rejects with `credit-direct.refused` when the vault will not. */
  creditDirect(payment: Payment.Payment): Promise<void>
}

export interface LaneOptions {
  vault: Vault
  poster: Poster
  logger: Logger
  flushMs: number
  batchMax: number
  /** Most batches on their way that no block has yet. */
  batchesMax: number
  settleMarginSeconds: number
  /** Milliseconds before a payment that cannot be collected now is looked at again. */
  lookAgainMs: number
  now(): number
}

interface Item {
  payment: Payment.Payment
  queuedAtMs: number
  /** Not before this. */
  dueAtMs: number
  /** Halved when a batch with it reverted as a whole, until the culprit stands alone. */
  batchMax: number
  /** How often the vault refused to credit a transfer that went past us. */
  refusals: number
  ended: Promise<PaymentEnd>
  resolve(end: PaymentEnd): void
}

/** The safe tag may move between two reads of one look; a payment is given up only when it had expired for longer than that. */
const safeSkewSeconds = 5
/** Payments spent past us that are looked up at once. */
const lookUpsMax = 16
/** A transfer that the vault refuses to credit this often is one it has no money for. */
const refusalsMax = 3

/**
 * Collects payments in batches. The vault is the truth at every step: a payment is sent only while the vault has no credit
 * for it, and has ended only when the vault says so behind the safe tag, or when it can no longer be collected.
 */
export class PaymentLane {
  readonly #items = new Map<Hex.Hex, Item>()
  /** Ids in batches whose end is not known yet. */
  readonly #underway = new Set<Hex.Hex>()
  #batches = 0
  #lookUps = 0
  #timer: NodeJS.Timeout | undefined
  #looking = false

  constructor(readonly options: LaneOptions) {}

  start(): void {
    for (const [paymentId, ended] of this.options.poster.recovered()) {
      this.#underway.add(paymentId)
      void ended.finally(() => this.#underway.delete(paymentId))
    }
    this.#timer = setInterval(() => void this.#turn(), Math.max(10, Math.min(100, this.options.flushMs / 4)))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Resolves when the payment has ended. The same payment submitted twice ends once. */
  submit(payment: Payment.Payment): Promise<PaymentEnd> {
    const known = this.#items.get(payment.paymentId)
    if (known) return known.ended
    let resolve!: (end: PaymentEnd) => void
    const ended = new Promise<PaymentEnd>((done) => (resolve = done))
    const now = this.options.now()
    this.#items.set(payment.paymentId, { payment, queuedAtMs: now, dueAtMs: now, batchMax: this.options.batchMax, refusals: 0, ended, resolve })
    return ended
  }

  /** Payments not ended, and the age of the oldest in milliseconds. */
  backlog(): { depth: number; oldestAgeMs: number } {
    const first = this.#items.values().next().value
    return { depth: this.#items.size, oldestAgeMs: first ? this.options.now() - first.queuedAtMs : 0 }
  }

  /** One look at a time: gather what is due, ask the vault, send what must be sent. */
  async #turn(): Promise<void> {
    if (this.#looking || this.#batches >= this.options.batchesMax) return
    const batch = this.#gather()
    if (batch.length === 0) return
    this.#looking = true
    try {
      const sendable = await this.#consult(batch)
      if (sendable.length > 0) this.#send(sendable)
    } catch (err) {
      this.options.logger.warn({ err }, 'payments wait for the chain')
      this.#postpone(batch)
    } finally {
      this.#looking = false
    }
  }

  /** Due payments, once there are enough or one has waited long enough. */
  #gather(): Item[] {
    const now = this.options.now()
    const due: Item[] = []
    let cap = this.options.batchMax
    for (const item of this.#items.values()) {
      if (item.dueAtMs > now || this.#underway.has(item.payment.paymentId)) continue
      if (due.length >= Math.min(cap, item.batchMax)) break
      cap = Math.min(cap, item.batchMax)
      due.push(item)
    }
    const waited = due[0] ? now - due[0].dueAtMs : 0
    return due.length >= cap || waited >= this.options.flushMs ? due : []
  }

  /** Ends what the chain has decided, puts off what cannot be collected now, and answers the rest. */
  async #consult(batch: Item[]): Promise<Item[]> {
    const { vault } = this.options
    const ids = batch.map((item) => item.payment.paymentId)
    const [safe, safeTime] = await Promise.all([vault.credits(ids, 'safe'), vault.safeTime()])
    const uncertain: Item[] = []
    for (const [i, item] of batch.entries()) {
      const credit = safe[i] as Credit
      if (credit.amount > 0n) this.#end(item, { outcome: 'collected', credit })
      else uncertain.push(item)
    }
    const latest = await vault.credits(uncertain.map((item) => item.payment.paymentId), 'latest')
    const credited = uncertain.filter((_, i) => (latest[i] as Credit).amount > 0n)
    this.#postpone(credited, this.options.flushMs)
    return this.#sendable(uncertain.filter((item) => !credited.includes(item)), safeTime)
  }

  /** Of payments the vault has no credit for: those that can be collected now, each payer's within its balance. */
  async #sendable(open: Item[], safeTime: number): Promise<Item[]> {
    if (open.length === 0) return []
    const { vault, settleMarginSeconds, now } = this.options
    const payments = open.map((item) => item.payment)
    const payers = [...new Set(payments.map((p) => p.payer))]
    const [used, usedSafely, balances] = await Promise.all([vault.noncesUsed(payments, 'latest'), vault.noncesUsed(payments, 'safe'), vault.balances(payers)])
    const funds = new Map(payers.map((payer, i) => [payer, balances[i] as bigint]))
    const sendable: Item[] = []
    for (const [i, item] of open.entries()) {
      const { payer, amount, validBefore } = item.payment
      const left = funds.get(payer) as bigint
      if (used[i]) this.#usedElsewhere(item, usedSafely[i] === true)
      else if (safeTime >= validBefore + safeSkewSeconds) this.#end(item, { outcome: 'failed', reason: left < amount ? 'invalid_exact_evm_insufficient_balance' : 'invalid_exact_evm_payload_authorization_valid_before' })
      else if (left < amount || now() / 1000 > validBefore - settleMarginSeconds / 2) this.#postpone([item])
      else {
        funds.set(payer, left - amount)
        sendable.push(item)
      }
    }
    return sendable
  }

  #send(items: Item[]): void {
    let waiting = true
    const included = (): void => {
      if (waiting) this.#batches--
      waiting = false
    }
    this.#batches++
    for (const item of items) this.#underway.add(item.payment.paymentId)
    this.options.poster
      .post(items.map((item) => item.payment), included)
      .then((end) => {
        // The vault is asked next; what a mined batch did not collect is looked at again, what a reverted one holds is tried in halves.
        if (end === 'reverted') for (const item of items) item.batchMax = Math.max(1, Math.floor(items.length / 2))
        this.#postpone(items, end === 'mined' ? 0 : this.options.flushMs)
      })
      .catch((err: unknown) => {
        this.options.logger.warn({ err, payments: items.length }, 'payment batch not sent; trying again')
        this.#postpone(items, this.options.flushMs)
      })
      .finally(() => {
        included()
        for (const item of items) this.#underway.delete(item.payment.paymentId)
      })
  }

  /** The token has the nonce, the vault has no credit: somebody submitted it past us, or the payer cancelled it. Nobody else's payment waits for what the chain says of it. */
  #usedElsewhere(item: Item, safe: boolean): void {
    const { paymentId } = item.payment
    if (!safe) return this.#postpone([item], this.options.flushMs)
    if (this.#lookUps >= lookUpsMax) return this.#postpone([item])
    this.#lookUps++
    this.#underway.add(paymentId)
    void this.#creditDirect(item)
      .catch((err: unknown) => this.options.logger.warn({ err, paymentId }, 'direct payment not credited; trying again'))
      .finally(() => {
        this.#lookUps--
        this.#underway.delete(paymentId)
        this.#postpone([item])
      })
  }

  async #creditDirect(item: Item): Promise<void> {
    const { vault, poster, logger } = this.options
    const { paymentId } = item.payment
    const transaction = await vault.directTransfer(item.payment)
    if (!transaction) return this.#end(item, { outcome: 'failed', reason: 'invalid_exact_evm_nonce_already_used' })
    logger.warn({ paymentId, transaction }, 'payment was submitted straight to the token; crediting it')
    try {
      await poster.creditDirect(item.payment)
    } catch (error) {
      if (Errors.find(error)?.code !== 'credit-direct.refused' || ++item.refusals < refusalsMax) throw error
      logger.error({ alarm: 'direct-payment-refused', paymentId, transaction }, 'the vault has no money for a direct payment that is not credited already; given up')
      this.#end(item, { outcome: 'failed', reason: 'invalid_exact_evm_nonce_already_used' })
    }
  }

  #postpone(items: readonly Item[], byMs = this.options.lookAgainMs): void {
    for (const item of items) item.dueAtMs = this.options.now() + byMs
  }

  #end(item: Item, end: PaymentEnd): void {
    this.#items.delete(item.payment.paymentId)
    item.resolve(end)
  }
}

/** An id list small enough for a transaction's note. */
export const noteOf = (payments: readonly Payment.Payment[]): string => JSON.stringify({ kind: 'payments', ids: payments.map((p) => p.paymentId) })

export function idsOf(note: string): Hex.Hex[] {
  const parsed = JSON.parse(note) as { kind?: string; ids?: Hex.Hex[] }
  if (parsed.kind !== 'payments' || !parsed.ids) throw new AppError('note.malformed')
  return parsed.ids
}
