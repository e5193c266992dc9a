import { describe, expect, it } from 'vitest'
import * as Hex from '../hex.js'
import * as Secp256k1 from '../secp256k1.js'
import * as EvidenceVerdict from './evidence-verdict.js'

const key = new Uint8Array(32).fill(9)
const scope = { chainId: 84_532, log: `0x${'0a'.repeat(20)}` as Hex.Hex }
const verdict: EvidenceVerdict.EvidenceVerdict = {
  requestId: `0x${'01'.repeat(32)}`,
  receiptHash: `0x${'02'.repeat(32)}`,
  affirming: true,
  evidenceId: `0x${'03'.repeat(32)}`,
  kind: 'simulated',
  rules: [{ rule: 'key-valid', ok: true, detail: 'the registry says so' }],
}
const signature = EvidenceVerdict.sign(verdict, scope, key)
const by = (v: EvidenceVerdict.EvidenceVerdict, s = scope) => {
  const address = EvidenceVerdict.signer(v, signature, s)
  return address !== undefined && Hex.equals(address, Secp256k1.addressOfKey(key))
}

describe('evidence verdict', () => {
  it('is the prover\'s over every field, chain and log, and nobody else\'s', () => {
    expect(by(verdict)).toBe(true)
    const zero = Hex.zero32
    for (const change of [{ requestId: zero }, { receiptHash: zero }, { affirming: false }, { evidenceId: zero }, { kind: 'tdx' }, { rules: [] }, { rules: [{ rule: 'key-valid', ok: false, detail: 'the registry says so' }] }]) {
      expect(by({ ...verdict, ...change }), JSON.stringify(change)).toBe(false)
    }
    expect(by(verdict, { ...scope, chainId: 8453 })).toBe(false)
    expect(by(verdict, { ...scope, log: Hex.zeroAddress })).toBe(false)
  })
})
