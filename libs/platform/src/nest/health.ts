import { Controller, Get, Inject, Res, type Provider } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { metrics } from './metrics.js'

/** What must hold before a pod gets traffic; the name of what does not is shown. */
export interface Readiness {
  /** Set when shutdown begins: the pod leaves its Service before it stops. */
  draining: boolean
  checks: Readonly<Record<string, () => boolean | Promise<boolean>>>
}

export const READINESS = Symbol('Readiness')

/** Probes and metrics, the same in every service. Liveness never depends on Kafka, Redis or the chain. */
@Controller()
export class HealthController {
  constructor(@Inject(READINESS) readonly readiness: Readiness) {}

  @Get('livez')
  live(): { status: 'ok' } {
    return { status: 'ok' }
  }

  @Get('readyz')
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const results = await Promise.all(
      Object.entries(this.readiness.checks).map(async ([name, check]) => [name, await Promise.resolve(check()).catch(() => false)] as const),
    )
    const waiting = [...results.filter(([, ok]) => !ok).map(([name]) => name), ...(this.readiness.draining ? ['draining'] : [])]
    await reply.status(waiting.length === 0 ? 200 : 503).send({ status: waiting.length === 0 ? 'ok' : 'waiting', waiting })
  }

  @Get('metrics')
  async metrics(@Res() reply: FastifyReply): Promise<void> {
    await reply.header('content-type', metrics.registry.contentType).send(await metrics.registry.metrics())
  }
}

export const healthProviders = (checks: Readiness['checks']): Provider[] => [{ provide: READINESS, useValue: { draining: false, checks } }]
