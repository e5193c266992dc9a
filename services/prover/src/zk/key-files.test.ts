import type { IdentifiedCircuit } from '@haca/core/zk'
import { MemoryBlobs } from '@haca/platform/blobs'
import { circuitFileKey } from '@haca/platform/circuits'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { KeyFiles } from './key-files.js'

const folder = mkdtempSync(join(tmpdir(), 'haca-key-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
// A development key is not read here: it is only kept.
const key = Buffer.alloc(64, 7)
const sha256 = createHash('sha256').update(key).digest('hex')
const circuit = { vkId: `0x${'0a'.repeat(32)}`, registered: { setup: { kind: 'dev' } }, files: { zkey: { sha256, bytes: key.length } } } as unknown as IdentifiedCircuit

async function open(): Promise<KeyFiles> {
  const blobs = new MemoryBlobs()
  await blobs.putOnce(circuitFileKey(sha256), key)
  return new KeyFiles(folder, blobs)
}

describe('a proving key on disk', () => {
  it('is fetched again when it was lost while we ran', async () => {
    const files = await open()
    const { zkey } = await files.of(circuit)
    rmSync(zkey)
    expect((await files.of(circuit)).zkey).toBe(zkey)
    expect(readFileSync(zkey)).toEqual(key)
  })

  it('is fetched again when a crash left other bytes of its length', async () => {
    const { zkey } = await (await open()).of(circuit)
    writeFileSync(zkey, new Uint8Array(key.length))
    expect(readFileSync((await (await open()).of(circuit)).zkey)).toEqual(key)
  })
})
