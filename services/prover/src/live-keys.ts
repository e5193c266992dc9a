import { create } from '@bufbuild/protobuf'
import { AppError, Digest, Hex, Secp256k1 } from '@haca/core'
import { AppraisalRecord, AttestationError } from '@haca/core/tee'
import { KeyAppraisedSchema, SignedAppraisalSchema } from '@haca/proto'
import type { KeyArchive } from '@haca/platform/blobs'
import type { Bus } from '@haca/platform/bus'
import type { PolicyFeed } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { appraiseEvidence, type Scales } from './appraise-evidence.js'
import { keyAppraised } from './events.js'
import { keyKindOf } from './key-kinds.js'
import type { Keys, Registrar } from './ports.js'

/** What live keys are kept with. */
export interface Watch extends Scales {
  archive: KeyArchive
  bus: Bus
  keys: Keys
  registrar: Registrar
  feed: Pick<PolicyFeed, 'current' | 'onChange'>
  scope: AppraisalRecord.RecordScope
  /** Signs records. */
  evidenceKey: Uint8Array
  logger: Logger
  /** Unix milliseconds. */
  now(): number
}

interface Live {
  bytes: Uint8Array
  last: AppraisalRecord.AppraisalRecord
  /** Unix seconds; the latest end of its life that was ever said. The chain has the first one, and a later policy may have made it shorter. */
  until: number
}

/**
 * The keys that may sign now. Each is appraised again every few seconds and at once when policy or collateral changes, and what came of it is
 * said aloud, because trust that is not renewed runs out. The archive is the memory: a restart forgets nothing.
 */
export class LiveKeys {
  readonly #live = new Map<Hex.Hex, Live>()
  /** Keys that turned and that the chain may still hold for good, and until when (unix seconds) that matters. */
  readonly #turned = new Map<Hex.Hex, number>()
  /** Keys of the archive that do not live any more, and never will again. */
  readonly #over = new Set<Hex.Hex>()
  /** Registrations and retirements that are on their way to the chain. */
  readonly #writing = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> | undefined
  #again = false
  #stopped = false
  readonly #listening: (() => void)[] = []

  constructor(readonly watch: Watch) {}

