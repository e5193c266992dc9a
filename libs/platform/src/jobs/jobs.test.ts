import { describe } from 'vitest'
import { conformance } from './jobs.conformance.js'
import { MemoryJobs } from './memory.js'

describe('memory jobs', () => conformance(async () => new MemoryJobs()))
