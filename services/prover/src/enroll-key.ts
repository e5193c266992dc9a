import { AppError, Digest, Hex } from '@haca/core'
import { Appraisal, AttestationError, Collection, type AppraisalRecord, type KeyBinding } from '@haca/core/tee'
import { randomBytes } from 'node:crypto'
import { appraiseEvidence, nodeOf } from './appraise-evidence.js'
import type { LiveKeys, Watch } from './live-keys.js'
import type { Challenges } from './ports.js'

export interface Enrolment extends Watch {
  challenges: Challenges
  live: LiveKeys
  /** 32 bytes naming this verifier. */
  verifierId: Uint8Array
}

/** Draws a challenge for a key; good for one answer within five minutes. */
export async function drawChallenge(node: Hex.Hex, { challenges, verifierId, now }: Enrolment): Promise<KeyBinding.Challenge> {
  const challenge = { verifierId, random: new Uint8Array(randomBytes(32)), expiresAt: Math.floor(now() / 1000) + Appraisal.CHALLENGE_SECONDS_MAX }
  await challenges.put(challenge, node)
  return challenge
}

/**
 * Takes the evidence that answers a challenge. What the hardware and the policy say of it is in the record that is answered; only what could
 * not be weighed is thrown: `evidence.malformed`, `challenge.unknown`, and retryable errors while policy or collateral cannot be had. Handing
 * in the same evidence again answers what was found the first time.
 */
export async function enrollKey(bytes: Uint8Array, world: Enrolment): Promise<AppraisalRecord.SignedRecord> {
  const collection = decode(bytes)
  const node = nodeOf(collection)
  const evidenceId = Digest.content(bytes)
  const policy = world.feed.current()
  if (!policy.ok) throw new AppError(policy.reason, { retryable: true, ...(policy.detail ? { detail: policy.detail } : {}) })
  const known = await world.archive.evidence(evidenceId)
  const earlier = known ? (await world.archive.history(node)).at(-1) : undefined
  if (earlier) return earlier
  await answerChallenge(collection, node, world)
  const receivedAt = new Date(world.now())
  const record = await appraiseEvidence(bytes, { receivedAt, at: receivedAt, policy: policy.value.policy }, world)
  await world.archive.putEvidence(bytes)
  return world.live.admit(bytes, record)
}

async function answerChallenge({ challenge }: Collection.KeyCollection, node: Hex.Hex, { challenges, verifierId }: Enrolment): Promise<void> {
  const ours = Hex.fromBytes(challenge.verifierId) === Hex.fromBytes(verifierId)
  const drawnFor = ours ? await challenges.take(challenge) : undefined
  if (!drawnFor) throw new AppError('challenge.unknown', { detail: 'this challenge was not drawn here, was answered already or ran out; ask for another one' })
  if (!Hex.equals(drawnFor, node)) throw new AppError('challenge.unknown', { detail: `this challenge was drawn for ${drawnFor}, the evidence is for ${node}` })
}

function decode(bytes: Uint8Array): Collection.KeyCollection {
  try {
    return Collection.decodeCollection(bytes)
  } catch (cause) {
    if (cause instanceof AttestationError) throw new AppError('evidence.malformed', { detail: `${cause.code}: ${cause.detail}`, cause })
    throw cause
  }
}
