import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Reply {
  status: number
  /** A header's value, by its name in lower case. */
  header(name: string): string | undefined
  body: string
}

const headEnd = '\r\n\r\n'

/**
 * A kept connection that asks one thing at a time. Node's client takes as much CPU per call as a gateway, and with both on one machine the servers
 * under measurement would mostly wait for it; this one knows no more of HTTP/1.1 than answers with a content length.
 */
export class Line {
  #received: Buffer[] = []
  #waiting: { resolve(reply: Reply): void; reject(error: Error): void } | undefined

  private constructor(
    readonly socket: Socket,
    readonly host: string,
  ) {
    socket.setNoDelay(true)
    socket.on('data', (part: Buffer) => this.#take(part))
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')))
  }

  static async open(port: number): Promise<Line> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Line(socket, `127.0.0.1:${port}`)
  }

  post(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<Reply> {
    const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.socket.write(`POST ${path} HTTP/1.1\r\nhost: ${this.host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`)
    })
  }

  close(): void {
    this.#waiting = undefined
    this.socket.destroy()
  }

  #take(part: Buffer): void {
    this.#received.push(part)
    const bytes = this.#received.length === 1 ? part : Buffer.concat(this.#received)
    const end = bytes.indexOf(headEnd)
    if (end < 0) return
    const head = bytes.toString('latin1', 0, end)
    const header = (name: string): string | undefined => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]?.trim()
    const length = Number(header('content-length'))
    if (!Number.isInteger(length)) return this.#waiting?.reject(new Error(`an answer without a length: ${head.slice(0, 100)}`))
    const from = end + headEnd.length
    if (bytes.length < from + length) return
    this.#received = []
    this.#waiting?.resolve({ status: Number(head.slice(9, 12)), header, body: bytes.toString('utf8', from, from + length) })
  }
}
