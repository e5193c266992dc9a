import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { KeyArchive } from './key-archive.js'
import { MemoryBlobs } from './memory.js'

const node = `0x${'Ab'.repeat(20)}` as const
const signed = (n: number) => ({ record: Uint8Array.of(1, 2, n), signature: new Uint8Array(65).fill(n) })

describe('a key’s archive', () => {
  it('keeps evidence under its SHA-256', async () => {
    const archive = new KeyArchive(new MemoryBlobs())
    const bytes = Uint8Array.of(7, 8, 9)
    expect(await archive.putEvidence(bytes)).toBe(`0x${createHash('sha256').update(bytes).digest('hex')}`)
    expect(await archive.evidence(await archive.putEvidence(bytes))).toEqual(bytes)
    expect(await archive.collateral(await archive.putEvidence(bytes))).toBeUndefined()
  })

  it('says so when the store altered what it holds', async () => {
    const blobs = new MemoryBlobs()
    const archive = new KeyArchive(blobs)
    const digest = await archive.putPolicy(Uint8Array.of(1))
    await blobs.put(`policies/${digest.slice(2)}`, Uint8Array.of(2))
    await expect(archive.policy(digest)).rejects.toMatchObject({ code: 'archive.altered' })
  })

  it('appends records in order and loses none to a race', async () => {
    const archive = new KeyArchive(new MemoryBlobs())
    await archive.append(node, signed(1))
    await Promise.all([2, 3, 4, 5].map((n) => archive.append(node, signed(n))))
    const history = await archive.history(node)
    expect(history[0]).toEqual(signed(1))
    expect(history.map(({ signature }) => signature[0]).sort()).toEqual([1, 2, 3, 4, 5])
    expect(await archive.history(`0x${'cd'.repeat(20)}`)).toEqual([])
    expect(await archive.nodes()).toEqual([node.toLowerCase()])
  })
})
