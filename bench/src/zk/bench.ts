import { Groth16 } from '@haca/core/zk'
import { createLogger } from '@haca/platform/log'
import { EngineProver, engineBytes, SnarkjsProver, zkeyShape, type Prover } from '@haca/prover/proving'
import { engine } from '@haca/tools'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { groth16 as snarkjs } from 'snarkjs'
import { calibrate } from '../calibration.js'
import { median, report, say, type Figure } from '../report.js'
import { makeCircuit, type Circuit, names } from './circuits.js'
import { gasOf } from './gas.js'
import { cpuSeconds, peakBytes } from './process.js'

const rounds = 3
const verifications = 15
const threads = availableParallelism()
const MB = 1e6
const logger = createLogger('bench', 'silent')

/** Proving and verifying beside snarkjs, on the same keys and witnesses in one run. */
export async function run(json: boolean): Promise<boolean> {
  if (!existsSync(engine)) throw new Error('the engine is not built: cargo build --release --locked, in services/prover/engine')
  const folder = await mkdtemp(join(tmpdir(), 'haca-bench-zk-'))
  const figures: Figure[] = []
  try {
    for (const name of names) {
      say(`compiling ${name}`)
      const circuit = await makeCircuit(name, folder, engine)
      figures.push(...(await measure(circuit)))
      await rm(circuit.zkey)
    }
    say('measuring gas')
    figures.push(...(await gasOf(folder, await makeCircuit('digits', folder, engine))))
    return report(`zk: proofs beside snarkjs, ${threads} threads`, [...figures, await calibrate()], json)
  } finally {
    await (globalThis as { curve_bn128?: { terminate(): Promise<void> } }).curve_bn128?.terminate()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Side {
  seconds: number[]
  cpu: number[]
  peak: number
}

async function measure(circuit: Circuit): Promise<Figure[]> {
  const shape = await zkeyShape(circuit.zkey)
  const ours = new EngineProver({ binary: engine, threads, memoryBytes: 8e9, loadTimeoutMs: 120_000, proveTimeoutMs: 300_000, logger })
  const theirs = new SnarkjsProver({ memoryBytes: 8e9, startTimeoutMs: 60_000, proveTimeoutMs: 300_000, logger })
  const sides: { us: Side; them: Side } = { us: { seconds: [], cpu: [], peak: 0 }, them: { seconds: [], cpu: [], peak: 0 } }
  try {
    const began = performance.now()
    await ours.warm(circuit)
    const loadMs = performance.now() - began
    // The first proof of each allocates and compiles; neither is counted.
    for (let round = 0; round <= rounds; round++) {
      await proveOnce(ours, circuit, await ours.pid(circuit), round > 0 ? sides.us : undefined)
      if (round === 0) await theirs.prove(circuit, circuit.wtns)
      else await proveOnce(theirs, circuit, await theirs.pid(), sides.them)
      if (round > 0) say(`${circuit.name}, round ${round}: ${sides.us.seconds.at(-1)?.toFixed(3)} s beside ${sides.them.seconds.at(-1)?.toFixed(3)} s`)
    }
    sides.us.peak = peakBytes((await ours.pid(circuit)) as number)
    sides.them.peak = peakBytes((await theirs.pid()) as number)
    return [...proving(circuit, sides, loadMs), { metric: `${circuit.name}: memory by admission's estimate, times what was used`, value: engineBytes(shape, threads) / sides.us.peak, unit: '×', bar: { at: 1, is: 'at least' } }, ...(await verifying(circuit, ours))]
  } finally {
    await ours.close()
    await theirs.close()
  }
}

async function proveOnce(prover: Prover, circuit: Circuit, pid: number | undefined, side: Side | undefined): Promise<void> {
  const before = pid === undefined ? 0 : cpuSeconds(pid)
  const { provedInMs } = await prover.prove(circuit, circuit.wtns)
  side?.seconds.push(provedInMs / 1_000)
  side?.cpu.push(pid === undefined ? NaN : cpuSeconds(pid) - before)
}

const linear = (costs: Circuit['costs']): number => Object.entries(costs).reduce((sum, [what, cost]) => (/linear|dense|conv|gemm|matmul/i.test(what) ? sum + cost : sum), 0)

/** Constraints of one ReLU or requantisation, the cheapest and the dearest taken together; 0 where a model has none. */
function perRelu({ costs, program }: Circuit): number {
  const elements = program.steps.reduce((total, { operation, size }) => total + (operation.name === 'requantise' ? size : 0), 0)
  return elements === 0 ? 0 : (costs['requantise'] ?? 0) / elements
}

function proving(circuit: Circuit, { us, them }: { us: Side; them: Side }, loadMs: number): Figure[] {
  const { name, constraints, costs, zkeyBytes } = circuit
  const lenet = name === 'digits-lenet'
  const bar = (at: number, is: 'at least' | 'at most') => (lenet ? { bar: { at, is } } : {})
  return [
    { metric: `${name}: constraints`, value: constraints, unit: '' },
    // Dense and convolution layers have public weights, and a product by a constant costs nothing.
    { metric: `${name}: constraints of dense and convolution layers`, value: linear(costs), unit: '', bar: { at: 0, is: 'at most' } },
    { metric: `${name}: constraints of a ReLU or requantisation`, value: perRelu(circuit), unit: '', bar: { at: 23, is: 'at most' } },
    { metric: `${name}: held-out samples on which circuit, integer and float model agree`, value: circuit.agreement * 100, unit: '%', bar: { at: 99, is: 'at least' } },
    { metric: `${name}: proving key`, value: zkeyBytes / MB, unit: 'MB' },
    { metric: `${name}: loading and checking the key`, value: loadMs, unit: 'ms' },
    { metric: `${name}: engine, per proof`, value: median(us.seconds), unit: 's' },
    { metric: `${name}: snarkjs, per proof`, value: median(them.seconds), unit: 's' },
    { metric: `${name}: times faster`, value: median(them.seconds) / median(us.seconds), unit: '×', ...bar(4, 'at least') },
    { metric: `${name}: times less CPU`, value: median(them.cpu) / median(us.cpu), unit: '×' },
    { metric: `${name}: engine, peak memory`, value: us.peak / MB, unit: 'MB' },
    { metric: `${name}: snarkjs, peak memory`, value: them.peak / MB, unit: 'MB' },
    { metric: `${name}: share of its memory`, value: us.peak / them.peak, unit: '', ...bar(0.333, 'at most') },
  ]
}

async function verifying({ name, key, zkey, id, wtns, publicSignals, infer }: Circuit, prover: Prover): Promise<Figure[]> {
  const prepared = Groth16.prepare(key)
  if (!prepared.ok) throw new Error(`${name}: ${prepared.reason}`)
  const { proof } = await prover.prove({ id, zkey }, wtns)
  const [keyJson, signalsJson, proofJson] = [Groth16.keyToJson(key), Groth16.signalsToJson(publicSignals), Groth16.proofToJson(proof)]
  const times = { us: [] as number[], them: [] as number[], model: [] as number[] }
  for (let i = 0; i < 2 * verifications; i++) {
    const counted = i >= verifications // the first half warms both up
    const us = await timed(async () => Groth16.verify(prepared.value, publicSignals, proof).ok)
    const them = await timed(() => snarkjs.verify(keyJson, signalsJson, proofJson))
    const model = await timed(async () => (await infer(), true))
    if (counted) {
      times.us.push(us)
      times.them.push(them)
      times.model.push(model)
    }
  }
  return [
    { metric: `${name}: the float model in onnxruntime, one thread`, value: median(times.model), unit: 'ms' },
    { metric: `${name}: verification, ours`, value: median(times.us), unit: 'ms' },
    { metric: `${name}: verification, snarkjs`, value: median(times.them), unit: 'ms' },
    { metric: `${name}: verification, times snarkjs’ time`, value: median(times.us) / median(times.them), unit: '×', bar: { at: 2.5, is: 'at most' } },
    { metric: `${name}: proof`, value: Groth16.encodeProof(proof).length, unit: 'bytes' },
  ]
}

/** Milliseconds of something that must be true. */
async function timed(what: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  if (!(await what())) throw new Error('a proof did not verify')
  return performance.now() - began
}
