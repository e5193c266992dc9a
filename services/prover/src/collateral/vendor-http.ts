import { AppError } from '@haca/core'

/** How a vendor's service is spoken to. */
export interface VendorHttpOptions {
  /** Every request goes below it, and so does every redirect. */
  readonly baseUrl: string
  /** Between the starts of two requests; AMD's service answers 429 to whoever is faster. */
  readonly spacingMs: number
  readonly timeoutMs: number
  readonly attemptsMax: number
  /** Doubles with each attempt, up to sixteen times, and is then drawn between half and all of it. */
  readonly backoffMs: number
  readonly random: () => number
  /** Waits; throws `collateral.unreachable` when whoever asked will not wait so long. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
}

export const vendorHttpDefaults = { spacingMs: 100, timeoutMs: 10_000, attemptsMax: 4, backoffMs: 500, random: Math.random, pause } as const

export interface VendorRequest {
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: { readonly mediaType: string; readonly bytes: Uint8Array }
  readonly bytesMax: number
}

export interface VendorAnswer {
  readonly bytes: Uint8Array
  readonly headers: Headers
}

const REDIRECTS_MAX = 2
/** What a service may ask us to wait; longer is an outage to whoever waits here. */
const RETRY_AFTER_MAX_MS = 30_000

/**
 * The one way out of the process to a vendor: bytes capped while they come, a deadline, no redirect to another origin, one request at a time at a
 * polite distance, and another attempt after an outage. Throws `collateral.unknown` when the service says there is no such thing, and retryable
 * `collateral.unreachable` when it does not answer, `collateral.refused` when it answers what nobody can take.
 */
export class VendorHttp {
  #turn: Promise<unknown> = Promise.resolve()
  #notBefore = 0

  constructor(readonly options: VendorHttpOptions) {}

  async send(request: VendorRequest, signal: AbortSignal): Promise<VendorAnswer> {
    const { attemptsMax, backoffMs, random, pause: wait } = this.options
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#inTurn(() => this.#attempt(request, signal), signal)
      } catch (error) {
        const again = error instanceof AppError && error.code === 'collateral.unreachable' && attempt < attemptsMax && !signal.aborted
        if (!again) throw error
        const asked = error instanceof Busy ? error.retryAfterMs : 0
        await wait(Math.max(asked, backoffMs * 2 ** Math.min(attempt - 1, 4) * (0.5 + random() / 2)), signal)
      }
    }
  }

  /** Requests start one after another, `spacingMs` apart. */
  async #inTurn<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#turn
    let done = (): void => undefined
    this.#turn = new Promise<void>((resolve) => (done = resolve))
    try {
      await before
      await this.options.pause(this.#notBefore - performance.now(), signal)
      this.#notBefore = performance.now() + this.options.spacingMs
      return await work()
    } finally {
      done()
    }
  }

  async #attempt({ path, query, body, bytesMax }: VendorRequest, signal: AbortSignal): Promise<VendorAnswer> {
    const base = new URL(this.options.baseUrl)
    let url = new URL(base.pathname.replace(/\/$/, '') + path, base)
    url.search = new URLSearchParams(query).toString()
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.options.timeoutMs)])
    for (let redirects = 0; ; redirects++) {
      const response = await this.#fetch(url, body, deadline)
      const to = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null
      if (to === null) return { bytes: await this.#read(response, bytesMax), headers: response.headers }
      await response.body?.cancel()
      const next = new URL(to, url)
      if (redirects === REDIRECTS_MAX || next.origin !== base.origin || body) throw new AppError('collateral.refused', { retryable: true, detail: `${base.host} redirects to ${next.host}` })
      url = next
    }
  }

  async #fetch(url: URL, body: VendorRequest['body'], signal: AbortSignal): Promise<Response> {
    const init = body ? { method: 'POST', body: new Uint8Array(body.bytes), headers: { 'content-type': body.mediaType } } : {}
    try {
      return await fetch(url, { ...init, redirect: 'manual', signal })
    } catch (cause) {
      throw new AppError('collateral.unreachable', { retryable: true, cause, detail: `${url.host} does not answer` })
    }
  }

  async #read(response: Response, bytesMax: number): Promise<Uint8Array> {
    const { host } = new URL(response.url)
    if (response.status === 429 || response.status >= 500) {
      await response.body?.cancel()
      throw new Busy(host, response)
    }
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new AppError('collateral.unknown', { detail: `${host} answers ${response.status}` })
    }
    const chunks: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of response.body ?? []) {
        size += (chunk as Uint8Array).length
        if (size > bytesMax) throw new AppError('collateral.refused', { retryable: true, detail: `${host} answers more than ${bytesMax} bytes` })
        chunks.push(chunk as Uint8Array)
      }
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      throw new AppError('collateral.unreachable', { retryable: true, cause, detail: `${host} broke off` })
    }
    return new Uint8Array(Buffer.concat(chunks))
  }
}

/** Too many requests, or the service is down: it may say for how long. */
class Busy extends AppError {
  readonly retryAfterMs: number

  constructor(host: string, { status, headers }: Response) {
    super('collateral.unreachable', { retryable: true, detail: `${host} answers ${status}` })
    const seconds = Number(headers.get('retry-after') ?? 0)
    this.retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MAX_MS) : 0
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => {
      clearTimeout(timer)
      reject(new AppError('collateral.unreachable', { retryable: true, detail: 'the time to ask is over', cause: signal.reason }))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', gone)
      resolve()
    }, Math.max(0, ms))
    if (signal.aborted) gone()
    else signal.addEventListener('abort', gone, { once: true })
  })
}
