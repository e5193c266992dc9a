import { AppError, type Hex, type Tensor } from '@haca/core'
import type { Logger } from '@haca/platform/log'
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LocalModel } from '../models.js'
import type { FromWorker, ToWorker } from './messages.js'

export interface EngineOptions {
  models: ReadonlyMap<Hex.Hex, LocalModel>
  provider: 'cpu' | 'cuda'
  threads: number
  /** Milliseconds after which a run is taken for hung and its worker killed. */
  runTimeoutMs: number
  logger: Logger
  /** File of the worker; tests bring their own. */
  worker?: string
}

interface Waiting {
  resolve(outputs: Tensor.Tensor[]): void
  reject(error: Error): void
  timer: NodeJS.Timeout
}

const restartAfterMs = 200
const loadTimeoutMs = 120_000

/** One worker process that runs models, started again when it dies. One run at a time: a device has no use for more. */
export class Engine {
  #child: ChildProcess | undefined
  #ready: Promise<void> | undefined
  #waiting = new Map<number, Waiting>()
  #lastId = 0
  #closed = false

  constructor(readonly options: EngineOptions) {}

  /** Loads and warms up every model. Rejects when the worker cannot: a node that cannot serve must not say it can. */
  start(): Promise<void> {
    return (this.#ready ??= this.#spawn())
  }

  /**
   * Runs a model. Rejects with `engine.failed` when the model itself refused, and with the retryable `engine.crashed` when
   * the worker died or hung, so that the caller may try again; `engine.closed` when this node stops.
   */
  async run(modelHash: Hex.Hex, inputs: Tensor.Tensor[]): Promise<Tensor.Tensor[]> {
    await this.#live()
    if (this.#closed) throw closed()
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.options.logger.error({ alarm: 'engine-hung', modelHash, timeoutMs: this.options.runTimeoutMs }, 'run timed out; worker killed')
        this.#child?.kill('SIGKILL')
      }, this.options.runTimeoutMs)
      this.#waiting.set(id, { resolve, reject, timer })
      this.#tell({ kind: 'run', id, modelHash, inputs })
    })
  }

  /** Process id of the worker, for whoever watches it. */
  pid(): number | undefined {
    return this.#child?.pid
  }

  async close(): Promise<void> {
    this.#closed = true
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((done) => child.once('exit', () => done()))
    child.kill('SIGKILL')
    await gone
  }

  /** Waits for a worker that has loaded, also while one is being started again. */
  async #live(): Promise<void> {
    for (;;) {
      const ready = this.#ready
      try {
        await ready
        if (ready) return
      } catch {
        // the respawn below replaces `#ready`
      }
      if (this.#closed) throw closed()
      await new Promise((next) => setTimeout(next, restartAfterMs))
    }
  }

  #spawn(): Promise<void> {
    const { models, provider, threads, worker = fileURLToPath(import.meta.resolve('./worker.js')) } = this.options
    const child = fork(worker, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
    this.#child = child
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), loadTimeoutMs)
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'loaded') {
          clearTimeout(timer)
          resolve()
        } else if (message.kind === 'failed' && message.id === undefined) {
          reject(new Error(message.message))
          child.kill('SIGKILL') // it lives, and would never serve; its exit starts another
        } else this.#answer(message)
      })
      child.once('error', (error) => {
        reject(error)
        if (child.pid !== undefined) return
        clearTimeout(timer) // it never ran, so it never exits
        this.#died(child, error.message)
      })
      child.once('exit', (code, signal) => {
        clearTimeout(timer)
        reject(new Error(`worker ended while loading (${signal ?? code})`))
        this.#died(child, signal ?? String(code))
      })
      this.#tell({
        kind: 'load',
        provider,
        threads,
        models: [...models].map(([modelHash, model]) => ({ modelHash, path: model.weights, inputs: model.manifest.inputs, outputs: model.manifest.outputs })),
      })
    })
  }

  #tell(message: ToWorker): void {
    this.#child?.send(message, (error) => {
      if (error) this.#child?.kill('SIGKILL') // its exit rejects whoever waits
    })
  }

  #answer(message: Exclude<FromWorker, { kind: 'loaded' }>): void {
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id)
    if (!waiting || message.id === undefined) return
    this.#waiting.delete(message.id)
    clearTimeout(waiting.timer)
    if (message.kind === 'ran') waiting.resolve(message.outputs)
    else waiting.reject(new AppError('engine.failed', { detail: message.message }))
  }

  #died(child: ChildProcess, how: string): void {
    if (this.#child !== child) return
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer)
      waiting.reject(this.#closed ? closed() : new AppError('engine.crashed', { retryable: true, detail: `the worker ended (${how})` }))
    }
    this.#waiting.clear()
    if (this.#closed) return
    this.options.logger.error({ alarm: 'engine-crashed', how }, 'inference worker died; starting another')
    this.#ready = new Promise<void>((resolve, reject) => setTimeout(() => (this.#closed ? reject(new Error('closed')) : this.#spawn().then(resolve, reject)), restartAfterMs))
    this.#ready.catch(() => undefined)
  }
}

const closed = (): AppError => new AppError('engine.closed', { retryable: true, detail: 'this node stops' })
