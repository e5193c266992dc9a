import { Hex } from '@haca/core'
import { startSimulator } from './server.js'

const { SIMULATOR_SOCKET: socket, SIMULATOR_ROOT_KEY: key } = process.env
if (!socket || !key || !Hex.is(key, 32)) {
  process.stderr.write('tee-simulator: SIMULATED trusted hardware for development.\nSet SIMULATOR_SOCKET (path of the Unix socket) and SIMULATOR_ROOT_KEY (32 bytes of 0x-hexadecimal, your own).\n')
  process.exit(78)
}

const simulator = await startSimulator(socket, Hex.toBytes(key))
process.stdout.write(`SIMULATED: NOT HARDWARE. Listening on ${socket}, root ${simulator.root}\n`)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void simulator.close().then(() => process.exit(0)))
