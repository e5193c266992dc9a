import { Errors } from '@haca/core'

/** RFC 9457 problem details, with our stable code and the field it is about. */
export interface Problem {
  /** `urn:haca:problem:<code>`. */
  type: string
  title: string
  status: number
  detail?: string
  code: string
  /** JSON path or header the problem is about. */
  field?: string
  [member: string]: unknown
}

/** An answer that is a problem, with the headers that belong to it. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  readonly problem: Problem

  constructor(
    status: number,
    code: string,
    title: string,
    members: { detail?: string | undefined; field?: string | undefined; [member: string]: unknown } = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(`${code}: ${members.detail ?? title}`)
    const given = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
    this.problem = { type: `urn:haca:problem:${code}`, title, status, code, ...given }
  }
}

/** The problem an error becomes at the HTTP edge; what nobody foresaw is a bare 500. */
export function problemOf(error: unknown): { problem: Problem; headers: Readonly<Record<string, string>>; foreseen: boolean } {
  if (error instanceof HttpProblem) return { problem: error.problem, headers: error.headers, foreseen: true }
  const status = frameworkStatus(error)
  if (status !== undefined) return { problem: new HttpProblem(status.code, status.slug, status.title).problem, headers: {}, foreseen: true }
  const known = Errors.find(error)
  if (known?.retryable) {
    const unavailable = new HttpProblem(503, known.code, 'Something this answer needs is away for a moment; the same request, sent again, is not charged twice', { detail: known.message })
    return { problem: unavailable.problem, headers: { 'retry-after': '1' }, foreseen: false }
  }
  return { problem: new HttpProblem(500, 'internal', 'Internal error').problem, headers: {}, foreseen: false }
}

/** Refusals of Fastify and Nest themselves: unknown routes, bodies that are too large or of an unknown type. */
function frameworkStatus(error: unknown): { code: number; slug: string; title: string } | undefined {
  const raw = (error as { statusCode?: unknown; status?: unknown }) ?? {}
  const code = typeof raw.statusCode === 'number' ? raw.statusCode : raw.status
  if (typeof code !== 'number' || code < 400 || code > 499) return undefined
  const named: Record<number, [string, string]> = {
    400: ['request.malformed', 'The request could not be read'],
    404: ['route.unknown', 'There is nothing at this address'],
    405: ['method.not-allowed', 'This address does not take that method'],
    413: ['body.too-large', 'The body is larger than 1 MiB'],
    415: ['body.media-type', 'The body must be application/json'],
  }
  const [slug, title] = named[code] ?? ['request.refused', 'The request was refused']
  return { code, slug, title }
}
