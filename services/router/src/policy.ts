import { AppError, type Fleet } from '@haca/core'
import type { PolicyFeed } from '@haca/platform/chain'
import { z } from '@haca/platform/config'
import { readFileSync } from 'node:fs'

/** The router's own figures beside the policy that holders voted for. Unknown fields are refused: a typo must not widen trust. */
const schema = z.strictObject({
  v: z.literal(1),
  hardware: z.record(z.string(), z.strictObject({ assurance: z.enum(['none', 'tee']), compromisePpm: z.number().int().min(0).max(1_000_000) })),
  heartbeatMaxAgeMs: z.number().int().min(1_000).max(600_000),
  deadlineSeconds: z.number().int().min(1).max(86_400),
  proving: z
    .strictObject({ fixedMs: z.number().int().min(0).max(60_000), perMillionConstraintsMs: z.number().int().min(1).max(10_000_000), secondAtomic: z.string().regex(/^(0|[1-9][0-9]{0,38})$/).transform(BigInt) })
    .optional(),
})

export type Pricing = Omit<Fleet.Policy, 'epoch'>

/** Reads the figures; in production a file that prices simulated hardware is refused. */
export function readPricing(file: string, profile: 'development' | 'production'): Pricing {
  const { proving, ...rest } = schema.parse(JSON.parse(readFileSync(file, 'utf8')))
  const policy = { ...rest, ...(proving ? { proving } : {}) }
  if (profile === 'production' && Object.keys(policy.hardware).some((id) => /simulated/i.test(id))) throw new Error(`${file} allows simulated hardware, which production refuses`)
  return policy
}

/** The figures under the epoch in force. Throws `policy.unknown` while no policy was seen: without an epoch there is no offer. A stale one still names its epoch, but trusts no hardware. */
export function policyNow(pricing: Pricing, feed: Pick<PolicyFeed, 'epoch'>): Fleet.Policy {
  const epoch = feed.epoch()
  if (epoch === undefined) throw new AppError('policy.unknown', { retryable: true, detail: 'no policy was read from the chain yet' })
  return { ...pricing, epoch }
}
