import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { watchRequest, type Watching } from '../watch-request.js'
import { RefusalFilter } from './refusal.filter.js'
import { requestIdOf } from './request.js'

export const WATCHING = Symbol('watching')

/** Proxies close what is silent for a minute. */
const keepAliveMs = 15_000

/** What becomes of a request, told as it happens (server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html). */
@Controller('v1')
@UseFilters(RefusalFilter)
export class EventsController {
  constructor(@Inject(WATCHING) readonly watching: Watching) {}

  @Get('requests/:id/events')
  async events(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const gone = new AbortController()
    request.raw.once('close', () => gone.abort())
    const statuses = watchRequest(requestIdOf(id), this.watching, gone.signal)
    // The first one decides between a stream and a problem.
    const first = await statuses.next()
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    const beat = setInterval(() => raw.write(': still here\n\n'), keepAliveMs)
    try {
      for (let next = first, n = 1; !next.done && !gone.signal.aborted; next = await statuses.next(), n++) raw.write(`id: ${n}\nevent: status\ndata: ${JSON.stringify(next.value)}\n\n`)
    } finally {
      clearInterval(beat)
      await statuses.return(undefined)
      raw.end()
    }
  }
}
