import { AppError } from '@haca/core'
import { MEDIA_TYPES, type Collection, type Endorsement, type KeyBinding } from '@haca/core/tee'
import { request } from 'node:http'
import type { Hardware } from './hardware.js'

/**
 * The dstack guest agent (HTTP over a Unix socket, JSON bodies): in a TDX machine the agent answers, in development the simulator does, and
 * says so in every answer. The node's code is the same for both.
 */
export class Dstack implements Hardware {
  private constructor(
    readonly agent: DstackAgent,
    readonly kind: 'tdx' | 'simulated',
  ) {}

  /** Asks the agent what it is. */
  static async connect(socketPath: string): Promise<Dstack> {
    const agent = new DstackAgent(socketPath)
    const info = await agent.post<{ simulated?: unknown }>('/Info', {})
    return new Dstack(agent, info.simulated === true ? 'simulated' : 'tdx')
  }

  async attest({ userData, nonce, publicKey }: KeyBinding.BoundFields): Promise<Collection.Piece> {
    // A TDX quote has 64 bytes of report data and nothing else; the simulator divides them, and a real agent ignores the key.
    const reportData = Buffer.concat([userData, nonce ?? new Uint8Array()]).toString('hex')
    const body = { report_data: reportData, ...(publicKey ? { public_key: Buffer.from(publicKey).toString('hex') } : {}) }
    const answer = await this.agent.post<{ quote?: unknown; event_log?: unknown; simulated?: unknown }>('/GetQuote', body)
    if ((answer.simulated === true) !== (this.kind === 'simulated')) throw new AppError('tee.changed', { detail: 'the guest agent changed between simulated and real' })
    return { evidence: { kind: this.kind, mediaType: MEDIA_TYPES[this.kind], bytes: hexOf(answer.quote) }, endorsements: this.kind === 'tdx' ? eventLog(answer.event_log) : [] }
  }

  /** The simulator may play GPUs; a real agent has no such call, and GPUs beside it are asked through their driver. */
  async devices(nonce: Uint8Array): Promise<Collection.Piece[]> {
    if (this.kind !== 'simulated') return []
    const { devices } = await this.agent.post<{ devices?: unknown }>('/SimulatedDevices', { nonce: Buffer.from(nonce).toString('hex') })
    if (!Array.isArray(devices)) throw malformed('no devices')
    return devices.map((device) => ({ evidence: { kind: this.kind, mediaType: MEDIA_TYPES[this.kind], bytes: hexOf(device) }, endorsements: [] }))
  }
}

/** JSON calls over the agent's socket. */
class DstackAgent {
  constructor(readonly socketPath: string) {}

  post<T>(path: string, body: unknown): Promise<T> {
    const bytes = Buffer.from(JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => reject(new AppError('tee.unreachable', { retryable: true, cause, detail: `no answer from the guest agent at ${this.socketPath}` }))
      const call = request({ socketPath: this.socketPath, path, method: 'POST', timeout: 10_000, headers: { 'content-type': 'application/json', 'content-length': bytes.length } }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', fail)
        response.on('end', () => {
          if (response.statusCode !== 200) return fail(new Error(`${path} answered ${response.statusCode}`))
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()) as T)
          } catch (error) {
            fail(error)
          }
        })
      })
      call.once('timeout', () => call.destroy(new Error('timed out')))
      call.once('error', fail)
      call.end(bytes)
    })
  }
}

/** The event log as the agent gives it: JSON as text. */
const eventLog = (text: unknown): Endorsement[] => (typeof text === 'string' && text !== '' && text !== '[]' ? [{ role: 'event-log', bytes: new Uint8Array(Buffer.from(text)) }] : [])

const hexOf = (text: unknown): Uint8Array => (typeof text === 'string' && /^([0-9a-f]{2})+$/i.test(text) ? new Uint8Array(Buffer.from(text, 'hex')) : malformed('no quote'))

function malformed(what: string): never {
  throw new AppError('tee.malformed-answer', { detail: `the guest agent answered ${what}` })
}
