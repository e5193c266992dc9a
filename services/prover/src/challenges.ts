import { Hex } from '@haca/core'
import { Appraisal, KeyBinding } from '@haca/core/tee'
import type { Redis } from '@haca/platform/store'
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Challenges } from './ports.js'

const nonceBytes = 16

/** Longer than a challenge can be good for by anybody's clock. */
const rememberSeconds = 2 * Appraisal.CHALLENGE_SECONDS_MAX

/**
 * A challenge for one key, good until it runs out. Whoever holds the key knows it again: half of its random bytes are a MAC, so that drawing one leaves
 * nothing behind. Anybody may draw as many as he likes.
 */
export function makeChallenge(node: Hex.Hex, { verifierId, expiresAt, key }: { verifierId: Uint8Array; expiresAt: number; key: Uint8Array }): KeyBinding.Challenge {
  const nonce = randomBytes(nonceBytes)
  return { verifierId, expiresAt, random: new Uint8Array(Buffer.concat([nonce, tag(nonce, node, { verifierId, expiresAt, key })])) }
}

/** Whether this challenge was made here, for this key. */
export function isMadeFor(node: Hex.Hex, { verifierId, expiresAt, random }: KeyBinding.Challenge, key: Uint8Array): boolean {
  return timingSafeEqual(random.subarray(nonceBytes), tag(random.subarray(0, nonceBytes), node, { verifierId, expiresAt, key }))
}

/** First half of HMAC-SHA256("haca/challenge/1" ‖ verifierId:32 ‖ nonce:16 ‖ node:20 ‖ expiresAt:8, big-endian). */
function tag(nonce: Uint8Array, node: Hex.Hex, { verifierId, expiresAt, key }: { verifierId: Uint8Array; expiresAt: number; key: Uint8Array }): Uint8Array {
  const expiry = Buffer.alloc(8)
  expiry.writeBigUInt64BE(BigInt(expiresAt))
  return createHmac('sha256', key).update('haca/challenge/1').update(verifierId).update(nonce).update(Hex.toBytes(node, 20)).update(expiry).digest().subarray(0, nonceBytes)
}

const nameOf = (challenge: KeyBinding.Challenge): string => Hex.fromBytes(KeyBinding.challengeHash(challenge)).slice(2)

/** Answered challenges in Redis, so that any replica can take the answer. Losing them lets an answer come again, which says nothing new. */
export class RedisChallenges implements Challenges {
  constructor(
    readonly redis: Redis,
    readonly prefix: string,
  ) {}

  async spend(challenge: KeyBinding.Challenge): Promise<boolean> {
    return (await this.redis.set(`{${this.prefix}}:challenge:${nameOf(challenge)}`, '', 'EX', rememberSeconds, 'NX')) === 'OK'
  }
}

/** Answered challenges of one process, where nothing survives a restart. */
export class MemoryChallenges implements Challenges {
  readonly #spent = new Set<string>()

  async spend(challenge: KeyBinding.Challenge): Promise<boolean> {
    const name = nameOf(challenge)
    if (this.#spent.has(name)) return false
    if (this.#spent.size >= 10_000) this.#spent.clear()
    this.#spent.add(name)
    return true
  }
}
