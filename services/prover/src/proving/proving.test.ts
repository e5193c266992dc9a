import { Groth16 } from '@haca/core/zk'
import { createLogger } from '@haca/platform/log'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groth16 as oracle } from 'snarkjs'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { EngineProver, type EngineProverOptions } from './engine-prover.js'
import type { Proved, Prover } from './prover.js'
import { selfChecked } from './self-check.js'
import { SnarkjsProver } from './snarkjs-prover.js'
import { modelCircuit, type Sample } from './testing/circuits.js'
import { builtEngine } from './testing/engine.js'
import { engineBytes, snarkjsBytes, zkeyShape } from './zkey-shape.js'

// Real engines on real circuits. Without a Rust compiler and a built engine there is no development key to try either with.
const engine = builtEngine()
const folder = mkdtempSync(join(tmpdir(), 'haca-proving-'))
const cancer = engine ? modelCircuit('breast-cancer', folder, engine) : undefined
const digits = engine ? modelCircuit('digits', folder, engine) : undefined
const logger = createLogger('test', 'silent')
const GIB = 2 ** 30
const running: Prover[] = []

afterEach(async () => {
  for (const prover of running.splice(0)) await prover.close()
})

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await (globalThis as { curve_bn128?: { terminate(): Promise<void> } }).curve_bn128?.terminate()
})

function engineProver(options: Partial<EngineProverOptions> = {}): EngineProver {
  const prover = new EngineProver({ binary: engine!, threads: 1, memoryBytes: GIB, loadTimeoutMs: 20_000, proveTimeoutMs: 20_000, logger, ...options })
  running.push(prover)
  return prover
}

function snarkjsProver(memoryBytes = 2 * GIB, proveTimeoutMs = 60_000): SnarkjsProver {
  const prover = new SnarkjsProver({ memoryBytes, startTimeoutMs: 30_000, proveTimeoutMs, logger })
  running.push(prover)
  return prover
}

/** That a proof shows the witness's statement, by our verifier and by snarkjs. */
async function expectValid({ key, publicSignals }: Sample, proved: Proved): Promise<void> {
  expect(proved.publicSignals).toEqual(publicSignals)
  const prepared = Groth16.prepare(key)
  expect(prepared.ok && Groth16.verify(prepared.value, proved.publicSignals, proved.proof)).toEqual({ ok: true, value: true })
  expect(await oracle.verify(Groth16.keyToJson(key), Groth16.signalsToJson(proved.publicSignals), Groth16.proofToJson(proved.proof))).toBe(true)
}

const code = (promise: Promise<unknown>): Promise<{ code: string; retryable: boolean } | 'resolved'> =>
  promise.then(
    () => 'resolved',
    (error: { code: string; retryable: boolean }) => ({ code: error.code, retryable: error.retryable }),
  )

