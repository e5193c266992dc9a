import { AppError } from '@haca/core'
import { Groth16 } from '@haca/core/zk'
import type { Logger } from '@haca/platform/log'
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Circuit, Proved, Prover } from './prover.js'
import { snarkjsBytes, zkeyShape } from './zkey-shape.js'

export type ToSnarkjs = { id: number; zkey: string; wtns: Uint8Array }
export type FromSnarkjs =
  | { kind: 'ready' }
  | { kind: 'absent'; detail: string }
  | { kind: 'proved'; id: number; proof: unknown; publicSignals: unknown; provedInMs: number }
  | { kind: 'failed'; id: number; detail: string }

export interface SnarkjsProverOptions {
  /** Most bytes that the process may come to hold. */
  memoryBytes: number
  startTimeoutMs: number
  proveTimeoutMs: number
  logger: Logger
}

interface Waiting {
  resolve(proved: Proved): void
  reject(error: Error): void
}

/**
 * Proves by snarkjs in a process of its own: slower and hungrier than the engine, and there where no compiler is. One proof
 * at a time, because each takes all cores and its own copy of the key.
 */
export class SnarkjsProver implements Prover {
  readonly engine = 'snarkjs (GPL-3.0, a process of its own; used because haca-prover is not built here)'
  #worker: Promise<ChildProcess> | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #waiting: Waiting | undefined
  #lastId = 0
  #closed = false

  constructor(readonly options: SnarkjsProverOptions) {}

  async prove(circuit: Circuit, wtns: Uint8Array, { signal }: { signal?: AbortSignal } = {}): Promise<Proved> {
    const needed = snarkjsBytes(await zkeyShape(circuit.zkey))
    if (needed > this.options.memoryBytes) throw new AppError('prover.memory-exceeded', { detail: `the key needs ${needed} bytes, and the budget is ${this.options.memoryBytes}` })
    const turn = this.#turn.then(() => this.#proveNow(circuit, wtns, signal))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /** Process id of the worker, for whoever watches it. */
  async pid(): Promise<number | undefined> {
    return (await this.#worker?.catch(() => undefined))?.pid
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = await this.#worker?.catch(() => undefined)
    if (!worker || worker.exitCode !== null || worker.signalCode !== null) return
    const gone = new Promise((done) => worker.once('exit', done))
    worker.kill('SIGKILL')
    await gone
  }

  async #proveNow(circuit: Circuit, wtns: Uint8Array, signal: AbortSignal | undefined): Promise<Proved> {
    if (this.#closed) throw new AppError('prover.closed', { retryable: true })
    if (signal?.aborted) throw cancelled()
    const worker = await (this.#worker ??= this.#start())
    const { proveTimeoutMs } = this.options
    return new Promise<Proved>((resolve, reject) => {
      const stop = (error: AppError) => () => {
        settle.reject(error)
        worker.kill('SIGKILL')
      }
      const abort = stop(cancelled())
      const timer = setTimeout(stop(new AppError('prover.timeout', { retryable: true, detail: `no proof within ${proveTimeoutMs} ms` })), proveTimeoutMs)
      const done = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#waiting = undefined
      }
      const settle: Waiting = {
        resolve: (proved) => (done(), resolve(proved)),
        reject: (error) => (done(), reject(error)),
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting = settle
      worker.send({ id: ++this.#lastId, zkey: circuit.zkey, wtns } satisfies ToSnarkjs, (error) => error && worker.kill('SIGKILL'))
    })
  }

  #start(): Promise<ChildProcess> {
    // From source the worker is a .ts file, whose types Node strips; built it is a .js file.
    const file = new URL(import.meta.url.endsWith('.ts') ? './snarkjs-worker.ts' : './snarkjs-worker.js', import.meta.url)
    const worker = fork(fileURLToPath(file), { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: ['--disable-warning=ExperimentalWarning'] })
    const started = new Promise<ChildProcess>((resolve, reject) => {
      const timer = setTimeout(() => worker.kill('SIGKILL'), this.options.startTimeoutMs)
      worker.on('message', (message: FromSnarkjs) => {
        if (message.kind === 'ready') resolve(worker)
        else if (message.kind === 'absent') reject(new AppError('prover.absent', { detail: 'snarkjs is not installed: it is an optional dependency' }))
        else this.#answer(message)
        clearTimeout(timer)
      })
      worker.once('error', reject)
      worker.once('exit', (code, signal) => {
        clearTimeout(timer)
        const crashed = new AppError('prover.crashed', { retryable: true, detail: `the worker ended (${signal ?? code})` })
        reject(crashed)
        if (this.#worker === started) this.#worker = undefined
        this.#waiting?.reject(crashed)
      })
    })
    started.catch(() => {
      if (this.#worker === started) this.#worker = undefined
      worker.kill('SIGKILL')
    })
    return started
  }

  #answer(message: Extract<FromSnarkjs, { id: number }>): void {
    if (message.id !== this.#lastId) return
    if (message.kind === 'failed') {
      this.#waiting?.reject(failure(message.detail))
      return
    }
    const proof = Groth16.proofFromJson(message.proof)
    const signals = Groth16.signalsFromJson(message.publicSignals)
    if (!proof.ok || !signals.ok) this.#waiting?.reject(new AppError('prover.crashed', { retryable: true, detail: 'snarkjs gave no proof' }))
    else this.#waiting?.resolve({ proof: proof.value, publicSignals: signals.value, provedInMs: message.provedInMs })
  }
}

const cancelled = (): AppError => new AppError('prover.cancelled', { detail: 'the caller gave up' })

/**
 * What snarkjs says against its input, by its own words and those of its reader of files; anything else, memory that could
 * not be had for one, is its own failure: a verdict is for good, and must not rest on a bad day.
 */
export function failure(detail: string): AppError {
  if (/witness/i.test(detail)) return new AppError('prover.witness-invalid', { detail })
  if (/zkey file is not|protocol unrecognized|Curve not supported|Invalid File format|Version not supported|Missing section|Section Duplicated/i.test(detail)) return new AppError('prover.key-invalid', { detail })
  return new AppError('prover.crashed', { retryable: true, detail })
}
