import { describe, expect, it } from 'vitest'
import * as Hex from '../hex.js'
import * as Secp256k1 from '../secp256k1.js'
import * as KeyEvidence from './key-evidence.js'

const rootKey = new Uint8Array(32).fill(7)
const root = Secp256k1.addressOfKey(rootKey)
const binding: KeyEvidence.Binding = { chainId: 84_532, registry: `0x${'0a'.repeat(20)}`, node: `0x${'0b'.repeat(20)}` }
const now = 1_795_000_000
const bytes = KeyEvidence.issueSimulated(KeyEvidence.reportData(binding), now, rootKey)
const verdict = (b: Uint8Array, trust = { root, now, maxAgeSeconds: 300 }) => {
  const v = KeyEvidence.verifySimulated(b, trust)
  return v.ok ? 'ok' : v.reason
}

describe('simulated evidence', () => {
  it('gives back the report data it was asked for, and says simulated in its text', () => {
    const v = KeyEvidence.verifySimulated(bytes, { root, now, maxAgeSeconds: 300 })
    expect(v.ok && v.value.reportData).toEqual(KeyEvidence.reportData(binding))
    expect(new TextDecoder().decode(bytes)).toContain('SIMULATED: NOT HARDWARE')
  })

  it('refuses another root, age, byte or shape', () => {
    expect(verdict(bytes, { root: `0x${'0c'.repeat(20)}` as Hex.Hex, now, maxAgeSeconds: 300 })).toBe('simulated.wrong-root')
    expect(verdict(bytes, { root, now: now + 301, maxAgeSeconds: 300 })).toBe('simulated.stale')
    expect(verdict(bytes, { root, now: now - 301, maxAgeSeconds: 300 })).toBe('simulated.stale')
    for (let i = 0; i < bytes.length; i++) {
      const flipped = bytes.slice()
      flipped[i] = (flipped[i] as number) ^ 1
      const changed = new TextDecoder().decode(flipped) // a change in the warning's letters is the one thing the root does not sign
      if (!/"warning":"SIMULATED: NOT HARDWARE"/.test(changed)) continue
      expect(verdict(flipped), `byte ${i}`).not.toBe('ok')
    }
    for (const other of ['', '{}', 'null', '[]', '{"kind":"tdx"}']) expect(verdict(new TextEncoder().encode(other))).toBe('simulated.malformed')
  })

  it('binds chain, registry and key', () => {
    const of = (change: Partial<KeyEvidence.Binding>) => Hex.fromBytes(KeyEvidence.reportData({ ...binding, ...change }))
    const all = [of({}), of({ chainId: 1 }), of({ registry: binding.node }), of({ node: binding.registry })]
    expect(new Set(all).size).toBe(4)
  })
})
