import { AppError } from '@haca/core'
import type { Logger } from '@haca/platform/log'
import { EngineProcess } from './engine-process.js'
import { MemoryBudget } from './memory-budget.js'
import type { Circuit, Proved, Prover } from './prover.js'
import { engineBytes, zkeyShape } from './zkey-shape.js'

export interface EngineProverOptions {
  /** Path of the built `haca-prover`; see services/prover/engine. */
  binary: string
  threads: number
  /** Most bytes that all warm processes together may come to hold. */
  memoryBytes: number
  loadTimeoutMs: number
  proveTimeoutMs: number
  logger: Logger
}

/** Proves by the Rust engine, one warm process for each circuit within one memory budget. */
export class EngineProver implements Prover {
  readonly engine = 'haca-prover'
  readonly #budget: MemoryBudget
  readonly #processes = new Map<string, Promise<EngineProcess>>()
  #closed = false

  constructor(readonly options: EngineProverOptions) {
    this.#budget = new MemoryBudget(options.memoryBytes)
  }

  async prove(circuit: Circuit, wtns: Uint8Array, { signal }: { signal?: AbortSignal } = {}): Promise<Proved> {
    return (await this.#process(circuit)).prove(wtns, signal)
  }

  /** Loads a circuit's key before its first proof. */
  async warm(circuit: Circuit): Promise<void> {
    await (await this.#process(circuit)).ready()
  }

  /** Process id of a circuit's engine, for whoever watches it. */
  async pid(circuit: Circuit): Promise<number | undefined> {
    return (await this.#processes.get(circuit.id))?.pid
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#processes.values()].map(async (starting) => (await starting.catch(() => undefined))?.close()))
  }

  /** The circuit's live process; concurrent callers start one. */
  async #process(circuit: Circuit): Promise<EngineProcess> {
    for (;;) {
      if (this.#closed) throw new AppError('prover.closed', { retryable: true })
      const known = this.#processes.get(circuit.id)
      if (!known) {
        const starting = this.#start(circuit)
        this.#processes.set(circuit.id, starting)
        starting.catch(() => this.#forget(circuit, starting))
        return starting
      }
      const running = await known.catch(() => undefined)
      if (running?.alive()) {
        this.#budget.touch(running)
        return running
      }
      this.#forget(circuit, known)
    }
  }

  async #start(circuit: Circuit): Promise<EngineProcess> {
    const { binary, threads, loadTimeoutMs, proveTimeoutMs, logger } = this.options
    const bytes = engineBytes(await zkeyShape(circuit.zkey), threads)
    if (this.#closed) throw new AppError('prover.closed', { retryable: true })
    this.#budget.makeRoom(bytes)
    const process: EngineProcess = new EngineProcess({ binary, zkey: circuit.zkey, threads, bytes, loadTimeoutMs, proveTimeoutMs, logger, ended: () => this.#budget.release(process) })
    this.#budget.add(process)
    return process
  }

  #forget(circuit: Circuit, starting: Promise<EngineProcess>): void {
    if (this.#processes.get(circuit.id) === starting) this.#processes.delete(circuit.id)
  }
}
