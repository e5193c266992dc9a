import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as Hex from '../../hex.js'
import { decodeRegisteredKey, describeSetup, encodeRegisteredKey, registeredKeyId, type Setup } from './registered-key.js'

const vectors = JSON.parse(readFileSync(new URL('../../../../../vectors/zk/groth16-v1.json', import.meta.url), 'utf8')) as { keys: { name: string; setup: Setup; bytes: Hex.Hex; vkId: Hex.Hex }[] }

describe('registered key', () => {
  it.each(vectors.keys)('reads $name as Solidity does, and writes the same bytes', ({ setup, bytes, vkId }) => {
    const read = decodeRegisteredKey(Hex.toBytes(bytes))
    if (!read.ok) throw new Error(read.reason)
    expect(setup).toMatchObject(read.value.setup) // a development label’s zeros are spelt out in the vectors
    expect(Hex.fromBytes(encodeRegisteredKey(read.value))).toBe(bytes)
    expect(registeredKeyId(Hex.toBytes(bytes))).toBe(vkId)
  })

  it('refuses another format, and a label that is neither kind’s', () => {
    const bytes = Hex.toBytes(vectors.keys.find(({ setup }) => setup.kind === 'dev')?.bytes as Hex.Hex)
    const altered = (at: number, value: number) => decodeRegisteredKey(bytes.with(at, value))
    expect(altered(0, (bytes[0] as number) ^ 1)).toMatchObject({ ok: false, reason: 'format' })
    expect(altered(4, 2)).toMatchObject({ ok: false, reason: 'setup' })
    expect(altered(4, 1)).toMatchObject({ ok: false, reason: 'setup' }) // a ceremony of nobody
    expect(altered(6, 3)).toMatchObject({ ok: false, reason: 'setup' }) // a development key with contributors
    expect(altered(7, 1)).toMatchObject({ ok: false, reason: 'setup' }) // a development key with a beacon
    expect(describeSetup({ kind: 'dev' })).toBe('dev')
  })
})
