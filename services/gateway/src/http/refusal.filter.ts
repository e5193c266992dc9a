import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common'
import { HttpProblem } from '@haca/platform/nest'
import type { FastifyReply } from 'fastify'
import { Refusal, type Kind } from '../refusal.js'

const statuses: Record<Kind, [status: number, title: string]> = {
  invalid: [400, 'The request cannot be served as it is'],
  unknown: [404, 'There is no such thing'],
  conflict: [409, 'The payment belongs to another request'],
  gone: [410, 'The request ended without an answer'],
  'too-large': [413, 'The body is too large'],
  unavailable: [503, 'This cannot be served now'],
}

/** The problem a refusal is over HTTP. */
export function problemOf(refusal: Refusal): HttpProblem {
  const [status, title] = statuses[refusal.kind]
  const headers = refusal.retryAfterSeconds === undefined ? {} : { 'retry-after': String(refusal.retryAfterSeconds) }
  return new HttpProblem(status, refusal.code, title, { detail: refusal.detail, field: refusal.field }, headers)
}

/** Renders refusals as problem+json. */
@Catch(Refusal)
export class RefusalFilter implements ExceptionFilter {
  catch(refusal: Refusal, host: ArgumentsHost): void {
    const { problem, headers } = problemOf(refusal)
    void host.switchToHttp().getResponse<FastifyReply>().status(problem.status).headers(headers).header('content-type', 'application/problem+json').send(JSON.stringify(problem))
  }
}
