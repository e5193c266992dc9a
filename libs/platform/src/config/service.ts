import { kind, z } from './load.js'

/** What every service is told about itself. */
export const serviceShape = {
  PROFILE: z.enum(['development', 'production']).describe('production refuses to start without TLS, SASL and AUTH'),
  HOST: z.string().default('0.0.0.0'),
  PORT: kind.port().describe('HTTP: probes and metrics; the gateway also its API'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DRAIN_MS: kind.count(0, 600_000).default(25_000).describe('milliseconds to finish what is running after SIGTERM'),
}

export interface ServiceConfig {
  profile: 'development' | 'production'
  host: string
  port: number
  logLevel: string
  drainMs: number
}

export const serviceOf = (env: { PROFILE: 'development' | 'production'; HOST: string; PORT: number; LOG_LEVEL: string; DRAIN_MS: number }): ServiceConfig => ({
  profile: env.PROFILE,
  host: env.HOST,
  port: env.PORT,
  logLevel: env.LOG_LEVEL,
  drainMs: env.DRAIN_MS,
})
