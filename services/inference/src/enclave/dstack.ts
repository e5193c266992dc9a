import { AppError } from '@haca/core'
import { request } from 'node:http'

/**
 * Client of the dstack guest agent's socket (HTTP over a Unix socket, JSON bodies), the one interface to trusted
 * hardware: in a CVM the agent answers, in development the simulator does, and says so in every answer.
 */
export class DstackClient {
  constructor(readonly socketPath: string) {}

  /** A quote over up to 64 bytes of report data. */
  async getQuote(reportData: Uint8Array): Promise<{ quote: Uint8Array; mediaType: string; simulated: boolean }> {
    const answer = await this.#post<{ quote?: unknown; media_type?: unknown; simulated?: unknown }>('/GetQuote', { report_data: Buffer.from(reportData).toString('hex') })
    if (typeof answer.quote !== 'string' || !/^[0-9a-f]+$/.test(answer.quote)) throw new AppError('tee.malformed-answer', { detail: 'the guest agent answered no quote' })
    return {
      quote: Buffer.from(answer.quote, 'hex'),
      mediaType: typeof answer.media_type === 'string' ? answer.media_type : 'application/vnd.intel.tdx-quote',
      simulated: answer.simulated === true,
    }
  }

  /** What the agent says of itself and of this instance. */
  info(): Promise<Record<string, unknown>> {
    return this.#post('/Info', {})
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    const bytes = Buffer.from(JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => reject(new AppError('tee.unreachable', { retryable: true, cause, detail: `no answer from the guest agent at ${this.socketPath}` }))
      const call = request({ socketPath: this.socketPath, path, method: 'POST', timeout: 10_000, headers: { 'content-type': 'application/json', 'content-length': bytes.length } }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', fail)
        response.on('end', () => {
          if (response.statusCode !== 200) return fail(new Error(`status ${response.statusCode}`))
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
