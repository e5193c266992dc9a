import { AppError, Hex, type Secp256k1 } from '@haca/core'
import { AppraisalRecord } from '@haca/core/tee'
import { KeyAppraisedSchema, type KeyAppraised } from '@haca/proto'
import type { Bus } from '@haca/platform/bus'
import type { PolicyFeed } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'

/** Trust in a key that was not renewed for this long has run out. Provers renew every 15 seconds. */
const trustSeconds = 90
/** After a policy changed, keys are still taken by their last appraisal for this long: provers need a moment to go round. */
const epochGraceMs = 20_000

export interface AppraisalsOptions {
  signers: readonly Hex.Hex[]
  scope: AppraisalRecord.RecordScope
  primitives: Secp256k1.Primitives
  feed: Pick<PolicyFeed, 'current' | 'onChange'>
  logger: Logger
  /** Unix milliseconds. */
  now(): number
}

/** What provers last said of each key. A record counts by its signature and its own time; where it came from says nothing. */
export class Appraisals {
  readonly #newest = new Map<string, AppraisalRecord.AppraisalRecord>()
  #epochSinceMs = 0

  constructor(readonly options: AppraisalsOptions) {
    options.feed.onChange(() => (this.#epochSinceMs = options.now()))
  }

  /** Takes what a prover said; an older record than the one known, or one of an older policy, changes nothing. Throws `appraisal.forged`. */
  async hear({ appraisal }: KeyAppraised): Promise<void> {
    if (!appraisal) return
    const { signers, scope, primitives, logger } = this.options
    const by = AppraisalRecord.signerOfRecord(appraisal, scope, primitives)
    if (!by || !signers.some((known) => Hex.equals(known, by))) throw new AppError('appraisal.forged', { detail: 'no prover of ours signed this appraisal' })
    const record = AppraisalRecord.decodeRecord(appraisal.record)
    const known = this.#newest.get(record.node)
    if (record.appraisedAt > this.options.now() / 1000 + AppraisalRecord.CLOCK_SKEW_SECONDS) {
      // Believed, it would be trust for longer than a renewal gives, and everything said meanwhile would be older.
      logger.warn({ node: record.node, appraisedAt: record.appraisedAt }, 'appraisal from the future not taken; the clock of a prover, or ours, is wrong')
      return
    }
    if (known && !supersedes(record, known)) return
    if (known?.outcome !== record.outcome) logger.info({ node: record.node, outcome: record.outcome, policyEpoch: record.policyEpoch, hardwareId: record.hardwareId }, 'key appraised')
    this.#newest.set(record.node, record)
    this.#forget()
  }

  /** The policy's name for the hardware that vouches for a key, if an affirming appraisal holds now. */
  hardwareOf(node: Hex.Hex): string | undefined {
    const record = this.#newest.get(node.toLowerCase())
    const { feed, now } = this.options
    const policy = feed.current()
    if (!record || !policy.ok || record.outcome !== 'affirming') return undefined
    const seconds = now() / 1000
    if (seconds - record.appraisedAt > trustSeconds || seconds >= record.expiresAt) return undefined
    const outdated = record.policyEpoch < policy.value.policy.epoch && now() - this.#epochSinceMs > epochGraceMs
    return outdated ? undefined : (record.hardwareId ?? undefined)
  }

  #forget(): void {
    if (this.#newest.size < 10_000) return
    for (const [node, { expiresAt }] of this.#newest) if (expiresAt < this.options.now() / 1000) this.#newest.delete(node)
  }
}

/** Hears again what provers said within the time that trust lasts, so that a fresh router knows what the others know before it is asked. */
export const hearAgain = (bus: Pick<Bus, 'replay'>, appraisals: Appraisals, { logger, now }: Pick<AppraisalsOptions, 'logger' | 'now'>): Promise<void> =>
  bus.replay({
    schema: KeyAppraisedSchema,
    sinceMs: now() - trustSeconds * 1000,
    visit: (said) => appraisals.hear(said).catch((err: unknown) => logger.warn({ err }, 'appraisal not taken')),
  })

/** By policy first: a prover that has not seen the newer one says nothing new, however late. In one second, the no counts. */
function supersedes(record: AppraisalRecord.AppraisalRecord, known: AppraisalRecord.AppraisalRecord): boolean {
  if (record.policyEpoch !== known.policyEpoch) return record.policyEpoch > known.policyEpoch
  if (record.appraisedAt !== known.appraisedAt) return record.appraisedAt > known.appraisedAt
  return known.outcome === 'affirming'
}
