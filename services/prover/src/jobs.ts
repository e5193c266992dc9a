import type { JobKind } from '@haca/platform/jobs'

/** The prover's chores. Data are ids; jobs in flight outlive a deployment, so fields are only ever added as optional. */
export const appraise: JobKind<{ requestId: string }> = { name: 'appraise', attempts: 600, backoffMs: 1_000 }
