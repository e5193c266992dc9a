import type { PolicyFeed } from '@haca/platform/chain'
import { Refusal } from './refusal.js'

/** The policy in force, as the chain has it. */
export type PolicyInForce = Pick<PolicyFeed, 'current'>

/** Epoch of the policy in force. Throws a Refusal where it cannot be seen: yesterday's policy may contain today's broken product. */
export function epochInForce(policy: PolicyInForce): number {
  const current = policy.current()
  if (!current.ok) throw new Refusal('unavailable', current.reason, `${current.detail ?? 'no policy is in sight'}; nothing was charged, try again later`, undefined, 5)
  return current.value.policy.epoch
}

/** Refuses a decision that was taken by an older policy than the chain's. */
export function requireEpoch(decided: number, policy: PolicyInForce): void {
  const epoch = epochInForce(policy)
  if (decided < epoch) throw new Refusal('unavailable', 'policy.behind', `the router decides by policy epoch ${decided}, the chain is at ${epoch}; nothing was charged, try again`, undefined, 1)
}
