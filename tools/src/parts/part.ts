import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** A program we started and must stop. */
export interface Part {
  name: string
  /** Where its output goes. */
  logFile: string
  pid(): number | undefined
  running(): boolean
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<void>
  /** SIGKILL now, as a crash would. */
  kill(): Promise<void>
  /** Starts it again with the same command, after `kill` or `stop`. */
  start(): Promise<void>
}

export interface Command {
  name: string
  command: string
  args: string[]
  env?: NodeJS.ProcessEnv
  cwd?: string
  logFile: string
  /** Resolves once the program answers; called again and again until then. */
  ready(): Promise<boolean>
  readyWithinMs: number
}

/** A program that can be started and stopped. `start` throws, naming the log, when it dies or stays silent. */
export function define(command: Command): Part {
  let child: ChildProcess | undefined
  const alive = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null

  const start = async (): Promise<void> => {
    mkdirSync(dirname(command.logFile), { recursive: true })
    const log = createWriteStream(command.logFile, { flags: 'a' })
    await new Promise((opened) => log.once('open', opened))
    child = spawn(command.command, command.args, { stdio: ['ignore', log, log], env: { ...process.env, ...command.env }, ...(command.cwd ? { cwd: command.cwd } : {}) })
    log.close()
    let failure: Error | undefined
    child.once('error', (error) => (failure = error))
    for (const until = Date.now() + command.readyWithinMs; ; await pause(50)) {
      if (failure) throw new Error(`${command.name} could not be started: ${failure.message}`)
      if (!alive()) throw new Error(`${command.name} stopped while starting; its log is ${command.logFile}`)
      if (await command.ready()) return
      if (Date.now() > until) {
        child.kill('SIGKILL')
        throw new Error(`${command.name} did not answer within ${command.readyWithinMs} ms; its log is ${command.logFile}`)
      }
    }
  }

  const end = async (signal: NodeJS.Signals, graceMs: number): Promise<void> => {
    const process = child
    if (!process || !alive()) return
    const gone = new Promise<void>((done) => process.once('exit', () => done()))
    process.kill(signal)
    const timer = setTimeout(() => process.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(timer)
  }

  return {
    name: command.name,
    logFile: command.logFile,
    pid: () => child?.pid,
    running: alive,
    start,
    stop: (graceMs = 15_000) => end('SIGTERM', graceMs),
    kill: () => end('SIGKILL', 1_000),
  }
}

/** A TCP port on loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
