import { readFile } from 'node:fs/promises'
import { Hex } from '@haca/core'
import { VENDOR_ROOTS, type TrustAnchors } from '@haca/core/tee'
import { HacaError } from '../errors.js'
import { optionalFields, type Network } from '../network.js'
import { rootsFrom, type RootsFile } from '../roots-file.js'

/** Exit codes of every verb. */
export const exit = {
  /** Done, and everything checked holds. */
  ok: 0,
  /** A claim is refuted, or the call failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** Not there yet: not answered, not settled, not anchored. */
  pending: 3,
  /** Gateway or chain could not be reached. */
  unreachable: 4,
  /** The price is above the stated maximum, or the offer is not trusted; nothing was signed. */
  notPaid: 5,
} as const

/** Where a verb writes: text for people, or one JSON object with `--json`. */
export interface Output {
  json: boolean
  print(text: string): void
}

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What was asked of a verb on the command line. */
export interface Arguments {
  positionals: string[]
  options: Record<string, string | boolean | undefined>
}

export function required(args: Arguments, name: string, from?: string): string {
  const value = args.options[name] ?? (from === undefined ? undefined : process.env[from])
  if (typeof value === 'string' && value !== '') return value
  throw new UsageError(`--${name} is required${from ? `, or ${from} in the environment` : ''}`)
}

export const optional = (args: Arguments, name: string, from?: string): string | undefined => {
  const value = args.options[name] ?? (from === undefined ? undefined : process.env[from])
  return typeof value === 'string' && value !== '' ? value : undefined
}

export async function readJson(file: string): Promise<unknown> {
  const text = await readText(file === '-' ? '/dev/stdin' : file)
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${file} is not JSON`)
  }
}

const readText = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((cause: Error) => {
    throw new UsageError(`${file} cannot be read: ${cause.message}`)
  })

/** A private key from the environment or a file; never from the command line, which other processes can read. */
export async function readKey(args: Arguments): Promise<Hex.Hex> {
  const file = optional(args, 'key-file')
  const text = file ? (await readText(file)).trim() : process.env.HACA_PRIVATE_KEY
  if (text && Hex.is(text, 32)) return text
  throw new UsageError('a payer key is required: HACA_PRIVATE_KEY in the environment, or --key-file with 32 bytes of 0x-hexadecimal')
}

/** The pinned deployment: our own network file, or the `.local/stack.json` of a local stack. */
export async function readNetwork(args: Arguments): Promise<Network | undefined> {
  const file = optional(args, 'network', 'HACA_NETWORK')
  if (!file) return undefined
  const json = (await readJson(file)) as Network & { contracts?: Network; roles?: Record<string, Hex.Hex> }
  if (!json.contracts) return json
  const said = { ...json.contracts, ...json }
  const more = Object.fromEntries(optionalFields.flatMap((name) => (said[name] === undefined ? [] : [[name, said[name]]])))
  const { chainId, settlementLog, revenueVault } = json.contracts
  return { chainId, settlementLog, revenueVault, token: json.token, offerSigners: [json.roles?.offers as Hex.Hex], ...more }
}

/** The vendors' roots or those of a file, and a simulator's where the caller says so on the command line: no file of a deployment can pin one. */
export async function readRoots(args: Arguments): Promise<TrustAnchors> {
  const file = optional(args, 'roots')
  const roots = file ? rootsFrom((await readJson(file)) as RootsFile) : VENDOR_ROOTS
  const simulated = optional(args, 'simulated-root')
  if (!simulated) return roots
  const bytes = await readFile(simulated).catch((cause: Error) => {
    throw new UsageError(`${simulated} cannot be read: ${cause.message}`)
  })
  const [, pem] = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(bytes.toString('latin1')) ?? []
  return { ...roots, simulated: [new Uint8Array(pem ? Buffer.from(pem, 'base64') : bytes)] }
}

/** The exit code an error deserves, and its sentence. */
export function failure(error: unknown): { code: number; message: string } {
  if (error instanceof UsageError) return { code: exit.usage, message: error.message }
  if (!(error instanceof HacaError)) return { code: exit.failed, message: error instanceof Error ? error.message : String(error) }
  const codes: Partial<Record<HacaError['code'], number>> = {
    'price-above-maximum': exit.notPaid,
    'offer-not-trusted': exit.notPaid,
    'not-answered-yet': exit.pending,
    unreachable: exit.unreachable,
    'chain-unreachable': exit.unreachable,
  }
  return { code: codes[error.code] ?? exit.failed, message: `${error.code}: ${error.message}` }
}
