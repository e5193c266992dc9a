import { predictAddresses, usdcOf, type AddressBook } from '@haca/contracts'
import { Secret } from '@haca/platform/config'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shapes } from './env-table.js'
import { root } from './root.js'
import { localOptions } from './stack/chain.js'
import { roles, testAccount } from './stack/accounts.js'
import { environment, localPolicy, serviceNames, type ServiceName, type World } from './stack/services.js'

// The local stack in containers, by docker compose or on Kubernetes: host names are the same in both, and contract
// addresses are known before there is a chain, because CREATE2 makes them from code and options alone.

/** Where the files lie that compose and the overlay `local-cpu` read. */
export const containerEnvFolder = join(root, 'k8s/overlays/local-cpu/env')

const chainId = 84_532

/** Root of SIMULATED evidence, on the folder that all services share. */
const simulator = { directory: '/blobs/simulator', rootFile: '/blobs/simulator/root.der' }

const socket = '/run/tee/dstack.sock'

/** What containers see instead of a developer's folders and loopback ports. */
const inContainers: Partial<Record<ServiceName, NodeJS.ProcessEnv>> = {
  router: { ROUTER_POLICY_FILE: '/etc/haca/policy/policy.json' },
  inference: { INFERENCE_MODELS_DIRECTORY: '/app/models', INFERENCE_ATTESTATION_ADDRESS: 'prover:9090' },
  prover: { PROVER_ENGINE: '/app/engine/haca-prover', PROVER_KEYS_DIRECTORY: '/tmp/proving-keys' },
  gateway: { GATEWAY_ROUTER_ADDRESS: 'router:9090' },
}

/** File name to text: per service `<name>.env`, and `<name>.secret.env` for what is a secret anywhere else. */
export function containerEnv(): Record<string, string> {
  const scratch = mkdtempSync(join(tmpdir(), 'haca-env-'))
  try {
    const world = worldOfContainers(scratch)
    const files = serviceNames.flatMap((name) => {
      const env: NodeJS.ProcessEnv = { ...environment(name, world), HOST: undefined, BLOBS_DIRECTORY: '/blobs', ...inContainers[name] }
      const known = Object.entries(shapes[name]).flatMap(([variable, schema]) => {
        const value = env[variable]
        return value === undefined ? [] : [{ line: `${variable}=${value}`, secret: schema.safeParse(value).data instanceof Secret }]
      })
      return [file(`${name}.env`, known.filter((v) => !v.secret)), file(`${name}.secret.env`, known.filter((v) => v.secret))]
    })
    const simulated = file('tee-simulator.env', [{ line: `SIMULATOR_SOCKET=${socket}` }, { line: `SIMULATOR_DIRECTORY=${simulator.directory}` }])
    return Object.fromEntries([...files, simulated, ['policy.json', `${JSON.stringify(localPolicy, null, 2)}\n`]].filter(([, text]) => text !== ''))
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Writes the files, and removes what is no longer one of them. */
export function writeContainerEnv(): void {
  const files = containerEnv()
  mkdirSync(containerEnvFolder, { recursive: true })
  for (const name of readdirSync(containerEnvFolder)) if (!(name in files)) rmSync(join(containerEnvFolder, name))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(containerEnvFolder, name), text)
}

const heading = '# Written by `npm run docs`. The keys are the public ones of a local test chain.\n'

const file = (name: string, lines: readonly { line: string }[]): [string, string] => [name, lines.length === 0 ? '' : heading + lines.map(({ line }) => `${line}\n`).join('')]

function worldOfContainers(folder: string): World {
  const { token, domain } = usdcOf(chainId)
  const options = localOptions(token)
  const book: AddressBook = { chainId, token, ...predictAddresses(options), simulatedAllowed: true, rootDelaySeconds: options.rootDelaySeconds, fromBlock: 0 }
  const http = 8080
  return {
    folder,
    brokers: 'kafka:9092',
    redisUrl: 'redis://redis:6379',
    rpcUrl: 'http://anvil:8545',
    book,
    token: { chainId, token, domain },
    models: {},
    simulator: { socket, rootFile: simulator.rootFile },
    ports: { router: http, prover: http, settler: http, inference: http, gateway: http, gatewayGrpc: 9090, routerGrpc: 9090, proverGrpc: 9090 },
    redisPrefix: 'haca',
    logLevel: 'info',
    policy: localPolicy,
    env: {},
  }
}

/** Everything that is public knowledge and must never secure anything real: keys and addresses of local chains. */
export const publicTestKeys: readonly string[] = [...Object.values(roles), ...Array.from({ length: 20 }, (_, index) => testAccount(index))].flatMap(({ privateKey, address }) => [privateKey, address])
