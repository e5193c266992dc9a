import { Errors, Hex, type Lifecycle, type Payment } from '@haca/core'
import { InferenceCompletedSchema, InferenceRequestedSchema, InferenceVoidedSchema, PaymentFailedSchema, PaymentRequestedSchema, PaymentSettledSchema, type InferenceRequested, type PaymentFailed } from '@haca/proto'
import type { Bus } from '@haca/platform/bus'
import type { Logger } from '@haca/platform/log'
import { Wire } from '@haca/platform/wire'
import { claimOf, claimOfLoss, completed, paymentFailed, paymentSettled, told, voided, type Projection } from './project-events.js'
import type { Claim, Claims, IdentifierUse } from './ports.js'

export interface Rebuild {
  bus: Bus
  claims: Claims
  /** Name of this process, under which it holds the lease. */
  instance: string
  projection: Projection
  logger: Logger
  /** Whether its payer signed a payment. */
  genuine(payment: Payment.Payment): boolean
  /** How far back a payment may have been made that could still be replayed. */
  horizonMs: number
  now(): number
}

/** How long the others wait for a rebuilder that died; while it lives, it renews. */
const leaseMs = 5_000
/** Topics without prompts are kept for a week; losses of that long count against who made them. */
const lossHorizonMs = 24 * 3_600_000

/** Rebuilds the claims from Kafka when the store has lost them, one replica at a time; the others wait for it. */
export class ClaimsRebuilder {
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(readonly rebuild: Rebuild) {}

  /** Looks now and from time to time whether claims are whole: a gateway that is not ready gets no requests that could ask for it. */
  watch(everyMs: number): void {
    this.begin()
    this.#timer = setInterval(() => this.begin(), everyMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Has claims rebuilt if they must be, beside whatever else goes on. */
  begin(): void {
    void this.ensure().catch((err: unknown) => this.rebuild.logger.warn({ err }, 'payment claims not rebuilt; trying again'))
  }

  /** Resolves when claims are whole; does nothing when they are. */
  ensure(): Promise<void> {
    return (this.#running ??= this.#ensure().finally(() => (this.#running = undefined)))
  }

  async #ensure(): Promise<void> {
    const { claims, instance, logger } = this.rebuild
    while (!(await claims.ready())) {
      if (!(await claims.leaseRebuild(instance, leaseMs))) {
        await new Promise((next) => setTimeout(next, 200))
        continue
      }
      const renewing = setInterval(() => void claims.renewRebuild(instance, leaseMs).catch(() => undefined), leaseMs / 4)
      try {
        const restored = await rebuildClaims(this.rebuild)
        if (await claims.markReady(instance)) logger.warn({ restored }, 'payment claims rebuilt from the log')
      } finally {
        clearInterval(renewing)
      }
    }
  }
}

/** Reads requests back into claims, then what became of them. Harmless while events go on: every step is guarded. */
async function rebuildClaims({ bus, claims, projection, genuine, horizonMs, now }: Rebuild): Promise<number> {
  const sinceMs = now() - horizonMs
  let restored = 0
  const restore = async (request: InferenceRequested, state: Lifecycle.State): Promise<void> => {
    if (!genuine(Wire.toPayment(request.payment))) return
    const claim = claimOf(request, state)
    await claims.restore(claim)
    const identifier = Wire.hexOrZero(request.paymentIdentifier, 'payment_identifier')
    if (identifier !== Hex.zero32) await identify({ ...claim, identifier }, claims, now())
    restored++
  }
  // A loss counts longer than requests are read back: then its claim is made from what the settler said of it.
  const lost = async (message: PaymentFailed): Promise<void> => {
    told(PaymentFailedSchema, message, projection)
    await claims.restore(claimOfLoss(message, now()))
    await paymentFailed(message, projection)
  }
  await bus.replay({ schema: InferenceRequestedSchema, pool: '*', sinceMs, visit: believed((message) => restore(message, 'accepted')) })
  await bus.replay({ schema: PaymentRequestedSchema, sinceMs, visit: believed(async ({ request }) => request && restore(request, 'paying')) })
  await bus.replay({ schema: PaymentSettledSchema, sinceMs, visit: believed((message) => paymentSettled(message, projection)) })
  await bus.replay({ schema: InferenceCompletedSchema, sinceMs, visit: believed((message) => completed(message, projection)) })
  await bus.replay({ schema: InferenceVoidedSchema, sinceMs, visit: believed((message) => voided(message, projection)) })
  await bus.replay({ schema: PaymentFailedSchema, sinceMs: Math.min(sinceMs, now() - lossHorizonMs), visit: believed(lost) })
  return restored
}

/**
 * An identifier stands for the last payment that was accepted with it: one from before bought nothing, or it would have been answered. A payment
 * without a claim took the identifier while claims were lost, and was not accepted.
 */
async function identify(use: Claim & IdentifierUse, claims: Claims, nowMs: number): Promise<void> {
  const holder = await claims.identify(use, nowMs)
  if (holder === use.paymentId) return
  const other = await claims.byPayment(holder)
  if (!other || other.acceptedAtMs < use.acceptedAtMs) await claims.identify(use, nowMs, holder)
}

/** Leaves out records that are not to be believed: their consumers buried them, but they are still in the topic. */
const believed =
  <M>(visit: (message: M) => Promise<unknown>) =>
  async (message: M): Promise<void> => {
    try {
      await visit(message)
    } catch (error) {
      if (Errors.find(error)?.retryable !== false) throw error
    }
  }
