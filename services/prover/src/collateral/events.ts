import { Errors } from '@haca/core'
import type { Logger } from '@haca/platform/log'
import { metrics } from '@haca/platform/nest'

/** `intel/tcb-info` of a longer subject: few and closed, as labels must be. */
const kindOf = (subject: string): string => subject.split('/').slice(0, 2).join('/')

const statements = metrics.counter('prover_collateral_statements_total', 'Statements of vendors by what became of them', ['kind', 'outcome'])
const secondsLeft = metrics.gauge('prover_collateral_seconds_left', 'Until the first statement in use of a kind runs out', ['kind'])

/** A statement is current from now on. */
export function statementKept(logger: Logger, { subject, notAfter }: { subject: string; notAfter: number }): void {
  statements.inc({ kind: kindOf(subject), outcome: 'newer' })
  logger.info({ subject, expiresAt: new Date(notAfter).toISOString() }, 'collateral archived')
}

/** Somebody offered an older statement than the one that is kept: a mirror that lags, or an attacker. */
export function wentBackwards(logger: Logger, said: { subject: string; offered: string; kept: string }): void {
  statements.inc({ kind: kindOf(said.subject), outcome: 'older' })
  logger.error({ alarm: 'collateral-backwards', ...said }, 'older collateral refused; the newer stays')
}

/** A vendor was asked in vain; `msLeft` of what there is, if there is any. */
export function notRefreshed(logger: Logger, { subject, err, msLeft }: { subject: string; err: unknown; msLeft: number | undefined }): void {
  statements.inc({ kind: kindOf(subject), outcome: 'failed' })
  const said = { subject, reason: Errors.find(err)?.code ?? (err as Error).name, detail: (err as Error).message, ...(msLeft === undefined ? {} : { secondsLeft: Math.round(msLeft / 1000) }) }
  if (msLeft !== undefined && msLeft <= 0) logger.error({ alarm: 'collateral-expired', ...said }, 'collateral has run out; what needs it is refused')
  else logger.warn(said, 'collateral not refreshed; the old stays until it runs out')
}

const nearing = 86_400_000

/** Says how long what is in use still counts, and warns of what has less than a day. */
export function watchExpiry(logger: Logger, inUse: readonly { subject: string; notAfter: number }[], now: number): void {
  const least = new Map<string, number>()
  for (const { subject, notAfter } of inUse) {
    least.set(kindOf(subject), Math.min(least.get(kindOf(subject)) ?? Number.POSITIVE_INFINITY, notAfter - now))
  }
  for (const [kind, ms] of least) {
    secondsLeft.set({ kind }, ms / 1000)
    // Answers of responders live for hours; less than a day is nothing to warn of.
    if (ms < nearing && kind !== 'nvidia/ocsp') logger.warn({ alarm: 'collateral-expiring', kind, secondsLeft: Math.round(ms / 1000) }, 'collateral runs out within a day')
  }
}
