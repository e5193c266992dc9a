import { Lifecycle, type Hex } from '@haca/core'
import type { Claim, ClaimId, Claims, ExposureLimits, IdentifierUse, PayerFacts, Reserved } from '../ports.js'

interface Entry {
  claim: Claim
  counted: boolean
  released: boolean
  leaseUntilMs: number
  dueAtMs: number
}

interface Payer {
  facts?: PayerFacts
  readAtMs: number
  exposure: bigint
  settled: bigint
  owed: bigint
  /** Payments settled; a balance read before one of them is not written after it. */
  version: number
}

const leaseMs = 10_000

/** Claims of one process: nothing here survives a restart. For tests, and for the demo where it says so. */
export class MemoryClaims implements Claims {
  readonly #entries = new Map<Hex.Hex, Entry>()
  readonly #requests = new Map<Hex.Hex, Hex.Hex>()
  readonly #identifiers = new Map<string, Hex.Hex>()
  readonly #payers = new Map<string, Payer>()
  readonly #listeners = new Map<string, (requestId: Hex.Hex) => void>()
  #outstanding = 0n
  #lost = 0n
  #ready = false
  #rebuild: { by: string; untilMs: number } | undefined

  async open(): Promise<void> {}

  async reserve(claim: Omit<Claim, 'state'>, limits: ExposureLimits, nowMs: number): Promise<Reserved> {
    if (!this.#ready) return { outcome: 'not-ready' }
    const known = this.#entries.get(claim.paymentId)
    if (known) return known.claim.fingerprint === claim.fingerprint && known.claim.requestId === claim.requestId ? { outcome: 'existing', claim: { ...known.claim } } : { outcome: 'conflict' }
    const payer = this.#payer(claim.payer)
    if (!payer.facts || nowMs - payer.readAtMs > limits.balanceMaxAgeMs) return { outcome: 'stale-payer' }
    if (payer.facts.contract) return { outcome: 'exposed', reason: 'contract-payer' }
    if (payer.exposure + claim.amount > payer.facts.balance) return { outcome: 'exposed', reason: 'insufficient-balance' }
    let counted = false
    if (claim.flow === 'authorization') {
      if (payer.owed > 0n) return { outcome: 'exposed', reason: 'debtor' }
      const cap = payer.settled > limits.payerCap ? payer.settled : limits.payerCap
      if (payer.exposure + claim.amount > cap) return { outcome: 'exposed', reason: 'payer-cap' }
      if (payer.settled < limits.payerCap) {
        if (this.#outstanding + this.#lost + claim.amount > limits.totalCap) return { outcome: 'exposed', reason: 'total-cap' }
        counted = true
      }
    }
    this.#open({ ...claim, state: 'reserved' }, counted, nowMs + leaseMs)
    return { outcome: 'reserved' }
  }

  async identify({ payer, identifier, paymentId }: IdentifierUse, _nowMs: number, instead?: Hex.Hex): Promise<Hex.Hex> {
    const name = `${payer.toLowerCase()} ${identifier}`
    const known = this.#identifiers.get(name)
    if (known && known !== instead) return known
    this.#identifiers.set(name, paymentId)
    return paymentId
  }

  async takeOver(paymentId: Hex.Hex, nowMs: number): Promise<boolean> {
    const entry = this.#entries.get(paymentId)
    if (!entry || entry.claim.state !== 'reserved' || entry.leaseUntilMs > nowMs) return false
    entry.leaseUntilMs = nowMs + leaseMs
    return true
  }

  async release(paymentId: Hex.Hex): Promise<void> {
    const entry = this.#entries.get(paymentId)
    if (entry?.claim.state !== 'reserved') return
    this.#close(entry, 'void')
    this.#entries.delete(paymentId)
    this.#requests.delete(entry.claim.requestId)
  }

  async transition({ paymentId }: ClaimId, to: Lifecycle.State, patch: Partial<Claim> = {}): Promise<Lifecycle.Transition | 'missing'> {
    const entry = this.#entries.get(paymentId)
    if (!entry) return 'missing'
    const answer = Lifecycle.transition(entry.claim.state, to)
    if (answer !== 'applied') return answer
    entry.claim = { ...entry.claim, ...patch, state: to }
    if (to === 'settled') this.#close(entry, 'paid')
    if (to === 'void') this.#close(entry, 'void')
    if (to === 'unpaid') this.#close(entry, 'lost')
    return 'applied'
  }

  async paid({ paymentId }: ClaimId, patch: Partial<Claim>): Promise<Lifecycle.Transition | 'missing'> {
    const entry = this.#entries.get(paymentId)
    if (!entry) return 'missing'
    this.#close(entry, 'paid')
    const began = entry.claim.state === 'paying' || entry.claim.state === 'reserved'
    entry.claim = { ...entry.claim, ...patch, ...(began ? { state: 'accepted' as const } : {}) }
    return began ? 'applied' : 'already'
  }

  async restore(claim: Claim): Promise<void> {
    if (!this.#entries.has(claim.paymentId)) this.#open(claim, claim.flow === 'authorization', 0)
  }

  async byPayment(paymentId: Hex.Hex): Promise<Claim | undefined> {
    const entry = this.#entries.get(paymentId)
    return entry && { ...entry.claim }
  }

  async byRequest(requestId: Hex.Hex): Promise<Claim | undefined> {
    const paymentId = this.#requests.get(requestId)
    return paymentId && this.byPayment(paymentId)
  }

  async setPayer(payer: Hex.Hex, read: () => Promise<PayerFacts>, nowMs: number): Promise<void> {
    const known = this.#payer(payer)
    for (;;) {
      const version = known.version
      const facts = await read()
      if (version === known.version) return void Object.assign(known, { facts, readAtMs: nowMs })
    }
  }

  async overdue(nowMs: number, graceMs: number, most: number): Promise<Claim[]> {
    return [...this.#entries.values()]
      .filter((entry) => !Lifecycle.isFinal(entry.claim.state) && entry.dueAtMs <= nowMs - graceMs)
      .sort((a, b) => a.dueAtMs - b.dueAtMs)
      .slice(0, most)
      .map((entry) => ({ ...entry.claim }))
  }

  async postpone(paymentId: Hex.Hex, untilMs: number): Promise<void> {
    const entry = this.#entries.get(paymentId)
    if (entry) entry.dueAtMs = untilMs
  }

  async ready(): Promise<boolean> {
    return this.#ready
  }

  async markReady(rebuilder: string): Promise<boolean> {
    const held = this.#holds(rebuilder)
    if (held) [this.#ready, this.#rebuild] = [true, undefined]
    return held
  }

  async leaseRebuild(rebuilder: string, leaseMs: number): Promise<boolean> {
    if (this.#rebuild && this.#rebuild.untilMs > Date.now()) return false
    this.#rebuild = { by: rebuilder, untilMs: Date.now() + leaseMs }
    return true
  }

  async renewRebuild(rebuilder: string, leaseMs: number): Promise<boolean> {
    const held = this.#holds(rebuilder)
    if (held) this.#rebuild = { by: rebuilder, untilMs: Date.now() + leaseMs }
    return held
  }

  async notify(instance: string, requestId: Hex.Hex): Promise<void> {
    this.#listeners.get(instance)?.(requestId)
  }

  async listen(instance: string, hear: (requestId: Hex.Hex) => void): Promise<void> {
    this.#listeners.set(instance, hear)
  }

  async ping(): Promise<boolean> {
    return true
  }

  async close(): Promise<void> {
    this.#listeners.clear()
  }

  #holds(rebuilder: string): boolean {
    return this.#rebuild?.by === rebuilder && this.#rebuild.untilMs > Date.now()
  }

  #open(claim: Claim, counted: boolean, leaseUntilMs: number): void {
    this.#payer(claim.payer).exposure += claim.amount
    if (counted) this.#outstanding += claim.amount
    this.#entries.set(claim.paymentId, { claim, counted, released: false, leaseUntilMs, dueAtMs: claim.validBefore * 1000 })
    this.#requests.set(claim.requestId, claim.paymentId)
  }

  #close(entry: Entry, how: 'paid' | 'void' | 'lost'): void {
    const { amount, payer: address } = entry.claim
    const payer = this.#payer(address)
    if (entry.released) {
      if (how === 'void') payer.settled -= amount // collected before its work, and now paid back
      return
    }
    entry.released = true
    payer.exposure -= amount
    if (entry.counted) this.#outstanding -= amount
    if (how === 'paid') {
      payer.settled += amount
      payer.version++
      if (payer.facts) payer.facts = { ...payer.facts, balance: payer.facts.balance - amount }
    }
    if (how === 'lost') {
      payer.owed += amount
      if (entry.counted) this.#lost += amount
    }
  }

  #payer(address: Hex.Hex): Payer {
    const name = address.toLowerCase()
    let payer = this.#payers.get(name)
    if (!payer) this.#payers.set(name, (payer = { readAtMs: 0, exposure: 0n, settled: 0n, owed: 0n, version: 0 }))
    return payer
  }
}
