import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Breaks the connection instead of answering. */
  readonly broken?: boolean
  /** Holds the connection and says nothing. */
  readonly silent?: boolean
}

/** What a vendor answers: by path with query, else by path, else 404. */
export type Replies = Record<string, Reply | ((request: { readonly body: Uint8Array }) => Reply)>

/** A vendor's service on this machine, which says what it is told to. */
export interface LocalVendor extends AsyncDisposable {
  readonly url: string
  readonly replies: Replies
  /** Paths with queries, in the order they were asked for. */
  readonly asked: string[]
}

export async function localVendor(replies: Replies = {}): Promise<LocalVendor> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const path = request.url ?? ''
      asked.push(path)
      const found = replies[path] ?? replies[path.split('?')[0]!] ?? { status: 404 }
      const { status = 200, headers = {}, body: answer = '', broken, silent } = typeof found === 'function' ? found({ body }) : found
      if (broken) return void request.socket.destroy()
      if (silent) return
      response.writeHead(status, headers).end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, replies, asked, [Symbol.asyncDispose]: close }
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}
