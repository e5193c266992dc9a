import { describe, expect, it } from 'vitest'
import { proofGas, proofsAtOnce } from './proof-gas.js'

describe('gas for proofs', () => {
  it('covers what contracts/test/Gas.t.sol measures, by number of proofs and of signals', () => {
    const measured: [proofs: number, signals: number, gas: number][] = [[1, 4, 311_676], [8, 4, 8 * 128_973], [32, 4, 32 * 107_923], [1, 256, 2_179_626], [4, 256, 4 * 775_096]]
    for (const [proofs, signals, gas] of measured) expect(Number(proofGas(proofs, signals)), `${proofs} of ${signals}`).toBeGreaterThan(gas * 1.2)
  })

  it('stays below what one transaction may take (EIP-7825: 2^24), whatever a registered key has', () => {
    for (let signals = 1; signals <= 256; signals++) expect(proofGas(proofsAtOnce(signals), signals)).toBeLessThan(2n ** 24n)
    expect([proofsAtOnce(4), proofsAtOnce(256)]).toEqual([32, 28])
  })
})
