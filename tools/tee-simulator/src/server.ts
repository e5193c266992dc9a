import { SimulatedBuilder } from '@haca/core/tee/testing'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { dirname } from 'node:path'
import { openHierarchy, rootFile } from './hierarchy.js'
import { defaultMachine, type Machine } from './machine.js'

/** SIMULATED trusted hardware: answers what a dstack guest agent answers, and says in every answer that it is none. */
export interface Simulator {
  /** File with the root that whoever accepts simulated evidence must be told to trust, DER. */
  rootFile: string
  /** What it plays; changes count from the next answer on. */
  machine: Machine
  close(): Promise<void>
}

export interface SimulatorOptions {
  socketPath: string
  /** Where the developer's root lies. */
  directory: string
  machine?: Machine
  now?(): number
}

const bodyBytesMax = 16 << 10

/** Listens on a Unix socket. Nothing it signs proves anything about hardware. */
export function startSimulator({ socketPath, directory, machine = defaultMachine, now = Date.now }: SimulatorOptions): Promise<Simulator> {
  const world = openHierarchy(directory, new Date(now()))
  const playing = { machine: structuredClone(machine) }
  const evidence = (document: Parameters<typeof SimulatedBuilder.simulatedEvidence>[1]): string => Buffer.from(SimulatedBuilder.simulatedEvidence(world, document)).toString('hex')
  const timestamp = (): number => now() + playing.machine.clockSkewSeconds * 1000
  const routes: Record<string, (body: Record<string, unknown>) => unknown> = {
    '/GetQuote': (body) => {
      const reportData = bytesOf(body, 'report_data', 64)
      const publicKey = body.public_key === undefined ? null : bytesOf(body, 'public_key', 33)
      const [userData, nonce] = [reportData.subarray(0, 32), reportData.subarray(32)]
      const quote = evidence({ ...documentOf(playing.machine), user_data: userData, nonce: nonce.length > 0 ? nonce : null, public_key: publicKey, timestamp: timestamp() })
      return { simulated: true, warning, quote, event_log: '[]', report_data: Buffer.from(reportData).toString('hex') }
    },
    '/SimulatedDevices': (body) => {
      const nonce = bytesOf(body, 'nonce', 32)
      const devices = playing.machine.devices.map(({ role, product, platformId, debug }) =>
        evidence({ ...documentOf(defaultMachine), role, product, platform_id: hex(platformId), debug, measurements: {}, user_data: new Uint8Array(), nonce, timestamp: timestamp() }),
      )
      return { simulated: true, warning, devices }
    },
    '/Info': () => ({ simulated: true, warning, app_id: 'haca-tee-simulator', machine: playing.machine }),
  }
  const server = createServer((request, response) => void answer(request, response, routes))
  mkdirSync(dirname(socketPath), { recursive: true })
  rmSync(socketPath, { force: true })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, () => resolve(Object.assign(playing, { rootFile: rootFile(directory), close: () => closed(server) })))
  })
}

const warning = 'SIMULATED: NOT HARDWARE'

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

const documentOf = ({ product, platformId, measurements, debug, tcbStatus, tcbSvn, advisories, flags }: Machine) => ({
  product,
  platform_id: platformId === null ? null : hex(platformId),
  measurements: Object.fromEntries(Object.entries(measurements).map(([name, value]) => [name, hex(value)])),
  debug,
  tcb_status: tcbStatus,
  tcb_svn: tcbSvn,
  advisories,
  flags,
})

function bytesOf(body: Record<string, unknown>, name: string, most: number): Uint8Array {
  const text = body[name]
  if (typeof text !== 'string' || !/^([0-9a-f]{2})+$/i.test(text) || text.length > most * 2) throw new Error(`${name} must be 1 to ${most} bytes of hexadecimal`)
  return hex(text)
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
