import { spawn, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Progress goes to the error stream, so that `--json` leaves the output clean. */
export const say = (text, quiet) => quiet || process.stderr.write(`${text}\n`)

export function fail(text) {
  process.stderr.write(`${text}\n`)
  process.exit(1)
}

/** Whether a program is on the PATH. */
export const has = (program) => spawnSync('which', [program], { stdio: 'ignore' }).status === 0

/** Runs a program, saying so when it takes longer than two seconds; its output is shown when it fails. */
export function step(what, program, args, { quiet = false, env = {} } = {}) {
  const began = Date.now()
  const seconds = () => ((Date.now() - began) / 1000).toFixed(0)
  let spoke = false
  const timer = setInterval(() => {
    spoke = true
    say(`   … ${what} (${seconds()} s)`, quiet)
  }, 2_000)
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk))
    const end = (failure) => {
      clearInterval(timer)
      if (!failure) {
        if (spoke) say(`   ✓ ${what} (${seconds()} s)`, quiet)
        return resolve()
      }
      reject(Object.assign(new Error(`${what} failed: ${failure}`), { output: Buffer.concat(output).toString() }))
    }
    child.once('error', (error) => end(error.message))
    child.once('exit', (code, signal) => end(code === 0 ? undefined : `${program} ended with ${signal ?? code}`))
  })
}

/** `step`, for what nothing can go on without. */
export const must = (...args) =>
  step(...args).catch((error) => {
    process.stderr.write(`${error.output ?? ''}\n`)
    fail(error.message)
  })
