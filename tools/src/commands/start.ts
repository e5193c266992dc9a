import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../root.js'
import { consoleProgress, startStack } from '../stack/index.js'

// Keeps the stack up until it is told to stop.

const folder = join(root, '.local')
await mkdir(folder, { recursive: true })
const port = (name: string): number | undefined => (process.env[name] ? Number(process.env[name]) : undefined)
const [http, grpc] = [port('GATEWAY_PORT'), port('GATEWAY_GRPC_PORT')]
const stack = await startStack({
  folder,
  progress: consoleProgress((line) => process.stdout.write(`${line}\n`)),
  ...(http === undefined ? {} : { gatewayPort: http }),
  ...(grpc === undefined ? {} : { gatewayGrpcPort: grpc }),
})
process.stdout.write(
  [
    '',
    'The stack is up. SIMULATED trusted hardware, local chain, public test keys: for development only.',
    `  gateway   ${stack.gateway.http}   (GET /v1/models, POST /v1/inference)`,
    `  gRPC      ${stack.gateway.grpc}   (reflection and health are on)`,
    `  chain     ${stack.rpc}   (chain id ${stack.contracts.chainId})`,
    `  Kafka     ${stack.kafka}`,
    `  Redis     ${stack.redis}`,
    `  logs      ${stack.logs}`,
    `  all of it ${join(folder, 'stack.json')}`,
    'Stop with Ctrl-C.',
    '',
  ].join('\n'),
)

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return
    stopping = true
    process.stdout.write('stopping\n')
    stack.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  })
}
