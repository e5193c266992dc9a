import { AppError, Digest, Hex, KeyEvidence, Receipt } from '@haca/core'
import type { Blobs } from '@haca/platform/blobs'
import type { Logger } from '@haca/platform/log'
import type { Keys, Registrar } from './ports.js'

export interface Registration {
  blobs: Blobs
  keys: Keys
  registrar: Registrar
  logger: Logger
  chainId: number
  registry: Hex.Hex
  simulatedRoot: Hex.Hex | undefined
  keyHours: number
  /** Unix milliseconds. */
  now(): number
}

/** A freshly announced key. */
export interface Announced {
  node: Hex.Hex
  evidenceId: Hex.Hex
  mediaType: string
  keyKind: number
}

const evidenceMaxAgeSeconds = 3_600
const clockSkewSeconds = 60

/** Appraises a key's evidence and registers the key. A key whose evidence does not hold is refused for good. */
export async function registerKey(key: Announced, world: Registration): Promise<void> {
  if (await world.keys.record(key.node)) return
  const bytes = await world.blobs.get(`evidence/${key.evidenceId.slice(2)}`)
  if (!bytes) throw new AppError('evidence.missing', { retryable: true, detail: 'the announced evidence is not in the object store' })
  if (Digest.content(bytes) !== key.evidenceId) throw refused('the stored evidence has another digest')
  appraise(key, bytes, world)
  const seconds = Math.floor(world.now() / 1000)
  await world.registrar.register({ ...key, notBefore: seconds - clockSkewSeconds, notAfter: seconds + world.keyHours * 3_600 })
  world.logger.info({ node: key.node, keyKind: key.keyKind, evidenceId: key.evidenceId }, 'receipt key registered')
}

function appraise(key: Announced, bytes: Uint8Array, world: Registration): void {
  if (key.mediaType !== KeyEvidence.simulatedMediaType || key.keyKind !== Receipt.keyKinds.simulated) throw refused(`no verifier for ${key.mediaType} with key kind ${key.keyKind}`)
  if (!world.simulatedRoot) throw refused('simulated evidence is not accepted here')
  const verdict = KeyEvidence.verifySimulated(bytes, { root: world.simulatedRoot, now: Math.floor(world.now() / 1000), maxAgeSeconds: evidenceMaxAgeSeconds })
  if (!verdict.ok) throw refused(verdict.reason)
  const expected = KeyEvidence.reportData({ chainId: world.chainId, registry: world.registry, node: key.node })
  if (Hex.fromBytes(verdict.value.reportData) !== Hex.fromBytes(expected)) throw refused('the evidence speaks of another key, registry or chain')
}

const refused = (detail: string): AppError => new AppError('key.refused', { detail })
