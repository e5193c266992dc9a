import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { conformance } from './blobs.conformance.js'
import { DirectoryBlobs } from './directory.js'
import { MemoryBlobs } from './memory.js'

describe('memory blobs', () => conformance(async () => new MemoryBlobs()))
describe('directory blobs', () => conformance(async () => new DirectoryBlobs(await mkdtemp(join(tmpdir(), 'haca-blobs-')))))
