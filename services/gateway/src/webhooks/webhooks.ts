import { Abi, Digest, Errors, Hex } from '@haca/core'
import type { Blobs } from '@haca/platform/blobs'
import type { Native } from '@haca/platform/crypto'
import type { Logger } from '@haca/platform/log'
import { lookup } from 'node:dns/promises'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { isIP } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { webhookDelivered } from '../events.js'
import type { RequestStatus } from '../get-request.js'
import { Refusal } from '../refusal.js'
import { isPublicAddress } from './public-address.js'

export interface WebhookOptions {
  blobs: Blobs
  /** Signs what is told; callers know its address as an offer signer. */
  key: Uint8Array
  primitives: Native
  /** `any` lets tests call back to loopback without TLS; production refuses it. */
  reach: 'public' | 'any'
  logger: Logger
  /** Milliseconds before the second try; each later one waits four times as long. */
  pauseMs: number
  /** Unix milliseconds. */
  now(): number
}

const urlMax = 2_048
const attempts = 4
const timeoutMs = 5_000

const keyOf = (requestId: Hex.Hex): string => `webhooks/${requestId.slice(2, 4)}/${requestId.slice(2)}`

/** Bytes a webhook's signature is over: keccak256("haca/webhook/1" ‖ unix seconds:8 ‖ SHA-256(body)). */
export const webhookDigest = (timestamp: number, body: Uint8Array, { keccak256, sha256 }: Pick<Native, 'keccak256' | 'sha256'>): Uint8Array =>
  keccak256(Abi.concat([new TextEncoder().encode('haca/webhook/1'), Abi.uint(timestamp, 8), sha256(body)]))

/**
 * Tells callers by a POST to an address of theirs when a proof is there. At least once, a few times and never again: the status
 * of the request is the truth, and a webhook saves asking for it. A caller's address is an attacker's until shown otherwise: it is https on the public internet,
 * resolved once and called at what it was resolved to, and no redirect is followed.
 */
export class Webhooks {
  constructor(readonly options: WebhookOptions) {}

  /** Reads the address a caller names. Throws `webhook.refused`, before anything is paid. */
  check(text: string): URL {
    const url = URL.canParse(text) && text.length <= urlMax ? new URL(text) : undefined
    const secure = url?.protocol === 'https:' || (this.options.reach === 'any' && url?.protocol === 'http:')
    if (!url || !secure || url.username || url.password || url.hash) throw refused('an https address of at most 2,048 characters, without a user and a fragment')
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) && !this.#reaches(host)) throw refused('an address on the public internet')
    return url
  }

  /** Remembers whom to tell of a request; the first address stands. */
  async keep(requestId: Hex.Hex, url: URL): Promise<void> {
    await this.options.blobs.putOnce(keyOf(requestId), new TextEncoder().encode(url.href))
  }

  /** Tells whoever asked to be told. Resolves when that is done or given up; never rejects for what is the receiver's doing. */
  async tell(status: RequestStatus): Promise<void> {
    const bytes = await this.options.blobs.get(keyOf(status.requestId))
    if (!bytes) return
    const url = this.check(new TextDecoder().decode(bytes))
    const body = new TextEncoder().encode(JSON.stringify({ type: 'request.proven', ...status }))
    let outcome = ''
    for (let attempt = 1; attempt <= attempts; attempt++) {
      outcome = await this.#post(url, body, status.requestId).catch((error: Error) => Errors.find(error)?.code ?? error.message)
      if (/^2\d\d$/.test(outcome)) break
      if (attempt < attempts) await pause(this.options.pauseMs * 4 ** (attempt - 1))
    }
    webhookDelivered(this.options.logger, { requestId: status.requestId, outcome })
  }

  async #post(url: URL, body: Uint8Array, requestId: Hex.Hex): Promise<string> {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const found = isIP(host) ? [{ address: host, family: isIP(host) }] : await lookup(host, { all: true })
    const [target] = found
    if (!target || !found.every(({ address }) => this.#reaches(address))) return 'address-refused'
    const timestamp = Math.floor(this.options.now() / 1000)
    const signature = Hex.fromBytes(this.options.primitives.sign(webhookDigest(timestamp, body, this.options.primitives), this.options.key))
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      'haca-webhook-timestamp': String(timestamp),
      'haca-webhook-signature': signature,
      // One delivery, however often it is sent.
      'haca-webhook-id': Digest.content(new TextEncoder().encode(`${requestId}/proven`)),
    }
    return new Promise((resolve, reject) => {
      const call = (url.protocol === 'https:' ? tlsRequest : plainRequest)(
        url,
        {
          method: 'POST',
          headers,
          timeout: timeoutMs,
          signal: AbortSignal.timeout(2 * timeoutMs),
          agent: false,
          // What was looked at is what is called: a name may resolve to something else the next time.
          lookup: (_name, options, done) => (options.all ? (done as unknown as (e: null, all: typeof found) => void)(null, [target]) : done(null, target.address, target.family)),
        },
        (response) => {
          response.resume()
          response.once('end', () => resolve(String(response.statusCode)))
          response.once('error', reject)
        },
      )
      call.once('timeout', () => call.destroy(new Error('timed out')))
      call.once('error', reject)
      call.end(body)
    })
  }

  #reaches(address: string): boolean {
    return this.options.reach === 'any' || isPublicAddress(address)
  }
}

const refused = (what: string): Refusal => new Refusal('invalid', 'webhook.refused', `the webhook must be ${what}`, 'HACA-Webhook')
