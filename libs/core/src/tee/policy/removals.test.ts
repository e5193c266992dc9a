import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { addressOfKey } from '../../secp256k1.js'
import type { EvidenceClaims } from '../evidence.js'
import type { Policy } from './document.js'
import { describeRemoval, removalsOf, withRemovals, type Removal } from './removals.js'

const key = new Uint8Array(32).fill(7)
const receiptKey = secp256k1.getPublicKey(key, true)
const claims = { kind: 'sev-snp', product: 'Milan', platformId: 'ab12', measurements: { measurement: 'cd34', hostData: 'ef56' } } as unknown as EvidenceClaims
const document = { epoch: 3, removed: [] } as unknown as Policy

const removal = (entry: Removal['entry'], value: string): Removal => ({ entry, value, reason: 'an incident', epoch: 4 })

describe('removals', () => {
  it.each([
    removal('hardware', 'sev-snp'),
    removal('product', 'sev-snp/Milan'),
    removal('platform', 'ab12'),
    removal('signer', addressOfKey(key).toLowerCase()),
    removal('measurement', 'cd34'),
    removal('measurement', 'ef56'),
  ])('reach what they are about: $entry $value', (one) => {
    expect(removalsOf(claims, { receiptKey }, withRemovals(document, 4, [one]))).toEqual([one])
  })

  it.each([
    removal('hardware', 'tdx'),
    removal('product', 'sev-snp/Genoa'),
    removal('product', 'Milan'),
    removal('platform', 'ab13'),
    removal('platform', 'cd34'),
    removal('signer', `0x${'00'.repeat(20)}`),
    removal('measurement', 'ab12'),
  ])('reach nothing else: $entry $value', (one) => {
    expect(removalsOf(claims, { receiptKey }, withRemovals(document, 4, [one]))).toEqual([])
  })

  it('carry the epoch and tell their reason', () => {
    expect(withRemovals(document, 9, []).epoch).toBe(9)
    expect(describeRemoval(removal('product', 'sev-snp/Milan'))).toBe('product sev-snp/Milan was removed in epoch 4: an incident')
  })

  it('never reach evidence that names no platform through that', () => {
    const { platformId: _, ...nameless } = claims as EvidenceClaims & { platformId: string }
    expect(removalsOf(nameless, { receiptKey }, withRemovals(document, 4, [removal('platform', 'undefined')]))).toEqual([])
  })
})
