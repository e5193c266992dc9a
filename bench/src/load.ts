import { fork, type ChildProcess } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { Line } from './line.js'

/** A server under load, as a process of its own. */
export interface Server {
  port: number
  /** CPU the process has used, in microseconds. */
  cpu(): Promise<number>
  /** Tells it of payments to come, so that what others would do for them is done before the clock starts. */
  expect(payments: readonly string[]): Promise<void>
  stop(): void
}

export async function startServer(script: URL, env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const child = fork(script, { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const { port } = await answer<{ port: number }>(child)
  const ask = async (message: object): Promise<{ cpu: number }> => {
    child.send(message)
    return answer(child)
  }
  return {
    port,
    cpu: async () => (await ask({})).cpu,
    expect: async (payments) => void (await ask({ payments })),
    stop: () => void child.kill(),
  }
}

/** The child's next message; throws when it ends instead. */
function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null): void => reject(new Error(`the server ended with ${code}`))
    child.once('exit', gone)
    child.once('message', (message) => {
      child.off('exit', gone)
      resolve(message as T)
    })
  })
}

/** One POST; answers status, headers and body. */
export function post(port: number, path: string, body: string, headers: Record<string, string>): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', path, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers } }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString() }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Sends one body with each payment, `atOnce` at a time. Throws when one is not answered 200. */
export async function drive(port: number, body: string, payments: readonly string[], atOnce: number): Promise<void> {
  const queue = payments.entries()
  const worker = async (line: Line): Promise<void> => {
    for (const [i, payment] of queue) {
      const reply = await line.post('/v1/inference', body, { 'payment-signature': payment })
      if (reply.status !== 200) throw new Error(`request ${i} was answered ${reply.status}: ${reply.body.slice(0, 300)}`)
    }
  }
  await onLines(port, atOnce, worker)
}

/** Runs a worker on each of so many connections, and closes them. */
export async function onLines(port: number, count: number, worker: (line: Line) => Promise<void>): Promise<void> {
  const lines = await Promise.all(Array.from({ length: count }, () => Line.open(port)))
  try {
    await Promise.all(lines.map(worker))
  } finally {
    for (const line of lines) line.close()
  }
}
