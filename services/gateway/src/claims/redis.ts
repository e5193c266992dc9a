import { AppError, type Hex, type Lifecycle, type Payment } from '@haca/core'
import type { Logger } from '@haca/platform/log'
import { connectRedis, untilReady, type Redis, type RedisOptions } from '@haca/platform/store'
import type { Claim, ClaimId, Claims, Exposure, ExposureLimits, IdentifierUse, PayerFacts, Reserved } from '../ports.js'
import { Convoy } from './convoy.js'
import * as Scripts from './scripts.js'

/** A claim outlives its authorisation by this, and the last look at one that has not ended; after that the token's own clock refuses the payment. */
const keepAfterExpiryMs = 3_600_000
const leaseMs = 10_000
const payerTtlMs = 30 * 24 * 3_600_000
/** Claims one script works on at most; Redis does nothing else meanwhile. */
const togetherMax = 64

type Command = (...args: (string | number)[]) => Promise<unknown>

/** Claims in Redis. Everything that must happen together is one script. */
export class RedisClaims implements Claims {
  readonly #redis: Redis & Record<'reserve' | 'transitionClaim' | 'paidClaim' | 'releaseClaim' | 'takeOver' | 'restoreClaim' | 'setPayer' | 'renewRebuild' | 'markReady', Command>
  readonly #reserving = new WeakMap<ExposureLimits, Convoy<Reservation, Reserved>>()
  readonly #moving = new Convoy<Move, Lifecycle.Transition | 'missing'>((moves) => this.#move(moves), togetherMax)
  #subscriber: Redis | undefined

  constructor(
    readonly options: RedisOptions,
    readonly prefix: string,
    readonly logger: Logger,
  ) {
    this.#redis = connectRedis({ ...options, pipelined: true }, logger) as never
    const define = (name: string, lua: string, numberOfKeys?: number): void => this.#redis.defineCommand(name, numberOfKeys === undefined ? { lua } : { lua, numberOfKeys })
    define('reserve', Scripts.reserve)
    define('transitionClaim', Scripts.transition)
    define('paidClaim', Scripts.paid, 4)
    define('releaseClaim', Scripts.release, 6)
    define('takeOver', Scripts.takeOver, 1)
    define('restoreClaim', Scripts.restore, 5)
    define('setPayer', Scripts.setPayer, 1)
    define('renewRebuild', Scripts.renewRebuild, 1)
    define('markReady', Scripts.markReady, 2)
  }

