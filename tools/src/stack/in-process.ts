import { MemoryClaims, gatewayService } from '@haca/gateway'
import { inferenceService } from '@haca/inference'
import { DirectoryBlobs } from '@haca/platform/blobs'
import { MemoryBus, MemoryLog } from '@haca/platform/bus'
import { MemoryJobs } from '@haca/platform/jobs'
import { createLogger } from '@haca/platform/log'
import { startService, type Running, type ServiceOptions } from '@haca/platform/nest'
import { proverService } from '@haca/prover'
import { verifiers } from '@haca/prover/development'
import { routerService } from '@haca/router'
import { settlerService } from '@haca/settler'
import { join } from 'node:path'
import type { Part } from '../parts/index.js'
import { environment } from './services.js'
import { prepareWorld, stackFile, untilServed, type StackFile } from './stack.js'

/**
 * All five services in this process, on in-memory seams for Kafka and Redis: nothing survives a restart. For the demo on a machine
 * that can have no Kafka, and for nothing else. Chain, object store and the simulator are the real parts.
 */
export async function startInProcess(folder: string): Promise<StackFile & { stop(): Promise<void> }> {
  const parts = new Map<string, Part>()
  const running: Running[] = []
  const world = await prepareWorld({ folder }, parts, { brokers: 'in-memory:0', redisUrl: 'redis://in-memory' })
  const log = new MemoryLog()
  const blobs = new DirectoryBlobs(join(folder, 'blobs'))
  const logger = createLogger('in-process', 'error')
  const bus = new MemoryBus(log, logger)
  const start = async <C extends { host: string; port: number; logLevel: string; drainMs: number }>(service: ServiceOptions<C>): Promise<void> => {
    running.push(await startService(service, service.config(), createLogger(service.name, 'error')))
  }
  await start(routerService(environment('router', world), { bus, blobs }))
  await start(proverService(environment('prover', world), verifiers, { bus, blobs, jobs: new MemoryJobs() }))
  await start(settlerService(environment('settler', world), { bus, blobs }))
  await start(inferenceService(environment('inference', world), { bus, blobs }))
  await start(gatewayService(environment('gateway', world), { bus, blobs, claims: new MemoryClaims() }))
  await untilServed(world)
  return {
    ...stackFile(world),
    stop: async () => {
      for (const service of running.reverse()) await service.close()
      await Promise.all([...parts.values()].map((part) => part.stop()))
    },
  }
}
