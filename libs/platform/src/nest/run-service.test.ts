import { describe, expect, it } from 'vitest'
import { createLogger } from '../log/index.js'
import { HealthController, healthProviders } from './health.js'
import { startService } from './run-service.js'

class Nothing {}

describe('a service', () => {
  it('lets nobody take for ever to send a request: connections are few, and bodies are held', async () => {
    const config = { host: '127.0.0.1', port: 0, logLevel: 'silent', drainMs: 0 }
    const module = { module: Nothing, controllers: [HealthController], providers: healthProviders({}) }
    const service = await startService({ name: 'test', config: () => config, module: async () => module }, config, createLogger('test', 'silent'))
    const { requestTimeout, headersTimeout } = service.app.getHttpServer() as unknown as { requestTimeout: number; headersTimeout: number }
    expect(requestTimeout).toBe(60_000)
    expect(headersTimeout).toBeGreaterThan(0)
    await service.close()
  })
})
