import { Hex, Receipt } from '@haca/core'
import { Groth16, type StatementForm } from '@haca/core/zk'
import { trapdoor } from '@haca/core/zk/testing'
import { describe, expect, it } from 'vitest'
import { zkClaim, type ZkSubject } from './zk-claim.js'

const word = (byte: string) => `0x${byte.repeat(32)}` as Hex.Hex
const address = `0x${'11'.repeat(20)}` as Hex.Hex
const scope = { chainId: 1, log: address }
const modelHash = word('0a')
const context = Groth16.context({ chainId: 1, settlementLog: address, requestId: word('ab'), modelHash })

/** One input and one output of eight bits each, in the open; the output counts in units of `scale`. */
const form = (scale: number): StatementForm => ({
  encoders: [{ name: 'x', type: 1, shape: [1, 1], steps: [{ kind: 'round' }] }],
  outputs: [{ name: 'y', type: 1, shape: [1, 1], scale }],
  parts: [
    { part: 'output', visibility: 'packed', packing: { lo: [0], bits: [8] } },
    { part: 'input', visibility: 'packed', packing: { lo: [0], bits: [8] } },
  ],
})

/** A true proof that x = 3 gives y = 5 under a key whose secrets we keep, and what a bundle says of it. */
function subject(mode: number, change: Partial<ZkSubject> = {}, scale = 1): ZkSubject {
  const { key, prove } = trapdoor(3, 1n)
  const bytes = Groth16.encodeRegisteredKey({ setup: { kind: 'ceremony', contributors: 99, beacon: word('0b'), transcript: word('0c') }, key })
  const signals = [5n, 3n, context]
  const vkId = Groth16.registeredKeyId(bytes)
  const receipt = { requestId: word('ab'), modelHash, mode, evidenceId: mode === Receipt.modes.zkml ? vkId : word('0e'), statementHash: Groth16.statementHash(signals) } as Receipt.Receipt
  return {
    proof: { vkId, key: Hex.fromBytes(bytes), setup: 'ceremony', proof: Hex.fromBytes(Groth16.encodeProof(prove(signals, 2n))), signals: signals.map(String), form: form(scale), engine: 'test', provedInMs: 1 },
    receipt,
    scope,
    request: JSON.stringify({ model: 'm', verification: 'zkml', inputs: [{ name: 'x', shape: [1, 1], data: [3] }] }),
    answer: JSON.stringify({ outputs: [{ name: 'y', data: [5 * scale] }] }),
    circuitOf: async () => vkId,
    pinned: true,
    ...change,
  }
}

describe('the claim of a proof', () => {
  it('stands by mathematics and the chain', async () => {
    const claim = await zkClaim(subject(Receipt.modes.zkml))
    expect(claim).toMatchObject({ status: 'proof-verified', trust: expect.stringContaining('one honest party of the 99') })
    expect(await zkClaim(subject(Receipt.modes.zkml, { circuitOf: async () => word('ff') }))).toMatchObject({ status: 'refuted' })
  })

  it('says whose word it is that the signals mean this answer: another reading of one proof is another answer', async () => {
    const doubled = await zkClaim(subject(Receipt.modes.zkml, {}, 2))
    expect(doubled).toMatchObject({ status: 'proof-verified', trust: expect.stringContaining('gave the bundle, that its form reads') })
  })

  it('trusts a ceremony only where something else than the bundle names its key', async () => {
    // Nobody signed for this key and no chain was asked: whoever wrote the bundle can have made it, label included.
    const alone = await zkClaim(subject(Receipt.modes['tee+zkml'], { circuitOf: undefined }))
    expect(alone.status).toBe('asserted')
    expect(alone.trust).toContain('gave the bundle')
    expect(alone.trust).not.toContain('one honest party')
    // The node named it: whether it is the model's, and its label true, is the node's word.
    expect(await zkClaim(subject(Receipt.modes['tee+zkml'], { pinned: false }))).toMatchObject({ status: 'asserted' })
    const named = await zkClaim(subject(Receipt.modes.zkml, { circuitOf: undefined }))
    expect(named).toMatchObject({ status: 'proof-verified', trust: expect.stringContaining('the node') })
  })
})
