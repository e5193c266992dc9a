// The deploy Job: `node contracts/dist/script/deploy.js`. Reads the environment, deploys what is missing and writes
// the address book as JSON to DEPLOY_ADDRESS_BOOK, or to standard output. Exit 1: a bad environment or a failed run.
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { createPublicClient, createWalletClient, http, isAddress, isHex, size, type Address, type Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { deployHaca, type AddressBook, type HacaOptions } from '../deploy.js'

export interface DeployConfig {
  readonly rpcUrl: string
  readonly chainId: number
  readonly privateKey: Hex
  readonly addressBookPath: string | undefined
  readonly options: HacaOptions
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * Parses the environment whole and throws one error that names every problem. Nothing has a default but the label
 * and the output path; where simulated keys are allowed, the governance token may be left out for a worthless one.
 */
export function readConfig(env: Env): DeployConfig {
  const problems: string[] = []
  const simulated = env['DEPLOY_SIMULATED_ALLOWED'] === 'true'
  const delay = (least: number) => (text: string): number | undefined => {
    const seconds = wholeNumber(text)
    return seconds !== undefined && (simulated || seconds >= least) ? seconds : undefined
  }
  const read = <T>(name: string, parse: (text: string) => T | undefined, expected: string): T => {
    const text = env[name]
    const value = text === undefined || text === '' ? undefined : parse(text)
    if (value === undefined) problems.push(`${name} ${text ? 'is not' : 'is missing; it must be'} ${expected}`)
    return value as T
  }
  const config: DeployConfig = {
    rpcUrl: read('DEPLOY_RPC_URL', url, 'an http(s) URL'),
    chainId: read('DEPLOY_CHAIN_ID', wholeNumber, 'the id of the chain behind DEPLOY_RPC_URL'),
    privateKey: read('DEPLOY_PRIVATE_KEY', privateKey, 'a 32-byte hex key of a funded account'),
    addressBookPath: env['DEPLOY_ADDRESS_BOOK'] || undefined,
    options: {
      admin: read('DEPLOY_ADMIN', address, 'an address'),
      adminDelaySeconds: read('DEPLOY_ADMIN_DELAY_SECONDS', delay(172_800), 'a whole number of seconds, at least two days where simulated keys are refused'),
      settler: read('DEPLOY_SETTLER', address, 'an address'),
      registrar: read('DEPLOY_REGISTRAR', address, 'an address'),
      guardian: read('DEPLOY_GUARDIAN', address, 'an address'),
      simulatedAllowed: read('DEPLOY_SIMULATED_ALLOWED', trueOrFalse, 'true or false'),
      rootDelaySeconds: read('DEPLOY_ROOT_DELAY_SECONDS', delay(86_400), 'a whole number of seconds, at least one day where simulated keys are refused'),
      token: read('DEPLOY_TOKEN', address, 'an address'),
      governanceToken:
        simulated && !env['DEPLOY_GOVERNANCE_TOKEN'] ? undefined : read('DEPLOY_GOVERNANCE_TOKEN', address, 'an address'),
      label: env['DEPLOY_LABEL'] ?? '',
    },
  }
  if (problems.length > 0) throw new Error(`The deploy job cannot start:\n  ${problems.join('\n  ')}`)
  return config
}

export async function runDeploy(config: DeployConfig): Promise<AddressBook> {
  const transport = http(config.rpcUrl)
  const publicClient = createPublicClient({ transport, pollingInterval: 250 })
  const walletClient = createWalletClient({ transport, account: privateKeyToAccount(config.privateKey) })
  const chainId = await publicClient.getChainId()
  if (chainId !== config.chainId) {
    throw new Error(`DEPLOY_RPC_URL is chain ${chainId}, but DEPLOY_CHAIN_ID says ${config.chainId}`)
  }
  return deployHaca({ publicClient, walletClient }, config.options)
}

function url(text: string): string | undefined {
  return /^https?:\/\//.test(text) && URL.canParse(text) ? text : undefined
}

function wholeNumber(text: string): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}

function privateKey(text: string): Hex | undefined {
  return isHex(text) && size(text) === 32 ? text : undefined
}

function address(text: string): Address | undefined {
  return isAddress(text) ? text : undefined
}

function trueOrFalse(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const config = readConfig(process.env)
    const json = JSON.stringify(await runDeploy(config), null, 2) + '\n'
    if (config.addressBookPath === undefined) process.stdout.write(json)
    else writeFileSync(config.addressBookPath, json)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    if (error instanceof Error && error.cause !== undefined) console.error(error.cause)
    process.exitCode = 1
  }
}
