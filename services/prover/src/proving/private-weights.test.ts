import { compile, decodeProgram, Groth16, witness } from '@haca/core/zk'
import { ModelBuilder, random } from '@haca/core/zk/testing'
import { createLogger } from '@haca/platform/log'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { EngineProver } from './engine-prover.js'
import { builtEngine, setupDev } from './testing/engine.js'

const engine = builtEngine()
const folder = mkdtempSync(join(tmpdir(), 'haca-private-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Six integers through four neurons to three scores; the architecture is the same whatever the weights are. */
function network(seed: number): Uint8Array {
  const next = random(seed)
  // Odd integers, so that every set is exact in the unit 1 and nothing of it shows in the circuit's scales.
  const odd = (count: number) => Array.from({ length: count }, () => 2 * Math.round(next() * 14 - 7) + 1)
  const b = new ModelBuilder()
  const x = b.integerInput('x', ['n', 6], -8, 7)
  const hidden = b.node('Relu', [b.node('Gemm', [x, b.floats(odd(24), [6, 4]), b.floats(odd(4))])])
  return b.output(b.node('Gemm', [hidden, b.floats(odd(12), [4, 3]), b.floats(odd(3))], {}, 'scores')).build()
}

const compiled = (seed: number) => compile(network(seed), undefined, { arithmetic: 'exact', weights: 'private' })

const INPUT = [3, -8, 7, 0, 1, -2]
const SALTS = { model: 0x5a17_0000_0000_0000_0000_0000_0000_0001n }

describe('a model whose weights are private', () => {
  const [first, second] = [compiled(1), compiled(2)]

  it('has one circuit and one witness program for its architecture, and other weights', () => {
    expect(second.manifest.hashes.r1cs).toBe(first.manifest.hashes.r1cs)
    expect(second.manifest.hashes.program).toBe(first.manifest.hashes.program)
    expect(second.manifest.hashes.onnx).not.toBe(first.manifest.hashes.onnx)
    expect(second.weights).not.toEqual(first.weights)
    expect(first.manifest.signals.map(({ name, visibility }) => [name, visibility])).toEqual([['output', 'packed'], ['input', 'hashed'], ['model', 'hidden'], ['context', 'public']])
  })

  it.runIf(engine)('is proved under one key for either set of weights, and a proof holds only beside its own commitment', async () => {
    const [r1cs, zkey] = [join(folder, 'net.r1cs'), join(folder, 'net.zkey')]
    writeFileSync(r1cs, first.r1cs)
    const { vkId, label } = setupDev(engine!, r1cs, zkey)
    expect(label).toContain('dev')
    const prepared = Groth16.prepare(Groth16.readZkey(readFileSync(zkey)).key)
    const prover = new EngineProver({ binary: engine!, threads: 1, memoryBytes: 2 ** 30, loadTimeoutMs: 20_000, proveTimeoutMs: 20_000, logger: createLogger('test', 'silent') })
    try {
      const program = decodeProgram(first.program)
      const made = [first, second].map(({ weights }) => witness(program, { inputs: { x: INPUT }, context: 7n, weights, salts: SALTS }))
      const at = first.manifest.signals.findIndex(({ name }) => name === 'model')
      const commitments = made.map(({ publicSignals }) => publicSignals[at]!)
      expect(commitments[0]).not.toBe(commitments[1])
      const verify = (signals: readonly bigint[], proof: Groth16.Proof) => prepared.ok && Groth16.verify(prepared.value, signals, proof)
      for (const [i, { wtns, publicSignals }] of made.entries()) {
        const { proof } = await prover.prove({ id: vkId, zkey }, wtns)
        expect(verify(publicSignals, proof)).toEqual({ ok: true, value: true })
        expect(verify(publicSignals.with(at, commitments[1 - i]!), proof)).not.toEqual({ ok: true, value: true })
        expect(verify(publicSignals.with(at, publicSignals[at]! + 1n), proof)).not.toEqual({ ok: true, value: true })
      }
    } finally {
      await prover.close()
    }
  })

  it('commits with a salt: the same weights under another salt are another commitment, and none is refused', () => {
    const program = decodeProgram(first.program)
    const signalOf = (salt: bigint) => witness(program, { inputs: { x: INPUT }, context: 7n, weights: first.weights, salts: { model: salt } }).publicSignals[2]
    expect(signalOf(1n)).toBe(signalOf(1n))
    expect(signalOf(1n)).not.toBe(signalOf(2n))
    expect(() => witness(program, { inputs: { x: INPUT }, context: 7n, weights: first.weights })).toThrow(expect.objectContaining({ code: 'zk.input-invalid' }))
  })

  it('refuses weights outside the range that its circuit proves', () => {
    const wrong = first.weights.map((values, i) => (i === 0 ? values.map((value, j) => (j === 0 ? 2 ** 20 : value)) : values))
    expect(() => witness(decodeProgram(first.program), { inputs: { x: INPUT }, context: 7n, weights: wrong, salts: SALTS })).toThrow(expect.objectContaining({ code: 'zk.input-invalid' }))
  })
})
