import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { conformance } from './blobs.conformance.js'
import { DirectoryBlobs } from './directory.js'
import { MemoryBlobs } from './memory.js'

describe('memory blobs', () => conformance(async () => new MemoryBlobs()))
describe('directory blobs', () => conformance(async () => new DirectoryBlobs(await mkdtemp(join(tmpdir(), 'haca-blobs-')))))

describe('a directory that fails', () => {
  it('is away for a while, whatever is asked of it: nobody buries a record for it', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'haca-blobs-')), 'no-folder')
    await writeFile(file, '')
    const blobs = new DirectoryBlobs(file)
    const asked = [blobs.get('a/b'), blobs.put('a/b', new Uint8Array(1)), blobs.putOnce('a/b', new Uint8Array(1)), blobs.list('a/'), blobs.delete('a/b')]
    for (const answer of await Promise.allSettled(asked)) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'blobs.unreachable', retryable: true } })
  })

  it('keeps nothing of what could not be written', async () => {
    const root = await mkdtemp(join(tmpdir(), 'haca-blobs-'))
    await mkdir(join(root, 'a/b/c'), { recursive: true })
    await expect(new DirectoryBlobs(root).put('a/b', new Uint8Array(1))).rejects.toMatchObject({ code: 'blobs.unreachable' })
    expect(await readdir(join(root, 'a'))).toEqual(['b'])
  })
})
