import { AppError } from '@haca/core'
import type { Logger } from '@haca/platform/log'
import { spawn, type ChildProcess } from 'node:child_process'
import { AnswerReader, head, PROVE_BYTES, type Answer } from './frames.js'
import type { Tenant } from './memory-budget.js'
import type { Proved } from './prover.js'

export interface EngineProcessOptions {
  binary: string
  zkey: string
  threads: number
  /** What it may come to hold, by estimate. */
  bytes: number
  loadTimeoutMs: number
  proveTimeoutMs: number
  logger: Logger
  /** Called once when the process has ended, for whatever reason. */
  ended(): void
}

interface Job {
  wtns: Uint8Array
  resolve: (proved: Proved) => void
  reject: (error: Error) => void
}

/** Codes of the engine that say what is wrong with what we gave it; all others are its own failure. */
const inputs: Readonly<Record<string, string>> = {
  'wtns.malformed': 'prover.witness-invalid',
  'wtns.wrong-circuit': 'prover.witness-invalid',
  'request.malformed': 'prover.witness-invalid',
}

/**
 * One warm process of one circuit. It proves one witness after another, because one proof already uses every core it may.
 * A process that dies takes the proof in hand with it; those that wait are rejected too, and the next call starts another.
 */
export class EngineProcess implements Tenant {
  readonly bytes: number
  readonly #child: ChildProcess
  readonly #ready: Promise<void>
  readonly #queue: Job[] = []
  #running: Job | undefined
  #timer: NodeJS.Timeout | undefined
  #lastId = 0
  #over: AppError | undefined
  #stderr = ''

  constructor(readonly options: EngineProcessOptions) {
    this.bytes = options.bytes
    const { binary, zkey, threads } = options
    // Its own environment: nothing of ours concerns it.
    this.#child = spawn(binary, ['serve', '--zkey', zkey, '--threads', String(threads)], { stdio: ['pipe', 'pipe', 'pipe'], env: {} })
    this.#ready = this.#start()
    this.#ready.catch(() => undefined)
  }

  /** Resolves once the key is loaded. */
  ready(): Promise<void> {
    return this.#ready
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  idle(): boolean {
    return !this.#running && this.#queue.length === 0
  }

  /** Whether it can still be asked. */
  alive(): boolean {
    return !this.#over
  }

  evict(): void {
    this.#end(new AppError('prover.closed', { retryable: true, detail: 'the process gave way to another circuit' }))
  }

  async close(): Promise<void> {
    const gone = this.#child.exitCode !== null || this.#child.signalCode !== null ? undefined : new Promise((done) => this.#child.once('exit', done))
    this.#end(new AppError('prover.closed', { retryable: true }))
    await gone
  }

  prove(wtns: Uint8Array, signal: AbortSignal | undefined): Promise<Proved> {
    if (this.#over) return Promise.reject(this.#over)
    if (signal?.aborted) return Promise.reject(cancelled())
    const proved = new Promise<Proved>((resolve, reject) => {
      const job: Job = { wtns, resolve, reject }
      const abort = (): void => this.#cancel(job)
      signal?.addEventListener('abort', abort, { once: true })
      job.resolve = (value) => (signal?.removeEventListener('abort', abort), resolve(value))
      job.reject = (error) => (signal?.removeEventListener('abort', abort), reject(error))
      this.#queue.push(job)
    })
    void this.#ready.then(
      () => this.#next(),
      () => undefined,
    )
    return proved
  }

  #start(): Promise<void> {
    const reader = new AnswerReader()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(new AppError('prover.timeout', { retryable: true, detail: 'the key took too long to load' })), this.options.loadTimeoutMs)
      this.#child.stdout?.on('data', (chunk: Buffer) => {
        try {
          for (const answer of reader.push(chunk)) {
            if (answer.kind === 'ready') {
              clearTimeout(timer)
              this.options.logger.info({ vkId: answer.about.vkId, label: answer.about.label, loadMs: answer.about.loadMs }, 'proving key loaded')
              resolve()
            } else this.#answer(answer)
          }
        } catch (cause) {
          this.#end(new AppError('prover.crashed', { retryable: true, detail: 'the engine said what it never says', cause }))
        }
      })
      this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-2_000)))
      this.#child.stdin?.on('error', () => undefined) // its exit says the same
      const over = (error: AppError): void => {
        clearTimeout(timer)
        this.#end(error)
        reject(this.#over ?? error)
        this.options.ended()
      }
      this.#child.once('error', (cause) => over(new AppError('prover.absent', { detail: `the engine could not be started: ${cause.message}`, cause })))
      // `close` and not `exit`: only then is all of stderr here.
      this.#child.once('close', (code, signal) => over(this.#over ?? this.#diagnose(code, signal)))
    })
  }

  /** Why the process ended by itself. */
  #diagnose(code: number | null, signal: string | null): AppError {
    const [, reason, detail] = /^((?:zkey|cpu)\.[a-z-]+): (.*)$/m.exec(this.#stderr) ?? []
    if (reason?.startsWith('zkey.')) return new AppError('prover.key-invalid', { detail: `${reason}: ${detail}` })
    if (reason) return new AppError('prover.absent', { detail: `${reason}: ${detail}` })
    return new AppError('prover.crashed', { retryable: true, detail: `the engine ended (${signal ?? code})` })
  }

  #next(): void {
    if (this.#running || this.#over) return
    const job = this.#queue.shift()
    if (!job) return
    this.#running = job
    this.#timer = setTimeout(() => {
      this.options.logger.error({ alarm: 'proving-hung', timeoutMs: this.options.proveTimeoutMs }, 'proof timed out; engine killed')
      this.#end(new AppError('prover.timeout', { retryable: true, detail: `no proof within ${this.options.proveTimeoutMs} ms` }))
    }, this.options.proveTimeoutMs)
    this.#child.stdin?.write(head(PROVE_BYTES, ++this.#lastId, job.wtns.length))
    this.#child.stdin?.write(job.wtns)
  }

  #answer(answer: Exclude<Answer, { kind: 'ready' }>): void {
    const job = this.#running
    if (!job || answer.id !== this.#lastId) return
    clearTimeout(this.#timer)
    this.#running = undefined
    if (answer.kind === 'proved') job.resolve({ proof: answer.proof, publicSignals: answer.publicSignals, provedInMs: answer.provedInMs })
    else {
      const ours = inputs[answer.code]
      job.reject(new AppError(ours ?? 'prover.crashed', { retryable: !ours, detail: `${answer.code}: ${answer.detail}` }))
    }
    this.#next()
  }

  /** Takes a waiting job out; a running one costs the process, since a proof cannot be interrupted. */
  #cancel(job: Job): void {
    const at = this.#queue.indexOf(job)
    if (at >= 0) {
      this.#queue.splice(at, 1)
      job.reject(cancelled())
    } else if (this.#running === job) {
      this.#running = undefined
      clearTimeout(this.#timer)
      job.reject(cancelled())
      this.#end(new AppError('prover.crashed', { retryable: true, detail: 'the engine was stopped to cancel another proof' }))
    }
  }

  #end(error: AppError): void {
    if (this.#over) return
    this.#over = error
    clearTimeout(this.#timer)
    for (const job of [...(this.#running ? [this.#running] : []), ...this.#queue.splice(0)]) job.reject(error)
    this.#running = undefined
    this.#child.kill('SIGKILL')
  }
}

const cancelled = (): AppError => new AppError('prover.cancelled', { detail: 'the caller gave up' })
