import { create } from '@bufbuild/protobuf'
import { AppError, Digest, Hex, KeyEvidence, Receipt } from '@haca/core'
import { KeyAnnouncedSchema } from '@haca/proto'
import type { Bus } from '@haca/platform/bus'
import type { Blobs } from '@haca/platform/blobs'
import type { KeyRegistry } from '@haca/platform/chain'
import type { Logger } from '@haca/platform/log'
import { setTimeout as pause } from 'node:timers/promises'
import type { ReceiptSigner } from '../ports.js'
import type { DstackClient } from './dstack.js'
import { createSigner, newKey } from './signer.js'

export interface Enrolment {
  tee: DstackClient
  bus: Bus
  blobs: Blobs
  keys: KeyRegistry
  logger: Logger
  scope: Receipt.Scope
  registry: Hex.Hex
  pool: string
  now(): number
  signal: AbortSignal
}

const announceEveryMs = 10_000

/**
 * Makes this boot's receipt key, has the hardware vouch for it, archives the evidence, announces the key and waits until
 * the chain says it is valid. Until then the node serves nothing: a receipt of an unregistered key is worth nothing.
 */
export async function enroll(enrolment: Enrolment): Promise<ReceiptSigner> {
  const { tee, blobs, scope, registry, logger } = enrolment
  const { privateKey, node } = newKey()
  const binding = KeyEvidence.reportData({ chainId: scope.chainId, registry, node })
  const { quote, mediaType, simulated } = await tee.getQuote(binding)
  if (!simulated) throw new AppError('tee.unsupported', { detail: `no verifier for ${mediaType} is wired yet; only simulated evidence can be enrolled` })
  const keyKind = Receipt.keyKinds.simulated
  const evidenceId = Digest.content(quote)
  await blobs.putOnce(`evidence/${evidenceId.slice(2)}`, quote)
  logger.info({ node, evidenceId, keyKind, simulated }, 'receipt key made; waiting for its registration')
  await untilValid(enrolment, { node, keyKind, evidenceId, mediaType, binding })
  logger.info({ node }, 'receipt key registered')
  return createSigner({ scope, keyKind, evidenceId, privateKey, now: enrolment.now })
}

async function untilValid(
  { bus, keys, pool, now, signal, logger }: Enrolment,
  key: { node: Hex.Hex; keyKind: number; evidenceId: Hex.Hex; mediaType: string; binding: Uint8Array },
): Promise<void> {
  for (let announcedAtMs = -Infinity; !signal.aborted; await pause(200, undefined, { signal }).catch(() => undefined)) {
    if (now() - announcedAtMs >= announceEveryMs) {
      announcedAtMs = now()
      await bus.publish(
        KeyAnnouncedSchema,
        create(KeyAnnouncedSchema, {
          node: Hex.toBytes(key.node),
          keyKind: key.keyKind,
          pool,
          evidenceId: Hex.toBytes(key.evidenceId),
          mediaType: key.mediaType,
          binding: key.binding,
          announcedAtMs: BigInt(announcedAtMs),
        }),
      )
    }
    const validity = await keys.validity(key.node, key.keyKind, Math.floor(now() / 1000)).catch((err: unknown) => {
      logger.debug({ err }, 'key registry not read; trying again')
      return 'unknown'
    })
    if (validity === 'valid') return
    if (validity !== 'unknown' && validity !== 'not-yet-valid') throw new AppError('key.refused', { detail: `the registry says the fresh key is ${validity}` })
  }
  throw new AppError('enrolment.stopped', { retryable: true })
}
