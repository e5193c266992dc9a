import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { createLogger } from '../log/index.js'
import { BullJobs } from './bullmq.js'
import { conformance } from './jobs.conformance.js'

describe('bullmq jobs', () => conformance(async () => new BullJobs({ url: process.env.REDIS_URL as string }, `t-${randomUUID()}`, createLogger('test', 'silent'))))