  /** Resolves when the store answers. */
  open(): Promise<void> {
    return untilReady(this.#redis, this.logger)
  }

  reserve(claim: Omit<Claim, 'state'>, limits: ExposureLimits, nowMs: number): Promise<Reserved> {
    let convoy = this.#reserving.get(limits)
    if (!convoy) this.#reserving.set(limits, (convoy = new Convoy((items) => this.#reserve(items, limits), togetherMax)))
    return convoy.join({ claim, nowMs })
  }

  async identify(use: IdentifierUse, nowMs: number, instead?: Hex.Hex): Promise<Hex.Hex> {
    const key = this.#key(`identifier:${use.payer.toLowerCase()}:${use.identifier}`)
    const known = await this.#run(() => this.#redis.set(key, use.paymentId, 'PX', ttlMs(use, nowMs), 'NX', 'GET'))
    if (known === null || known !== instead) return (known ?? use.paymentId) as Hex.Hex
    await this.#run(() => this.#redis.set(key, use.paymentId, 'PX', ttlMs(use, nowMs)))
    return use.paymentId
  }

  async takeOver(paymentId: Hex.Hex, nowMs: number): Promise<boolean> {
    return (await this.#run(() => this.#redis.takeOver(this.#claimKey(paymentId), nowMs, leaseMs))) === 1
  }

  async release(paymentId: Hex.Hex): Promise<void> {
    const claim = await this.byPayment(paymentId)
    if (!claim) return
    const k = this.#keysOf(claim)
    await this.#run(() => this.#redis.releaseClaim(k.claim, k.payer, k.totals, k.lost, k.due, k.alias, paymentId))
  }

  transition(claim: ClaimId, to: Lifecycle.State, patch: object = {}): Promise<Lifecycle.Transition | 'missing'> {
    return this.#moving.join({ claim, to, patch })
  }

  async paid(claim: ClaimId, patch: object): Promise<Lifecycle.Transition | 'missing'> {
    const k = this.#keysOf(claim)
    return (await this.#run(() => this.#redis.paidClaim(k.claim, k.payer, k.totals, k.lost, ...fieldsOf(patch)))) as Lifecycle.Transition | 'missing'
  }

  async restore(claim: Claim): Promise<void> {
    const k = this.#keysOf(claim)
    await this.#run(() =>
      this.#redis.restoreClaim(
        ...[k.claim, k.payer, k.totals, k.due, k.alias],
        ...[claim.paymentId, claim.requestId, claim.fingerprint, claim.amount.toString(), claim.flow, claim.validBefore * 1000, ttlMs(claim, Date.now()), claim.state, factsOf(claim)],
      ),
    )
  }

  async byPayment(paymentId: Hex.Hex): Promise<Claim | undefined> {
    const fields = await this.#run(() => this.#redis.hgetall(this.#claimKey(paymentId)))
    return Object.keys(fields).length === 0 ? undefined : toClaim(fields)
  }

  async byRequest(requestId: Hex.Hex): Promise<Claim | undefined> {
    const paymentId = await this.#run(() => this.#redis.get(this.#key(`request:${requestId}`)))
    return paymentId ? this.byPayment(paymentId as Hex.Hex) : undefined
  }

  async setPayer(payer: Hex.Hex, read: () => Promise<PayerFacts>, nowMs: number): Promise<void> {
    const key = this.#payerKey(payer)
    for (let attempt = 0; attempt < 5; attempt++) {
      const version = (await this.#run(() => this.#redis.hget(key, 'version'))) ?? '0'
      const facts = await read()
      const balance = facts.balance > maxExact ? maxExact : facts.balance
      if ((await this.#run(() => this.#redis.setPayer(key, version, String(balance), facts.contract ? '1' : '0', nowMs, payerTtlMs))) === 1) return
    }
    throw new AppError('payer.busy', { retryable: true, detail: 'the balance of this payer changes faster than it can be read' })
  }

  async overdue(nowMs: number, graceMs: number, most: number): Promise<Claim[]> {
    const ids = await this.#run(() => this.#redis.zrangebyscore(this.#key('due'), '-inf', nowMs - graceMs, 'LIMIT', 0, most))
    const claims = await Promise.all(ids.map((id) => this.byPayment(id as Hex.Hex)))
    await Promise.all(ids.filter((_, i) => !claims[i]).map((id) => this.#run(() => this.#redis.zrem(this.#key('due'), id))))
    return claims.filter((claim) => claim !== undefined)
  }

  async postpone(paymentId: Hex.Hex, untilMs: number): Promise<void> {
    await this.#run(() => this.#redis.zadd(this.#key('due'), 'XX', untilMs, paymentId))
    // Until it has ended it counts against its payer and all unestablished ones: let go before, it would do so for ever.
    const requestId = await this.#run(() => this.#redis.hget(this.#claimKey(paymentId), 'requestId'))
    if (!requestId) return
    const keys = [this.#claimKey(paymentId), this.#key(`request:${requestId}`)]
    await this.#run(() => Promise.all(keys.map((key) => this.#redis.pexpire(key, keepAfterExpiryMs, 'GT'))))
  }

  async ready(): Promise<boolean> {
    return (await this.#run(() => this.#redis.exists(this.#key('ready')))) === 1
  }

  async markReady(rebuilder: string): Promise<boolean> {
    return (await this.#run(() => this.#redis.markReady(this.#key('rebuilding'), this.#key('ready'), rebuilder))) === 1
  }

  async leaseRebuild(rebuilder: string, leaseMs: number): Promise<boolean> {
    return (await this.#run(() => this.#redis.set(this.#key('rebuilding'), rebuilder, 'PX', leaseMs, 'NX'))) === 'OK'
  }

  async renewRebuild(rebuilder: string, leaseMs: number): Promise<boolean> {
    return (await this.#run(() => this.#redis.renewRebuild(this.#key('rebuilding'), rebuilder, leaseMs))) === 1
  }

  async notify(instance: string, requestId: Hex.Hex): Promise<void> {
    await this.#run(() => this.#redis.publish(this.#key(`replies:${instance}`), requestId))
  }

  async listen(instance: string, hear: (requestId: Hex.Hex) => void): Promise<void> {
    this.#subscriber = connectRedis({ ...this.options, forever: true }, this.logger)
    this.#subscriber.on('message', (_channel, requestId: string) => hear(requestId as Hex.Hex))
    await this.#subscriber.subscribe(this.#key(`replies:${instance}`))
  }

  async ping(): Promise<boolean> {
    try {
      return (await this.#redis.ping()) === 'PONG'
    } catch {
      return false
    }
  }

  async close(): Promise<void> {
    this.#redis.disconnect()
    this.#subscriber?.disconnect()
  }

  async #reserve(items: readonly Reservation[], limits: ExposureLimits): Promise<Reserved[]> {
    const keys = [this.#key('ready'), this.#key('outstanding'), this.#key('lost'), this.#key('due')]
    const fields: (string | number)[] = [limits.payerCap.toString(), limits.totalCap.toString(), limits.balanceMaxAgeMs, leaseMs]
    for (const { claim, nowMs } of items) {
      keys.push(this.#claimKey(claim.paymentId), this.#payerKey(claim.payer), this.#key(`request:${claim.requestId}`))
      fields.push(claim.paymentId, claim.requestId, claim.fingerprint, claim.amount.toString(), claim.flow, claim.validBefore * 1000, nowMs, ttlMs(claim, nowMs), factsOf(claim))
    }
    const answers = (await this.#run(() => this.#redis.reserve(keys.length, ...keys, ...fields))) as ReserveAnswer[]
    return answers.map(reservedOf)
  }

  async #move(moves: readonly Move[]): Promise<(Lifecycle.Transition | 'missing')[]> {
    const keys = [this.#key('outstanding'), this.#key('lost'), this.#key('due')]
    const fields: (string | number)[] = []
    for (const { claim, to, patch } of moves) {
      const values = fieldsOf(patch)
      keys.push(this.#claimKey(claim.paymentId), this.#payerKey(claim.payer))
      fields.push(claim.paymentId, values.length + 2, 'state', to, ...values)
    }
    return (await this.#run(() => this.#redis.transitionClaim(keys.length, ...keys, ...fields))) as (Lifecycle.Transition | 'missing')[]
  }

  #keysOf({ paymentId, payer, requestId }: { paymentId: Hex.Hex; payer: Hex.Hex; requestId?: Hex.Hex }) {
    return {
      claim: this.#claimKey(paymentId),
      payer: this.#payerKey(payer),
      totals: this.#key('outstanding'),
      lost: this.#key('lost'),
      due: this.#key('due'),
      alias: this.#key(`request:${requestId ?? ''}`),
    }
  }

  #claimKey(paymentId: Hex.Hex): string {
    return this.#key(`claim:${paymentId}`)
  }

  #payerKey(payer: Hex.Hex): string {
    return this.#key(`payer:${payer.toLowerCase()}`)
  }

  #key(name: string): string {
    return `{${this.prefix}}:${name}`
  }

  /** A store that does not answer is an outage, never an empty answer. */
  async #run<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command()
    } catch (cause) {
      throw new AppError('claims.unreachable', { retryable: true, cause, detail: 'the payment claims cannot be read now; the same payment, sent again, is not charged twice' })
    }
  }
}

interface Reservation {
  claim: Omit<Claim, 'state'>
  nowMs: number
}

interface Move {
  claim: ClaimId
  to: Lifecycle.State
  patch: object
}

type ReserveAnswer = Exclude<Reserved['outcome'], 'existing' | 'exposed'> | ['existing', string[]] | ['exposed', Exposure]

function reservedOf(answer: ReserveAnswer): Reserved {
  if (!Array.isArray(answer)) return { outcome: answer }
  return answer[0] === 'existing' ? { outcome: 'existing', claim: decode(answer[1]) } : { outcome: 'exposed', reason: answer[1] }
}

/** Lua numbers are doubles; a balance beyond is as good as this. */
const maxExact = 1n << 52n

const ttlMs = (claim: Pick<Claim, 'validBefore'>, nowMs: number): number => Math.max(claim.validBefore * 1000, nowMs) - nowMs + keepAfterExpiryMs

/** What no script looks at, as one field: every field of a command is work for both sides. */
const factsOf = ({ paymentId, payer, validBefore, acceptedAtMs }: Omit<Claim, 'state'>): string => JSON.stringify([paymentId, payer, validBefore, acceptedAtMs])

/** Names and values of a hash, one after another. */
const fieldsOf = (fields: object): string[] => Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]))

function decode(flat: readonly string[]): Claim {
  const fields: Record<string, string> = {}
  for (let i = 0; i < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string
  return toClaim(fields)
}

function toClaim(fields: Record<string, string>): Claim {
  const [paymentId, payer, validBefore, acceptedAtMs] = JSON.parse(fields.facts as string) as [Hex.Hex, Hex.Hex, number, number]
  return {
    ...{ paymentId, payer, validBefore, acceptedAtMs },
    requestId: fields.requestId as Hex.Hex,
    fingerprint: fields.fingerprint as Hex.Hex,
    amount: BigInt(fields.amount as string),
    flow: fields.flow as Payment.Flow,
    state: fields.state as Lifecycle.State,
    ...(fields.code === undefined ? {} : { code: fields.code }),
    ...(fields.detail === undefined ? {} : { detail: fields.detail }),
    ...(fields.transaction === undefined ? {} : { transaction: fields.transaction as Hex.Hex }),
    ...(fields.blockNumber === undefined ? {} : { blockNumber: Number(fields.blockNumber) }),
  }
}
