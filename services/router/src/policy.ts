import type { Fleet } from '@haca/core'
import { z } from '@haca/platform/config'
import { readFileSync } from 'node:fs'

/** The router's policy file. Unknown fields are refused: a typo must not widen trust. */
const schema = z.strictObject({
  v: z.literal(1),
  epoch: z.number().int().min(0),
  hardware: z.record(z.string(), z.strictObject({ assurance: z.enum(['none', 'tee']), compromisePpm: z.number().int().min(0).max(1_000_000) })),
  heartbeatMaxAgeMs: z.number().int().min(1_000).max(600_000),
  deadlineSeconds: z.number().int().min(1).max(86_400),
})

/** Reads a policy; in production one that allows simulated hardware is refused. */
export function readPolicy(file: string, profile: 'development' | 'production'): Fleet.Policy {
  const policy = schema.parse(JSON.parse(readFileSync(file, 'utf8')))
  if (profile === 'production' && 'simulated' in policy.hardware) throw new Error(`${file} allows simulated hardware, which production refuses`)
  return policy
}
