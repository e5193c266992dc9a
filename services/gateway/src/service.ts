import { Body } from '@haca/core'
import type { ServiceOptions } from '@haca/platform/nest'
import { readConfig, type GatewayConfig } from './config.js'
import { compose, tlsFiles, type Seams } from './gateway.module.js'

/** How the gateway is run: TLS where configured, bodies as the bytes they came as; with `seams` it stands on what it is given instead of opening its own. */
export const gatewayService = (env: NodeJS.ProcessEnv, seams?: Seams): ServiceOptions<GatewayConfig> => ({
  name: 'gateway',
  config: () => readConfig(env),
  module: (config, logger) => compose(config, logger, seams),
  https: tlsFiles,
  bodyLimit: Body.bytesMax,
  prepare: (app) => {
    const fastify = app.getHttpAdapter().getInstance()
    fastify.removeAllContentTypeParsers()
    fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request: unknown, body: Buffer, done: (error: null, body: Buffer) => void) => done(null, body))
  },
})
