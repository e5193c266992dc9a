import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { define, freePort, type Part } from '../parts/index.js'
import { root } from '../root.js'
import { environment, type World } from './services.js'

/** The SIMULATED hardware of one machine, as a process of its own. All machines of a stack share one root. */
export function simulatorPart({ folder }: Pick<World, 'folder'>, name: string, product?: string): { part: Part; socket: string; directory: string } {
  const socket = join(folder, `${name}.sock`)
  const directory = join(folder, 'simulator')
  const part = define({
    name,
    command: process.execPath,
    args: [join(root, 'tools/tee-simulator/dist/main.js')],
    env: { SIMULATOR_SOCKET: socket, SIMULATOR_DIRECTORY: directory, ...(product ? { SIMULATOR_MACHINE: JSON.stringify({ product }) } : {}) },
    logFile: join(folder, `logs/${name}.log`),
    ready: async () => existsSync(socket),
    readyWithinMs: 15_000,
  })
  return { part, socket, directory }
}

/** Starts another node on SIMULATED hardware of a given product: a pool of its own. Answers its parts, in the order to stop them. */
export async function startNode(world: World, { pool, product }: { pool: string; product: string }): Promise<Part[]> {
  const simulator = simulatorPart(world, `simulator-${pool}`, product)
  await simulator.part.start()
  const port = await freePort()
  const node = define({
    name: `inference-${pool}`,
    command: process.execPath,
    args: ['--enable-source-maps', '--disable-warning=TimeoutNegativeWarning', join(root, 'services/inference/dist/main.js')],
    env: { ...environment('inference', world), PORT: String(port), INFERENCE_POOL: pool, INFERENCE_TEE_SOCKET: simulator.socket },
    logFile: join(world.folder, `logs/inference-${pool}.log`),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined))?.ok ?? false,
    readyWithinMs: 60_000,
  })
  await node.start()
  return [node, simulator.part]
}
