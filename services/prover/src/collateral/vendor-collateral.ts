import { AppError, Errors } from '@haca/core'
import { AttestationError, type AppraisalRecord, type Collection, type Endorsements } from '@haca/core/tee'
import type { Logger } from '@haca/platform/log'
import type { Collateral } from '../ports.js'
import { dueAt } from './calendar.js'
import { notRefreshed, watchExpiry } from './events.js'
import type { Entry, Library } from './library.js'
import { needsOf, type Need, type NeedsWorld } from './needs.js'
import { endorsementsOf, type Part, type Vendor } from './statement.js'

export interface VendorCollateralOptions {
  readonly library: Library
  /** None in an air-gapped prover, which knows what was imported. */
  readonly vendors: readonly Vendor[]
  readonly needs: NeedsWorld
  readonly logger: Logger
  /** How long a first sight of a platform may take. */
  readonly deadlineMs: number
  /** Unix milliseconds. */
  now(): number
}

/** What was given out, and until when it is kept fresh without being asked for again. */
interface InUse {
  entry: Entry
  context: readonly Part[]
  givenAt: number
  askedAt: number
}

/** Keys are appraised every few seconds; what nobody needed for a day, nobody needs. */
const forgetMs = 24 * 3_600_000
/** After a failure, a vendor is left alone for so long, and longer where it said that there is no such thing. */
const restMs = { unreachable: 30_000, unknown: 10 * 60_000 } as const
/** Failures that are remembered. */
const failedMax = 1_000

/**
 * Endorsements as vendors publish them. The first sight of a platform asks its vendor and waits; afterwards they come from the library, and a calendar
 * asks for successors. A failure keeps what there is: once that has run out it is given out all the same, and verifiers refuse it for its date.
 */
export class VendorCollateral implements Collateral {
  readonly #inUse = new Map<string, InUse>()
  readonly #asking = new Map<string, Promise<void>>()
  readonly #failed = new Map<string, { until: number; error: unknown }>()
  readonly #listeners = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> | undefined
  #stopped = false

  constructor(readonly options: VendorCollateralOptions) {}

