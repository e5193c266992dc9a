import { Controller, Inject, Post, Req, Res, UseFilters } from '@nestjs/common'
import { Money } from '@haca/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { modeName, price, read } from '../ask.js'
import { infer, type Gateway } from '../infer.js'
import { decisionJson, paymentRequired } from '../offer-terms.js'
import { requireEpoch } from '../policy-epoch.js'
import { RefusalFilter } from './refusal.filter.js'
import { askOf, paymentOf, preferredWaitMs } from './request.js'
import { respond } from './respond.js'

export const GATEWAY = Symbol('Gateway')
export const PUBLIC_URL = Symbol('public URL')
export const TOKEN_DECIMALS = Symbol('token decimals')

/** The paid operation and its price. Payment is bound to this handler, never to a path pattern. */
@Controller('v1')
@UseFilters(RefusalFilter)
export class InferenceController {
  readonly #resourceUrl: string

  constructor(
    @Inject(GATEWAY) readonly gateway: Gateway,
    @Inject(PUBLIC_URL) publicUrl: string,
    @Inject(TOKEN_DECIMALS) readonly decimals: number,
  ) {
    this.#resourceUrl = new URL('/v1/inference', publicUrl).href
  }

  @Post('inference')
  async infer(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const answer = await infer(askOf(request, this.#resourceUrl), paymentOf(request), preferredWaitMs(request), this.gateway)
    await respond(reply, answer, this.gateway.scope)
  }

  @Post('quotes')
  async quote(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const priced = await price(await read(askOf(request, this.#resourceUrl), this.gateway.models), this.gateway.router)
    requireEpoch(priced.decision.policyEpoch, this.gateway.policy)
    const required = paymentRequired(priced, ['authorization'], this.gateway.terms)
    await reply.status(200).header('cache-control', 'no-store').send({
      model: `${priced.model.name}@${priced.model.version}`,
      modelHash: priced.model.modelHash,
      verification: modeName(priced.decision.mode),
      units: priced.units,
      amount: priced.ceiling.toString(),
      price: `${Money.format(priced.ceiling, this.decimals)} ${this.gateway.terms.token.name}`,
      predictedLatencyMs: priced.predictedLatencyMs,
      paymentRequired: required,
      decision: decisionJson(priced),
    })
  }
}
