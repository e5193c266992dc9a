import type { JobKind } from '@haca/platform/jobs'

/** The prover's chores. Data are ids; jobs in flight outlive a deployment, so fields are only ever added as optional. */
export const appraise: JobKind<{ requestId: string }> = { name: 'appraise', attempts: 600, backoffMs: 1_000 }
/** One try holds an engine for as long as a proof takes; what is tried again is a crash or a full memory. */
export const prove: JobKind<{ requestId: string }> = { name: 'prove', attempts: 600, backoffMs: 1_000 }