describe.runIf(engine)('the Rust engine', () => {
  it('proves what our verifier and snarkjs accept, again and again in one warm process', { timeout: 60_000 }, async () => {
    const prover = engineProver()
    await expectValid(cancer!, await prover.prove(cancer!, cancer!.wtns))
    const pid = await prover.pid(cancer!)
    const more = await Promise.all([1, 2, 3].map(() => prover.prove(cancer!, cancer!.wtns)))
    for (const proved of more) await expectValid(cancer!, proved)
    expect(new Set(more.map(({ proof }) => proof.a.x)).size).toBe(3)
    expect(await prover.pid(cancer!)).toBe(pid)
    await expectValid(digits!, await prover.prove(digits!, digits!.wtns))
    expect(await prover.pid(digits!)).not.toBe(pid)
    expect(prover.engine).toBe('haca-prover')
  })

  it('binds the request context, which stands in no constraint', { timeout: 60_000 }, async () => {
    const { proof, publicSignals } = await engineProver().prove(cancer!, cancer!.wtns)
    const prepared = Groth16.prepare(cancer!.key) as { value: Groth16.PreparedKey }
    const last = publicSignals.length - 1
    expect(publicSignals[last]).toBe(7n)
    expect(Groth16.verify(prepared.value, publicSignals, proof).ok).toBe(true)
    for (const other of [0n, 8n, 7n + 2n ** 247n]) expect(Groth16.verify(prepared.value, publicSignals.with(last, other), proof)).toMatchObject({ reason: 'equation' })
  })

  it('says what is wrong with a witness or a key, and goes on', { timeout: 60_000 }, async () => {
    const prover = engineProver()
    expect(await code(prover.prove(cancer!, new Uint8Array(10)))).toEqual({ code: 'prover.witness-invalid', retryable: false })
    expect(await code(prover.prove(cancer!, digits!.wtns))).toEqual({ code: 'prover.witness-invalid', retryable: false })
    await expectValid(cancer!, await prover.prove(cancer!, cancer!.wtns))
    const broken = { id: 'broken', zkey: join(folder, 'broken.zkey') }
    const bytes = readFileSync(cancer!.zkey)
    bytes[bytes.length - 1000]! ^= 1
    writeFileSync(broken.zkey, bytes)
    expect(await code(prover.prove(broken, cancer!.wtns))).toEqual({ code: 'prover.key-invalid', retryable: false })
    writeFileSync(broken.zkey, bytes.subarray(0, 5_000))
    expect(await code(prover.prove(broken, cancer!.wtns))).toEqual({ code: 'prover.key-invalid', retryable: false })
    expect(await code(prover.prove({ id: 'none', zkey: join(folder, 'none.zkey') }, cancer!.wtns))).toEqual({ code: 'prover.key-missing', retryable: true })
  })

  it('starts again after its process was killed', { timeout: 60_000 }, async () => {
    const prover = engineProver()
    await prover.warm(cancer!)
    const pid = (await prover.pid(cancer!)) as number
    process.kill(pid, 'SIGSTOP')
    const inHand = code(prover.prove(cancer!, cancer!.wtns))
    const waiting = code(prover.prove(cancer!, cancer!.wtns))
    setTimeout(() => process.kill(pid, 'SIGKILL'), 50)
    expect(await inHand).toEqual({ code: 'prover.crashed', retryable: true })
    expect(await waiting).toEqual({ code: 'prover.crashed', retryable: true })
    await expectValid(cancer!, await prover.prove(cancer!, cancer!.wtns))
    expect(await prover.pid(cancer!)).not.toBe(pid)
  })

  it('kills a process that hangs', { timeout: 60_000 }, async () => {
    const prover = engineProver({ proveTimeoutMs: 300 })
    await prover.warm(cancer!)
    process.kill((await prover.pid(cancer!)) as number, 'SIGSTOP')
    expect(await code(prover.prove(cancer!, cancer!.wtns))).toEqual({ code: 'prover.timeout', retryable: true })
  })

  it('refuses before it starts what does not fit, and lets idle circuits give way', { timeout: 60_000 }, async () => {
    const [small, large] = [engineBytes(await zkeyShape(cancer!.zkey), 1), engineBytes(await zkeyShape(digits!.zkey), 1)]
    const tight = engineProver({ memoryBytes: small - 1 })
    expect(await code(tight.prove(cancer!, cancer!.wtns))).toEqual({ code: 'prover.memory-exceeded', retryable: false })
    expect(await tight.pid(cancer!)).toBeUndefined()

    const one = engineProver({ memoryBytes: large })
    await one.warm(cancer!)
    await expectValid(digits!, await one.prove(digits!, digits!.wtns))
    await expectValid(cancer!, await one.prove(cancer!, cancer!.wtns))

    const pid = (await one.pid(cancer!)) as number
    process.kill(pid, 'SIGSTOP')
    const busy = one.prove(cancer!, cancer!.wtns)
    await new Promise((next) => setImmediate(next))
    expect(await code(one.prove(digits!, digits!.wtns))).toEqual({ code: 'prover.memory-busy', retryable: true })
    process.kill(pid, 'SIGCONT')
    await expectValid(cancer!, await busy)
  })

  it('lets a caller give up, before and during a proof', { timeout: 60_000 }, async () => {
    const prover = engineProver()
    await prover.warm(cancer!)
    const pid = (await prover.pid(cancer!)) as number
    expect(await code(prover.prove(cancer!, cancer!.wtns, { signal: AbortSignal.abort() }))).toEqual({ code: 'prover.cancelled', retryable: false })
    process.kill(pid, 'SIGSTOP')
    const [first, second] = [new AbortController(), new AbortController()]
    const inHand = code(prover.prove(cancer!, cancer!.wtns, { signal: first.signal }))
    const waiting = code(prover.prove(cancer!, cancer!.wtns, { signal: second.signal }))
    await new Promise((next) => setImmediate(next))
    second.abort()
    expect(await waiting).toEqual({ code: 'prover.cancelled', retryable: false })
    first.abort()
    expect(await inHand).toEqual({ code: 'prover.cancelled', retryable: false })
    await expectValid(cancer!, await prover.prove(cancer!, cancer!.wtns))
  })

  it('says so when it is absent or closed', async () => {
    expect(await code(engineProver({ binary: join(folder, 'nothing') }).prove(cancer!, cancer!.wtns))).toEqual({ code: 'prover.absent', retryable: false })
    const prover = engineProver()
    await prover.close()
    expect(await code(prover.prove(cancer!, cancer!.wtns))).toEqual({ code: 'prover.closed', retryable: true })
  })
})

