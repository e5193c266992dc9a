import { Hex } from '@haca/core'
import { Appraisal, KeyBinding } from '@haca/core/tee'
import type { Redis } from '@haca/platform/store'
import type { Challenges } from './ports.js'

const nameOf = (challenge: KeyBinding.Challenge): string => Hex.fromBytes(KeyBinding.challengeHash(challenge)).slice(2)

/** Challenges in Redis, so that any replica can take the answer. Losing them costs a node one more round. */
export class RedisChallenges implements Challenges {
  constructor(
    readonly redis: Redis,
    readonly prefix: string,
  ) {}

  async put(challenge: KeyBinding.Challenge, node: Hex.Hex): Promise<void> {
    await this.redis.set(this.#key(challenge), node, 'EX', Appraisal.CHALLENGE_SECONDS_MAX)
  }

  async take(challenge: KeyBinding.Challenge): Promise<Hex.Hex | undefined> {
    const node = await this.redis.getdel(this.#key(challenge))
    return Hex.is(node, 20) ? node : undefined
  }

  #key(challenge: KeyBinding.Challenge): string {
    return `{${this.prefix}}:challenge:${nameOf(challenge)}`
  }
}

/** Challenges of one process, where nothing survives a restart. */
export class MemoryChallenges implements Challenges {
  readonly #open = new Map<string, Hex.Hex>()

  async put(challenge: KeyBinding.Challenge, node: Hex.Hex): Promise<void> {
    if (this.#open.size > 10_000) this.#open.clear()
    this.#open.set(nameOf(challenge), node)
  }

  async take(challenge: KeyBinding.Challenge): Promise<Hex.Hex | undefined> {
    const node = this.#open.get(nameOf(challenge))
    this.#open.delete(nameOf(challenge))
    return node
  }
}
