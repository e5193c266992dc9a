import { expect, it } from 'vitest'
import type { Blobs } from './blobs.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value)

/** What every object store must do; run over each adapter. */
export function conformance(make: () => Promise<Blobs>): void {
  it('gives back what was put, and nothing for an unknown key', async () => {
    const blobs = await make()
    await blobs.put('a/b', bytes('one'))
    expect(text(await blobs.get('a/b'))).toBe('one')
    await blobs.put('a/b', bytes('two'))
    expect(text(await blobs.get('a/b'))).toBe('two')
    expect(await blobs.get('a/c')).toBeUndefined()
    await blobs.delete('a/b')
    expect(await blobs.get('a/b')).toBeUndefined()
  })

  it('lets exactly one of many concurrent writers win and tells all of them the winner', async () => {
    const blobs = await make()
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => blobs.putOnce('race/x', bytes(`writer ${i}`))))
    expect(answers.filter((a) => a.stored)).toHaveLength(1)
    expect(new Set(answers.map((a) => text(a.bytes))).size).toBe(1)
    expect(text(await blobs.get('race/x'))).toBe(text(answers[0]?.bytes))
  })

  it('gives back an empty blob and one of megabytes', async () => {
    const blobs = await make()
    const large = new Uint8Array(3 << 20).map((_, i) => i % 251)
    await blobs.putOnce('size/none', new Uint8Array(0))
    await blobs.putOnce('size/large', large)
    expect((await blobs.get('size/none'))?.length).toBe(0)
    expect(Buffer.compare((await blobs.get('size/large')) as Uint8Array, large)).toBe(0)
  })

  it('lists a prefix in order and only finished keys', async () => {
    const blobs = await make()
    expect(await blobs.list('none/')).toEqual([])
    for (const key of ['t/2', 't/10', 't/1', 'u/1', 't/sub/3']) await blobs.put(key, bytes(key))
    expect(await blobs.list('t/')).toEqual(['t/1', 't/10', 't/2', 't/sub/3'])
  })

  it('refuses keys that could leave its folder', async () => {
    const blobs = await make()
    for (const key of ['', '/', '../x', 'a/../b', 'a//b', '.hidden', 'a/.b', 'a b', 'a\0b']) {
      await expect(blobs.put(key, bytes('x')), key).rejects.toThrow('blob key')
      await expect(blobs.get(key), key).rejects.toThrow('blob key')
    }
  })
}
