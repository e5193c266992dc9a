import { readFile } from 'node:fs/promises'
import { Hex } from '@haca/core'
import { HacaError } from '../errors.js'
import type { Network } from '../network.js'

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
  const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((cause: Error) => {
    throw new UsageError(`${file} cannot be read: ${cause.message}`)
  })
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${file} is not JSON`)
  }
}

/** A private key from the environment or a file; never from the command line, which other processes can read. */
export async function readKey(args: Arguments): Promise<Hex.Hex> {
  const file = optional(args, 'key-file')
  const text = file ? (await readFile(file, 'utf8')).trim() : process.env.HACA_PRIVATE_KEY
  if (text && Hex.is(text, 32)) return text
  throw new UsageError('a payer key is required: HACA_PRIVATE_KEY in the environment, or --key-file with 32 bytes of 0x-hexadecimal')
}

/** The pinned deployment: our own network file, or the `.local/stack.json` of a local stack. */
export async function readNetwork(args: Arguments): Promise<Network | undefined> {
  const file = optional(args, 'network', 'HACA_NETWORK')
  if (!file) return undefined
  const json = (await readJson(file)) as Partial<Network> & { contracts?: { chainId: number; settlementLog: Hex.Hex; revenueVault: Hex.Hex; teeRegistry: Hex.Hex; modelRegistry: Hex.Hex }; roles?: Record<string, Hex.Hex> }
  if (!json.contracts) return json as Network
  const { chainId, settlementLog, revenueVault, teeRegistry, modelRegistry } = json.contracts
  return { chainId, settlementLog, revenueVault, teeRegistry, modelRegistry, token: json.token as Network['token'], offerSigners: [json.roles?.offers as Hex.Hex] }
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
