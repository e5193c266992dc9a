import { Controller, Get, Header, Inject, Post, Query, Req, Res, UseFilters } from '@nestjs/common'
import { Hex } from '@haca/core'
import { BodyEncoding } from '@haca/proto'
import type { Blobs } from '@haca/platform/blobs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { infer, type Gateway } from '../infer.js'
import { Refusal } from '../refusal.js'
import { GATEWAY, PUBLIC_URL } from './inference.controller.js'
import { RefusalFilter } from './refusal.filter.js'
import { askOf, paymentOf, preferredWaitMs } from './request.js'
import { respond } from './respond.js'

export const BLOBS = Symbol('blobs')

/**
 * OpenGradient's dialect: the same paid operation, the answer signed a second time as their SDKs verify it. Paid by x402 `exact` like everything
 * here; their `upto` sessions and streams are not served.
 */
@Controller()
@UseFilters(RefusalFilter)
export class OpenGradientController {
  constructor(
    @Inject(GATEWAY) readonly gateway: Gateway,
    @Inject(PUBLIC_URL) readonly publicUrl: string,
    @Inject(BLOBS) readonly blobs: Blobs,
  ) {}

  @Post('v1/chat/completions')
  async chat(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const ask = askOf(request, new URL('/v1/chat/completions', this.publicUrl).href, { operation: 'chat', encoding: BodyEncoding.OPENGRADIENT_CHAT })
    await respond(reply, await infer(ask, paymentOf(request), preferredWaitMs(request), this.gateway), this.gateway.scope)
  }

  @Post('v1/completions')
  async completion(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const ask = askOf(request, new URL('/v1/completions', this.publicUrl).href, { operation: 'completion', encoding: BodyEncoding.OPENGRADIENT_COMPLETION })
    await respond(reply, await infer(ask, paymentOf(request), preferredWaitMs(request), this.gateway), this.gateway.scope)
  }

  /** The RSA key of an enclave by the id its answers carry, with the receipt key that vouches for it. */
  @Get('signing-key')
  @Header('content-type', 'application/json')
  @Header('cache-control', 'public, max-age=3600')
  async signingKey(@Query('tee_id') teeId: unknown): Promise<string> {
    if (!Hex.is(teeId, 32)) throw new Refusal('invalid', 'signing-key.malformed-id', 'tee_id is 32 bytes of 0x-hexadecimal, as answers carry it', 'tee_id')
    const published = await this.blobs.get(`opengradient/${teeId.slice(2).toLowerCase()}`)
    if (!published) throw new Refusal('unknown', 'signing-key.unknown', 'no enclave here has this id')
    return Buffer.from(published).toString()
  }
}