  async endorsements(piece: string, collection: Collection.KeyCollection, at: Date): Promise<{ endorsements: Endorsements; used: AppraisalRecord.CollateralUsed[] }> {
    const evidence = piece === 'machine' ? collection.machine : collection.devices[Number(piece.slice('device-'.length))]
    if (!evidence) throw new AppError('collateral.unknown', { detail: `no piece ${piece}` })
    const needs = await needsOf(evidence, at, this.options.needs)
    const entries = (await Promise.all(needs.map((need) => this.#obtain(need, at.getTime())))).filter((entry) => entry !== undefined)
    const given = await Promise.all(entries.map(async (entry) => this.#give(evidence, piece, entry)))
    return { endorsements: given.flatMap(({ endorsements }) => endorsements), used: given.flatMap(({ used }) => used) }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Goes through the calendar every `everyMs`. */
  start(everyMs: number): void {
    const round = async (): Promise<void> => {
      this.#turn = this.refresh().catch((err: unknown) => this.options.logger.warn({ err }, 'collateral not gone through; trying again'))
      await this.#turn
      if (!this.#stopped) this.#timer = setTimeout(() => void round(), everyMs)
    }
    this.#timer = setTimeout(() => void round(), everyMs)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#turn
  }

  /** Asks for successors of what is in use and due, and notices those that somebody else archived. */
  async refresh(): Promise<void> {
    const { library, logger, vendors, now } = this.options
    let changed = false
    for (const [subject, used] of this.#inUse) {
      if (now() - used.givenAt > forgetMs) {
        this.#inUse.delete(subject)
        continue
      }
      if (vendors.length > 0 && now() >= dueAt(used.entry, used.askedAt)) await this.#ask({ subject, context: used.context }).catch((err: unknown) => notRefreshed(logger, { subject, err, msLeft: used.entry.notAfter - now() }))
      const current = await library.current(subject, now())
      if (current && current.standing !== used.entry.standing) {
        used.entry = current
        changed = true
      }
    }
    watchExpiry(logger, [...this.#inUse.values()].map(({ entry }) => entry), now())
    if (changed) this.#tell()
  }

  /** The current statement; a vendor is asked when there is none that counts. */
  async #obtain(need: Need, at: number): Promise<Entry | undefined> {
    const known = await this.options.library.current(need.subject, at)
    if (known && known.notAfter >= at) return this.#use(need, known, at)
    try {
      await this.#ask(need)
    } catch (err) {
      if (known) return this.#use(need, known, at)
      // The vendor says there is no such thing: the verifier will miss it and say which.
      if (Errors.find(err)?.code === 'collateral.unknown') return undefined
      throw err
    }
    const found = (await this.options.library.current(need.subject, at)) ?? known
    return found && this.#use(need, found, at)
  }

  #use({ subject, context }: Need, entry: Entry, at: number): Entry {
    const before = this.#inUse.get(subject)
    this.#inUse.set(subject, { entry, context, givenAt: Math.max(at, before?.givenAt ?? 0), askedAt: Math.max(entry.receivedAt, before?.askedAt ?? 0) })
    if (before && before.entry.standing !== entry.standing) this.#tell()
    return entry
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  /** Asks a vendor, once at a time for a subject, and not again soon after a failure. */
  #ask(need: Need): Promise<void> {
    const failed = this.#failed.get(need.subject)
    if (failed && failed.until > this.options.now()) return Promise.reject(failed.error)
    const running = this.#asking.get(need.subject)
    if (running) return running
    const asking = this.#fetch(need)
      .then(
        () => void this.#failed.delete(need.subject),
        (error: unknown) => {
          const rest = Errors.find(error)?.code === 'collateral.unknown' ? restMs.unknown : restMs.unreachable
          this.#leaveAlone(need.subject, { until: this.options.now() + rest, error })
          throw error
        },
      )
      .finally(() => this.#asking.delete(need.subject))
    this.#asking.set(need.subject, asking)
    return asking
  }

  /** Chips and manifests are asked about by the names that unproven reports give them, so that a stranger can invent any number. */
  #leaveAlone(subject: string, failure: { until: number; error: unknown }): void {
    this.#failed.delete(subject)
    for (const oldest of this.#failed.keys()) {
      if (this.#failed.size < failedMax) break
      this.#failed.delete(oldest)
    }
    this.#failed.set(subject, failure)
  }

  async #fetch({ subject, context }: Need): Promise<void> {
    const { vendors, library, now, deadlineMs } = this.options
    const vendor = vendors.find(({ name }) => subject.startsWith(`${name}/`))
    if (!vendor) throw new AppError('collateral.unknown', { detail: `${subject} was not imported, and no vendor is asked` })
    const used = this.#inUse.get(subject)
    if (used) used.askedAt = now()
    const statement = await vendor.ask(subject, context, AbortSignal.timeout(deadlineMs))
    try {
      await library.admit(statement, now())
    } catch (cause) {
      if (cause instanceof AttestationError) throw new AppError('collateral.refused', { cause, detail: `${subject}: ${cause.message}`, retryable: true })
      throw cause
    }
  }

  /** What verifiers take of a statement, except what the node supplied itself. */
  async #give({ endorsements: supplied }: Collection.Piece, piece: string, entry: Entry): Promise<{ endorsements: Endorsements; used: AppraisalRecord.CollateralUsed[] }> {
    const mine = ['vek', 'vek-issuer'].filter((role) => supplied.some((one) => one.role === role))
    const endorsements = endorsementsOf(await this.options.library.open(entry)).filter(({ role }) => !mine.includes(role))
    const used = endorsements.map(({ role }) => ({ piece, role, digest: entry.parts.find((part) => part.role === role)!.digest }))
    return { endorsements, used }
  }
}
