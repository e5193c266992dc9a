import { AppError, type Receipt } from '@haca/core'
import type { KeyRegistry } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { setTimeout as pause } from 'node:timers/promises'
import type { ReceiptSigner } from '../ports.js'
import type { KeySigner } from './signer.js'

export interface KeyringOptions {
  /** Makes a key and answers when it may sign. */
  enroll(): Promise<KeySigner>
  keys: Pick<KeyRegistry, 'validity'>
  logger: Logger
  /** Unix milliseconds. */
  now(): number
  signal: AbortSignal
  /** How often the chain is asked whether the key still stands. */
  watchEveryMs: number
}

/** A new key is made when this share of the old one's life is left. */
const overlapShare = 0.25

/**
 * The receipt keys of this boot, one in use at a time. A successor is enrolled while the old key is still good, and takes over once it may sign; a
 * key that the chain ended is replaced at once, and until then nothing is signed.
 */
export class Keyring implements ReceiptSigner {
  #current: KeySigner
  #usable = true
  readonly #retired = new Map<string, KeySigner>()
  readonly #running: Promise<void>
  #enrolledAtMs: number
  #succession: Promise<void> | undefined

  private constructor(
    readonly options: KeyringOptions,
    first: KeySigner,
  ) {
    this.#current = first
    this.#enrolledAtMs = options.now()
    this.#running = this.#watch()
  }

  static async open(options: KeyringOptions): Promise<Keyring> {
    return new Keyring(options, await options.enroll())
  }

  get node() {
    return this.#current.node
  }
  get keyKind() {
    return this.#current.keyKind
  }
  get evidenceId() {
    return this.#current.evidenceId
  }

  /** Whether the key in use may sign, as far as the chain was seen. */
  usable(): boolean {
    return this.#usable && this.options.now() / 1000 < this.#current.expiresAt
  }

  /** A key may end while the model runs: then the answer waits for its successor, rather than being delivered under a receipt that is refuted. */
  sign(terms: Receipt.Terms): Receipt.Signed {
    if (!this.usable()) throw new AppError('key.unusable', { retryable: true, detail: 'the receipt key may not sign now; a successor is on its way' })
    return this.#current.sign(terms)
  }

  discard(signed: Receipt.Signed): void {
    const of = signed.receipt.node === this.#current.node ? this.#current : this.#retired.get(signed.receipt.node)
    of?.discard(signed)
  }

  /** Resolves when nothing goes on any more, after its signal. */
  ended(): Promise<void> {
    return this.#running
  }

  /** Looks at the key in use also while its successor is being enrolled: that may take for ever, and the chain may end this one meanwhile. */
  async #watch(): Promise<void> {
    const { signal, watchEveryMs, logger, now } = this.options
    while (!signal.aborted) {
      await pause(watchEveryMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) break
      const watched = this.#current
      const validity = await this.#validity()
      if (watched !== this.#current) continue
      if (validity !== undefined) this.#usable = validity === 'valid'
      const due = watched.expiresAt * 1000 - now() < (watched.expiresAt * 1000 - this.#enrolledAtMs) * overlapShare
      if (this.#succession || (this.#usable && !due)) continue
      if (!this.#usable) logger.warn({ node: watched.node, validity }, 'the receipt key may not sign any more; making another')
      this.#succession = this.#succeed().finally(() => (this.#succession = undefined))
    }
    await this.#succession
  }

  async #succeed(): Promise<void> {
    const { signal, logger, now } = this.options
    const next = await this.options.enroll().catch((err: unknown) => void (signal.aborted || logger.error({ err }, 'no successor of the receipt key')))
    if (!next) return
    this.#retired.set(this.#current.node, this.#current)
    this.#current = next
    this.#usable = true
    this.#enrolledAtMs = now()
  }

  async #validity(): Promise<string | undefined> {
    const { keys, now, logger } = this.options
    return keys.validity(this.#current.node, this.#current.keyKind, Math.floor(now() / 1000)).catch((err: unknown) => {
      logger.debug({ err }, 'key registry not read; the last answer stands')
      return undefined
    })
  }
}
