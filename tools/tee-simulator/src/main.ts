import { defaultMachine, readMachine } from './machine.js'
import { startSimulator } from './server.js'

const { SIMULATOR_SOCKET: socketPath, SIMULATOR_DIRECTORY: directory, SIMULATOR_MACHINE: json } = process.env
if (!socketPath || !directory) {
  process.stderr.write(
    `tee-simulator: SIMULATED trusted hardware for development.
  SIMULATOR_SOCKET     path of the Unix socket, where a dstack guest agent would listen
  SIMULATOR_DIRECTORY  folder of your own root, made at the first start and good for 24 hours
  SIMULATOR_MACHINE    what it plays, where that differs from the default, as JSON:
${JSON.stringify(defaultMachine, null, 2)}
`,
  )
  process.exit(78)
}

const simulator = await startSimulator({ socketPath, directory, machine: readMachine(json ?? '{}') })
process.stdout.write(`SIMULATED: NOT HARDWARE. Listening on ${socketPath}, playing ${simulator.machine.product}; its root is in ${simulator.rootFile}\n`)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void simulator.close().then(() => process.exit(0)))
