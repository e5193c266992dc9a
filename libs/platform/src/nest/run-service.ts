import 'reflect-metadata'
import type { DynamicModule, LoggerService } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { ConfigError } from '../config/index.js'
import { createLogger, type Logger } from '../log/index.js'
import { READINESS, type Readiness } from './health.js'
import { metrics } from './metrics.js'
import { ProblemFilter } from './problem.filter.js'

export interface ServiceOptions<Config extends { host: string; port: number; logLevel: string; drainMs: number }> {
  name: string
  /** Reads the environment; what it throws is printed and ends the process with status 78 (EX_CONFIG). */
  config(): Config
  /** The composition root, with everything connected. */
  module(config: Config, logger: Logger): Promise<DynamicModule>
  /** TLS of the HTTP edge. */
  https?(config: Config): { key: Buffer; cert: Buffer } | undefined
  /** Adjusts the app before it listens. */
  prepare?(app: NestFastifyApplication, config: Config): void
  /** Longest body in bytes. */
  bodyLimit?: number
}

/** A running service. */
export interface Running {
  app: NestFastifyApplication
  port: number
  close(): Promise<void>
}

/** Starts a service and stops it on SIGTERM or SIGINT: not ready, intake closed, work finished, connections closed; forced after the drain time. */
export async function runService<C extends { host: string; port: number; logLevel: string; drainMs: number }>(options: ServiceOptions<C>): Promise<Running> {
  const config = readConfig(options)
  const logger = createLogger(options.name, config.logLevel)
  const running = await startService(options, config, logger)
  let closing = false
  const close = (signal: string): void => {
    if (closing) return
    closing = true
    logger.info({ signal }, 'draining')
    setTimeout(() => process.exit(1), config.drainMs + 5_000).unref()
    running.close().then(
      () => process.exit(0),
      (err: unknown) => {
        logger.error({ err }, 'drain failed')
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', close)
  process.once('SIGINT', close)
  process.on('unhandledRejection', (err) => {
    logger.fatal({ err }, 'a promise nobody waited for was broken')
    process.exit(1)
  })
  return running
}

/** Longest a caller may take to send a request whole. Fastify's own default is for ever, for whoever stands behind a proxy; we are the edge. */
const requestTimeoutMs = 60_000

/** Starts a service inside this process, for whoever looks after signals itself. */
export async function startService<C extends { host: string; port: number; logLevel: string; drainMs: number }>(options: ServiceOptions<C>, config: C, logger: Logger): Promise<Running> {
  metrics.collectProcess()
  const https = options.https?.(config)
  const adapter = new FastifyAdapter({ bodyLimit: options.bodyLimit ?? 1 << 16, requestTimeout: requestTimeoutMs, skipMiddie: true, ...(https ? { https } : {}) } as ConstructorParameters<typeof FastifyAdapter>[0])
  const app = await NestFactory.create<NestFastifyApplication>(await options.module(config, logger), adapter, { logger: nestLogger(logger), bodyParser: false, abortOnError: false })
  app.useGlobalFilters(new ProblemFilter(logger))
  options.prepare?.(app, config)
  await app.listen(config.port, config.host)
  const address = app.getHttpServer().address()
  const port = typeof address === 'object' && address ? address.port : config.port
  logger.info({ port }, 'listening')
  return {
    app,
    port,
    close: async () => {
      app.get<Readiness>(READINESS).draining = true
      await app.close()
    },
  }
}

function readConfig<C extends { host: string; port: number; logLevel: string; drainMs: number }>(options: ServiceOptions<C>): C {
  try {
    return options.config()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${options.name}: ${error.message}\n`)
    process.exit(78)
  }
}

/** Nest's own messages are for debugging; what matters is logged by us. */
const nestLogger = (logger: Logger): LoggerService => ({
  log: (message: unknown) => logger.debug({ nest: String(message) }, 'nest'),
  error: (message: unknown) => logger.error({ nest: String(message) }, 'nest error'),
  warn: (message: unknown) => logger.warn({ nest: String(message) }, 'nest warning'),
})
