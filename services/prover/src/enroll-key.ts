import { AppError, Digest, Hex } from '@haca/core'
import { Appraisal, AppraisalRecord, AttestationError, Collection, type KeyBinding } from '@haca/core/tee'
import { appraiseEvidence, nodeOf } from './appraise-evidence.js'
import { isMadeFor, makeChallenge } from './challenges.js'
import type { LiveKeys, Watch } from './live-keys.js'
import type { Challenges } from './ports.js'

export interface Enrolment extends Watch {
  challenges: Challenges
  live: LiveKeys
  /** 32 bytes naming this verifier. */
  verifierId: Uint8Array
}

/** Draws a challenge for a key; good for one answer within five minutes. */
export const drawChallenge = (node: Hex.Hex, { verifierId, evidenceKey, now }: Enrolment): KeyBinding.Challenge =>
  makeChallenge(node, { verifierId, expiresAt: Math.floor(now() / 1000) + Appraisal.CHALLENGE_SECONDS_MAX, key: evidenceKey })

/**
 * Takes the evidence that answers a challenge. What the hardware and the policy say of it is in the record that is answered; only what could
 * not be weighed is thrown: `evidence.malformed`, `challenge.unknown`, `key.known`, and retryable errors while policy or collateral cannot be had.
 * Handing in the evidence of an affirmed key again answers what was last found. Anybody can draw a challenge for any address, and public keys are in every
 * signature: only evidence that holds is a word about its key, and only the first.
 */
export async function enrollKey(bytes: Uint8Array, world: Enrolment): Promise<AppraisalRecord.SignedRecord> {
  const collection = decode(bytes)
  const node = nodeOf(collection)
  const evidenceId = Digest.content(bytes)
  const policy = world.feed.current()
  if (!policy.ok) throw new AppError(policy.reason, { retryable: true, ...(policy.detail ? { detail: policy.detail } : {}) })
  const earlier = (await world.archive.history(node)).at(-1)
  if (earlier && AppraisalRecord.decodeRecord(earlier.record).evidenceId === evidenceId) return earlier
  await answerChallenge(collection, node, world)
  const receivedAt = new Date(world.now())
  const record = await appraiseEvidence(bytes, { receivedAt, at: receivedAt, policy: policy.value.policy }, world)
  if (earlier && record.outcome === 'affirming') throw new AppError('key.known', { detail: `the key ${node} was affirmed with other evidence, which its receipts name; enrol another key` })
  return world.live.admit(bytes, record)
}

async function answerChallenge({ challenge }: Collection.KeyCollection, node: Hex.Hex, { challenges, verifierId, evidenceKey }: Enrolment): Promise<void> {
  const ours = Hex.fromBytes(challenge.verifierId) === Hex.fromBytes(verifierId) && isMadeFor(node, challenge, evidenceKey)
  if (!ours) throw new AppError('challenge.unknown', { detail: `this challenge was not drawn here, or not for ${node}; ask for another one` })
  if (!(await challenges.spend(challenge))) throw new AppError('challenge.unknown', { detail: 'this challenge was answered already; ask for another one' })
}

function decode(bytes: Uint8Array): Collection.KeyCollection {
  try {
    return Collection.decodeCollection(bytes)
  } catch (cause) {
    if (cause instanceof AttestationError) throw new AppError('evidence.malformed', { detail: `${cause.code}: ${cause.detail}`, cause })
    throw cause
  }
}
