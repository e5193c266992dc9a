import { AppError } from '@haca/core'
import { MEDIA_TYPES, type Collection, type KeyBinding } from '@haca/core/tee'
import { spawn } from 'node:child_process'
import type { Hardware } from './hardware.js'

/** Documents are below 16 kB; hexadecimal doubles them. */
const answerBytesMax = 64 * 1024
const timeoutMs = 10_000

/**
 * The Nitro security module of an AWS enclave, asked through `nsm-bridge`: the module is a device with an ioctl, which Node cannot call. One
 * question, one process, JSON on both ends.
 */
export class Nitro implements Hardware {
  readonly kind = 'nitro'

  /** `program` is the path of `nsm-bridge`. */
  constructor(readonly program: string) {}

  async attest({ userData, nonce, publicKey }: KeyBinding.BoundFields): Promise<Collection.Piece> {
    const hex = (bytes: Uint8Array | undefined): string | null => (bytes ? Buffer.from(bytes).toString('hex') : null)
    const answer = await ask(this.program, { user_data: hex(userData), nonce: hex(nonce), public_key: hex(publicKey) })
    if (typeof answer.document !== 'string' || !/^([0-9a-f]{2})+$/.test(answer.document)) throw new AppError('tee.malformed-answer', { detail: answer.error ?? 'nsm-bridge answered no document' })
    return { evidence: { kind: 'nitro', mediaType: MEDIA_TYPES.nitro, bytes: new Uint8Array(Buffer.from(answer.document, 'hex')) }, endorsements: [] }
  }

  /** Enclaves have no devices. */
  async devices(): Promise<Collection.Piece[]> {
    return []
  }
}

function ask(program: string, question: object): Promise<{ document?: unknown; error?: string }> {
  return new Promise((resolve, reject) => {
    const fail = (detail: string, cause?: unknown): void => reject(new AppError('tee.unreachable', { retryable: true, detail, cause }))
    const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'], timeout: timeoutMs })
    const chunks: Buffer[] = []
    let size = 0
    child.once('error', (error) => fail(`${program} cannot be run`, error))
    child.stdin.on('error', () => undefined) // it died; `close` says how
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > answerBytesMax) child.kill('SIGKILL')
      else chunks.push(chunk)
    })
    child.once('close', (code) => {
      try {
        resolve(JSON.parse(Buffer.concat(chunks).toString()) as { document?: unknown; error?: string })
      } catch (error) {
        fail(`${program} ended with ${code} and no answer`, error)
      }
    })
    child.stdin.end(JSON.stringify(question))
  })
}