  /** Finds the archived keys and goes round every `everyMs`. */
  async start(everyMs: number): Promise<void> {
    await this.#recall()
    const round = async (): Promise<void> => {
      await this.#recall().catch((err: unknown) => this.watch.logger.warn({ err }, 'archived keys not read; trying again'))
      await this.renew()
      if (!this.#stopped) this.#timer = setTimeout(() => void round(), everyMs)
    }
    this.#listening.push(this.watch.feed.onChange(() => void this.renew()), this.watch.collateral.onChange(() => void this.renew()))
    void round()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    for (const stop of this.#listening) stop()
    await this.#turn
  }

  /** Appraises every live key again, all at once: one may wait for its vendor. Calls that come while one runs share the next one. */
  async renew(): Promise<void> {
    if (this.#turn) {
      this.#again = true
      return this.#turn
    }
    this.#turn = (async () => {
      do {
        this.#again = false
        await Promise.all([...this.#live.keys()].map((node) => this.#renewOne(node).catch((err: unknown) => this.watch.logger.warn({ err, node }, 'key not appraised again; its trust runs out if this goes on'))))
        for (const [node, until] of this.#turned) this.#write(`retire ${node}`, () => this.#retire(node, until))
      } while (this.#again && !this.#stopped)
    })().finally(() => (this.#turn = undefined))
    return this.#turn
  }

  /** Takes a key in with its first record, if that is affirming: archived, said aloud and registered. Else nothing is kept, and nothing is said but to who asked. */
  async admit(bytes: Uint8Array, record: AppraisalRecord.AppraisalRecord): Promise<AppraisalRecord.SignedRecord> {
    const signed = this.#sign(record)
    keyAppraised(this.watch.logger, record)
    if (record.outcome !== 'affirming') return signed
    await this.watch.archive.putEvidence(bytes)
    await this.watch.archive.append(record.node, signed)
    await this.#say(record.node, signed)
    this.#live.set(record.node, { bytes, last: record, until: record.expiresAt })
    this.#write(`register ${record.node}`, () => this.#register(record))
    return signed
  }

  async #renewOne(node: Hex.Hex): Promise<void> {
    const live = this.#live.get(node)
    const policy = this.watch.feed.current()
    if (!live) return
    if (!policy.ok) throw new AppError(policy.reason, { retryable: true, ...(policy.detail ? { detail: policy.detail } : {}) })
    // Another prover may have taken the key in a moment ago, by a clock that is ahead of ours.
    const at = new Date(Math.max(this.watch.now(), live.last.receivedAt * 1000))
    const record = await appraiseEvidence(live.bytes, { receivedAt: new Date(live.last.receivedAt * 1000), at, policy: policy.value.policy }, this.watch)
    const expired = record.outcome === 'contraindicated' && at.getTime() / 1000 >= live.until
    if (expired) {
      this.#live.delete(node)
      return
    }
    const signed = this.#sign(record)
    if (differs(record, live.last)) {
      await this.watch.archive.append(node, signed)
      keyAppraised(this.watch.logger, record)
    }
    if (record.outcome === 'affirming') {
      live.last = record
      live.until = Math.max(live.until, record.expiresAt)
      this.#write(`register ${node}`, () => this.#register(record))
    } else {
      this.#live.delete(node)
      this.#turned.set(node, live.until)
      this.#write(`retire ${node}`, () => this.#retire(node, live.until))
    }
    await this.#say(node, signed)
  }

  /** Writes to the chain beside the rounds: a chain that is slow or away must hold up no other key's renewal. What failed is tried again by the next round. */
  #write(what: string, run: () => Promise<void>): void {
    if (this.#writing.has(what)) return
    this.#writing.add(what)
    void run()
      .catch((err: unknown) => this.watch.logger.warn({ err, what }, 'key not written to the chain; trying again'))
      .finally(() => this.#writing.delete(what))
  }

  /** Registers a key unless it is; the chain is asked first, so that this may be repeated. */
  async #register(record: AppraisalRecord.AppraisalRecord): Promise<void> {
    const { node, evidenceId, receivedAt, expiresAt } = record
    if (await this.watch.keys.record(node)) return
    const keyKind = keyKindOf(record.kind)
    if (keyKind === undefined) throw new AppError('key.refused', { detail: `${record.kind} vouches for no key` })
    await this.watch.registrar.register({ node, keyKind, evidenceId, imageId: imageDigest(record.imageId), notBefore: receivedAt - AppraisalRecord.CLOCK_SKEW_SECONDS, notAfter: expiresAt })
    this.watch.logger.info({ node, keyKind, evidenceId }, 'receipt key registered')
  }

  /** Retires a key for as long as the chain holds it for good; one whose registration is on its way still may become so. */
  async #retire(node: Hex.Hex, until: number): Promise<void> {
    const seconds = this.watch.now() / 1000
    const registered = await this.watch.keys.record(node)
    if (registered && registered.retiredAt === 0n && registered.notAfter >= seconds) await this.watch.registrar.retire(node)
    if (registered || until <= seconds) this.#turned.delete(node)
  }

  /** Keys of the archive whose newest record is affirming and not over, and those that turned and may not be retired yet. */
  async #recall(): Promise<void> {
    for (const node of await this.watch.archive.nodes()) {
      if (this.#live.has(node) || this.#over.has(node)) continue
      await this.#recallOne(node).catch((err: unknown) => this.watch.logger.warn({ err, node }, 'archived key not read; trying again'))
    }
  }

  async #recallOne(node: Hex.Hex): Promise<void> {
    const { archive, logger } = this.watch
    const readable = (await archive.history(node)).flatMap(readRecord)
    const seconds = this.watch.now() / 1000
    // Most keys of an old archive are over; a signature takes a millisecond to check.
    if (readable.length > 0 && readable.every(({ record }) => record.expiresAt <= seconds)) return void this.#over.add(node)
    const records = readable.filter(({ signed }) => this.#isOurs(signed)).map(({ record }) => record)
    const record = records.at(-1)
    if (!record) return
    const until = Math.max(...records.map(({ expiresAt }) => expiresAt))
    if (record.outcome === 'contraindicated') this.#turned.set(node, until)
    if (until <= seconds || record.outcome === 'contraindicated') return void this.#over.add(node)
    const bytes = await archive.evidence(record.evidenceId)
    if (bytes) this.#live.set(node, { bytes, last: record, until })
    else logger.error({ alarm: 'evidence-lost', node, evidenceId: record.evidenceId }, 'a live key has no archived evidence')
  }

  /** When evidence came and that its challenge was drawn here is nowhere but in our record of it. */
  #isOurs(signed: AppraisalRecord.SignedRecord): boolean {
    const by = AppraisalRecord.signerOfRecord(signed, this.watch.scope)
    return by !== undefined && Hex.equals(by, Secp256k1.addressOfKey(this.watch.evidenceKey))
  }

  #sign = (record: AppraisalRecord.AppraisalRecord): AppraisalRecord.SignedRecord => AppraisalRecord.signRecord(record, this.watch.scope, this.watch.evidenceKey)

  async #say(node: Hex.Hex, { record, signature }: AppraisalRecord.SignedRecord): Promise<void> {
    await this.watch.bus.publish(KeyAppraisedSchema, create(KeyAppraisedSchema, { node: Hex.toBytes(node), appraisal: create(SignedAppraisalSchema, { record, signature }) }))
  }
}

/** A record of the archive with its signature; nothing where it cannot be read. */
function readRecord(signed: AppraisalRecord.SignedRecord): { signed: AppraisalRecord.SignedRecord; record: AppraisalRecord.AppraisalRecord }[] {
  try {
    return [{ signed, record: AppraisalRecord.decodeRecord(signed.record) }]
  } catch (error) {
    if (error instanceof AttestationError) return []
    throw error
  }
}

/** Whether a record says something its predecessor did not; a later time alone is nothing new. */
function differs(a: AppraisalRecord.AppraisalRecord, b: AppraisalRecord.AppraisalRecord): boolean {
  const said = ({ outcome, policyEpoch, expiresAt, collateral }: AppraisalRecord.AppraisalRecord): string => JSON.stringify([outcome, policyEpoch, expiresAt, collateral])
  return said(a) !== said(b)
}

/** What the registry keeps of an image: SHA-256 of its name in the policy. */
const imageDigest = (imageId: string | null): Hex.Hex => (imageId === null ? Hex.zero32 : Digest.content(new TextEncoder().encode(imageId)))
