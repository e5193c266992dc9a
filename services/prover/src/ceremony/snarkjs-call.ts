import { AppError } from '@haca/core'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a child process may be asked to do with snarkjs, which is GPL-3.0 and runs only there. Paths and public values. */
export type Call =
  | { verb: 'new'; r1cs: string; ptau: string; zkey: string }
  | { verb: 'contribute'; from: string; to: string; name: string }
  | { verb: 'beacon'; from: string; to: string; name: string; value: string; iterationsExp: number }
  | { verb: 'verify'; r1cs: string; ptau: string; zkey: string }
  | { verb: 'test-phase-1'; power: number; ptau: string; folder: string }

export type CallResult = { ok: true; value: boolean } | { ok: false; detail: string }

/**
 * Runs one call in a process that lives for this call alone, so that a contribution's secret dies with it and nobody else's
 * was ever there. Rejects with `ceremony.failed`, or `ceremony.timeout` once `timeoutMs` have passed.
 */
export function callSnarkjs(call: Call, timeoutMs: number): Promise<boolean> {
  // From source the worker is a .ts file, whose types Node strips; built it is a .js file.
  const file = new URL(import.meta.url.endsWith('.ts') ? './snarkjs-call-worker.ts' : './snarkjs-call-worker.js', import.meta.url)
  const child = fork(fileURLToPath(file), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: ['--disable-warning=ExperimentalWarning'] })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new AppError('ceremony.timeout', { retryable: true, detail: `${call.verb} took more than ${timeoutMs} ms` }))
      child.kill('SIGKILL')
    }, timeoutMs)
    child.once('message', (result: CallResult) => {
      if (result.ok) resolve(result.value)
      else reject(new AppError('ceremony.failed', { detail: `${call.verb}: ${result.detail}` }))
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new AppError('ceremony.failed', { retryable: true, detail: `${call.verb}: the process ended (${signal ?? code})` }))
    })
    child.send(call)
  })
}
