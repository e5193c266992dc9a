import { describe } from 'vitest'
import { conformance } from './claims.conformance.js'
import { MemoryClaims } from './memory.js'

describe('memory claims', () => conformance(async () => new MemoryClaims()))