describe.runIf(engine)('snarkjs', () => {
  it('proves what our verifier and snarkjs accept, and says who it is', { timeout: 120_000 }, async () => {
    const prover = snarkjsProver()
    expect(prover.engine).toMatch(/^snarkjs .*GPL-3\.0.*not built/)
    const both = await Promise.all([prover.prove(cancer!, cancer!.wtns), prover.prove(digits!, digits!.wtns)])
    await expectValid(cancer!, both[0])
    await expectValid(digits!, both[1])
    expect(await code(prover.prove(cancer!, digits!.wtns))).toEqual({ code: 'prover.witness-invalid', retryable: false })
    const pid = (await prover.pid()) as number
    process.kill(pid, 'SIGSTOP') // so that no proof is faster than the kill
    const inHand = code(prover.prove(cancer!, cancer!.wtns))
    setTimeout(() => process.kill(pid, 'SIGKILL'), 50)
    expect(await inHand).toEqual({ code: 'prover.crashed', retryable: true })
    await expectValid(cancer!, await prover.prove(cancer!, cancer!.wtns))
  })

  it('refuses before it starts what does not fit, and gives up when told', { timeout: 60_000 }, async () => {
    const needed = snarkjsBytes(await zkeyShape(cancer!.zkey))
    const tight = snarkjsProver(needed - 1)
    expect(await code(tight.prove(cancer!, cancer!.wtns))).toEqual({ code: 'prover.memory-exceeded', retryable: false })
    expect(await tight.pid()).toBeUndefined()
    expect(await code(snarkjsProver().prove(cancer!, cancer!.wtns, { signal: AbortSignal.abort() }))).toEqual({ code: 'prover.cancelled', retryable: false })
    expect(await code(snarkjsProver(2 * GIB, 1).prove(cancer!, cancer!.wtns))).toEqual({ code: 'prover.timeout', retryable: true })
  })
})

describe.runIf(engine)('a self-checked prover', () => {
  it('gives proofs on, and refuses one of a witness that breaks its circuit', { timeout: 60_000 }, async () => {
    const prepared = Groth16.prepare(cancer!.key)
    const prover = selfChecked(engineProver(), () => (prepared as { value: Groth16.PreparedKey }).value)
    await expectValid(cancer!, await prover.prove(cancer!, cancer!.wtns))
    const broken = Uint8Array.from(cancer!.wtns)
    // The first public signal is wire 1; 76 bytes of headers and 32 of wire 0 stand before it.
    broken[76 + 32]! ^= 1
    expect(await code(prover.prove(cancer!, broken))).toEqual({ code: 'prover.proof-false', retryable: false })
  })

  it('development keys say what they are', () => {
    expect(Groth16.readZkey(readFileSync(cancer!.zkey)).label).toBe('dev')
    const copy = join(folder, 'copy.zkey')
    copyFileSync(cancer!.zkey, copy)
    expect(Groth16.keyId(Groth16.readZkey(readFileSync(copy)).key)).toBe(cancer!.id)
  })
})
