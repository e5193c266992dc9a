export { BullJobs } from './bullmq.js'
export type { Job, JobKind, Jobs, Worker } from './jobs.js'
export { MemoryJobs } from './memory.js'
