import { AppError, Errors, Receipt, type Hex } from '@haca/core'
import type { AppraisalRecord } from '@haca/core/tee'
import type { KeyRegistry } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { setTimeout as pause } from 'node:timers/promises'
import { haveAppraised, type Claimed, type Verifier } from './ceremony.js'
import type { Hardware } from './hardware.js'
import { createSigner, newKey, type KeySigner } from './signer.js'

export interface Enrolment {
  hardware: Hardware
  verifier: Verifier
  keys: Pick<KeyRegistry, 'validity'>
  claimed: Claimed
  scope: Receipt.Scope
  /** Lets a key that may sign vouch for this boot's other keys. */
  vouch(privateKey: Uint8Array): Promise<void>
  logger: Logger
  /** Unix milliseconds. */
  now(): number
  signal: AbortSignal
}

const retryMs = { least: 500, most: 15_000 }

/**
 * Makes a receipt key, has the hardware vouch for it and waits until the chain says it is valid. Until then nothing is signed with it: a receipt
 * of an unregistered key is worth nothing. Tries again for as long as it takes, with a new key each time: a prover that is away comes back, and a
 * policy that refuses this machine may change its mind.
 */
export async function enroll(enrolment: Enrolment): Promise<KeySigner> {
  const { logger, now, scope, signal } = enrolment
  for (let waitMs = retryMs.least; ; waitMs = Math.min(waitMs * 2, retryMs.most)) {
    const { privateKey, node } = newKey()
    try {
      const record = await haveAppraised(privateKey, enrolment.claimed, enrolment.hardware, enrolment.verifier)
      if (record.outcome === 'affirming') {
        const keyKind = Receipt.keyKinds[record.kind as Receipt.KeyKind]
        await untilValid(enrolment, node, keyKind, record)
        await enrolment.vouch(privateKey)
        logger.info({ node, kind: record.kind, evidenceId: record.evidenceId, expiresAt: record.expiresAt }, 'receipt key registered')
        return await createSigner({ scope, keyKind, evidenceId: record.evidenceId, privateKey, expiresAt: record.expiresAt, now })
      }
      logger.error({ alarm: 'key-refused', node, failed: record.reasons.filter(({ ok }) => !ok) }, 'the policy does not take this machine; trying again')
    } catch (error) {
      signal.throwIfAborted()
      if (Errors.find(error)?.retryable === false) logger.error({ err: error }, 'receipt key not taken; trying again with another')
      else logger.warn({ err: error }, 'receipt key not appraised yet; trying again')
    }
    await pause(waitMs, undefined, { signal })
  }
}

/** How long a registration may take before another key is tried. */
const registrationMs = 120_000

async function untilValid({ keys, now, signal, logger }: Enrolment, node: Hex.Hex, keyKind: number, record: AppraisalRecord.AppraisalRecord): Promise<void> {
  for (const until = now() + registrationMs; now() < until; await pause(200, undefined, { signal })) {
    const validity = await keys.validity(node, keyKind, Math.floor(now() / 1000)).catch((err: unknown) => {
      logger.debug({ err }, 'key registry not read; trying again')
      return 'unknown'
    })
    if (validity === 'valid') return
    if (validity !== 'unknown' && validity !== 'not-yet-valid') throw new AppError('key.refused', { detail: `the registry says the fresh key is ${validity}` })
  }
  throw new AppError('registration.late', { retryable: true, detail: `the key ${node} with evidence ${record.evidenceId} was not registered within ${registrationMs / 1000} s` })
}
