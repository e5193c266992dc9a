import { Hex, KeyEvidence, Secp256k1 } from '@haca/core'
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** SIMULATED trusted hardware: answers what a dstack guest agent answers, and says in every answer that it is none. */
export interface Simulator {
  /** Address whoever accepts simulated evidence must be told to trust. */
  root: Hex.Hex
  close(): Promise<void>
}

const bodyBytesMax = 16 << 10

/** Listens on a Unix socket. The root key is a developer's own; nothing signed by it proves anything about hardware. */
export function startSimulator(socketPath: string, rootKey: Uint8Array, now: () => number = Date.now): Promise<Simulator> {
  const root = Secp256k1.addressOfKey(rootKey)
  const routes: Record<string, (body: Record<string, unknown>) => unknown> = {
    '/GetQuote': (body) => quote(body, rootKey, now),
    '/Info': () => ({ simulated: true, warning: 'SIMULATED: NOT HARDWARE', app_id: 'haca-tee-simulator', root }),
  }
  const server = createServer((request, response) => void answer(request, response, routes))
  rmSync(socketPath, { force: true })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, () => resolve({ root, close: () => closed(server) }))
  })
}

function quote(body: Record<string, unknown>, rootKey: Uint8Array, now: () => number): unknown {
  const text = body.report_data
  if (typeof text !== 'string' || !/^([0-9a-f]{2}){1,64}$/i.test(text)) throw new Error('report_data must be 1 to 64 bytes of hexadecimal')
  const report = new Uint8Array(64)
  report.set(Buffer.from(text, 'hex'))
  const evidence = KeyEvidence.issueSimulated(report, Math.floor(now() / 1000), rootKey)
  return { simulated: true, quote: Buffer.from(evidence).toString('hex'), media_type: KeyEvidence.simulatedMediaType, report_data: Hex.fromBytes(report).slice(2), event_log: '[]' }
}

async function answer(request: IncomingMessage, response: ServerResponse, routes: Record<string, (body: Record<string, unknown>) => unknown>): Promise<void> {
  const send = (status: number, value: unknown): void => void response.writeHead(status, { 'content-type': 'application/json', 'x-tee': 'SIMULATED' }).end(JSON.stringify(value))
  const route = routes[request.url ?? '']
  if (!route || request.method !== 'POST') return send(404, { error: `there is no ${request.method} ${request.url}; there are POST ${Object.keys(routes).join(', ')}` })
  try {
    send(200, route(await readBody(request)))
  } catch (error) {
    send(400, { error: (error as Error).message })
  }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyBytesMax) throw new Error(`the body exceeds ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  return size === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>)
}

const closed = (server: Server): Promise<void> =>
  new Promise((done) => {
    server.close(() => done())
    server.closeAllConnections()
  })
