import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import type { Logger } from '../log/index.js'
import { problemOf } from './problem.js'

/** Renders every error as problem+json; logs once what nobody foresaw. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>()
    const { problem, headers, foreseen } = problemOf(error)
    if (!foreseen) this.logger.error({ err: error, code: problem.code }, 'request failed')
    void reply.status(problem.status).headers(headers).header('content-type', 'application/problem+json').send(JSON.stringify(problem))
  }
}
