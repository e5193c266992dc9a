import { Hex } from '@haca/core'
import { writeFile } from 'node:fs/promises'
import { chainReader } from '../chain-reader.js'
import { HacaClient, type Inference, type InferenceRequest } from '../client.js'
import { networkFrom, type Network } from '../network.js'
import { privateKeySigner } from '../signer.js'
import { names, verify, type Bundle, type Report } from '../verify/index.js'
import { exit, optional, readJson, readKey, readNetwork, required, UsageError, type Arguments, type Output } from './io.js'

/** One verb of the command: what it takes, what it does, how it exits. */
export interface Verb {
  usage: string
  summary: string
  options: Record<string, { type: 'string' | 'boolean'; help: string }>
  run(args: Arguments, out: Output): Promise<number>
}

const url = { type: 'string', help: 'origin of the gateway (or HACA_URL)' } as const
const network = { type: 'string', help: 'file that pins the deployment: a network file, or .local/stack.json (or HACA_NETWORK)' } as const
const rpc = { type: 'string', help: 'JSON-RPC of the chain to check against (or HACA_RPC_URL)' } as const

const models: Verb = {
  usage: 'haca models --url URL',
  summary: 'lists the models that are sold',
  options: { url },
  async run(args, out) {
    const list = (await new HacaClient({ url: required(args, 'url', 'HACA_URL') }).models()) as { name: string; version: string; unitPrice: string; verifications: string[]; description: string }[]
    if (out.json) out.print(JSON.stringify(list))
    else for (const m of list) out.print(`${m.name}@${m.version}  ${m.unitPrice} atomic units a row  ${m.verifications.join(', ') || 'not served now'}\n    ${m.description}`)
    return exit.ok
  },
}

const quote: Verb = {
  usage: 'haca quote --url URL REQUEST.json',
  summary: 'asks what a request costs; never charged',
  options: { url },
  async run(args, out) {
    const quoted = await new HacaClient({ url: required(args, 'url', 'HACA_URL') }).quote(await requestOf(args))
    if (out.json) out.print(JSON.stringify(quoted, bigints))
    else out.print(`${quoted.model}, ${quoted.verification}, ${quoted.units} row(s): ${quoted.price} (${quoted.amount} atomic units), about ${quoted.predictedLatencyMs} ms`)
    return exit.ok
  },
}

const pay: Verb = {
  usage: 'haca pay --url URL --max ATOMIC REQUEST.json',
  summary: 'runs a model once and pays for it once',
  options: {
    url,
    network,
    max: { type: 'string', help: 'most it may cost, in atomic units; required' },
    'key-file': { type: 'string', help: 'file with the payer key (or HACA_PRIVATE_KEY)' },
    wait: { type: 'string', help: 'seconds to hold the answer until its payment is settled' },
    save: { type: 'string', help: 'file to keep the answer, receipt and salt in, for haca verify' },
  },
  async run(args, out) {
    const max = required(args, 'max')
    if (!/^[0-9]+$/.test(max)) throw new UsageError('--max is a number of atomic units')
    const pinned = await readNetwork(args)
    const client = new HacaClient({ url: required(args, 'url', 'HACA_URL'), signer: privateKeySigner(await readKey(args)), maxPriceAtomic: BigInt(max), ...(pinned ? { network: pinned } : {}) })
    const wait = optional(args, 'wait')
    const inference = await client.infer(await requestOf(args), wait ? { waitSettledMs: Number(wait) * 1000 } : {})
    const save = optional(args, 'save')
    if (save) await writeFile(save, JSON.stringify(inference, bigints, 1))
    if (out.json) out.print(JSON.stringify(inference, bigints))
    else {
      out.print(inference.answer)
      out.print(`request ${inference.requestId}${inference.simulated ? '  SIMULATED TEE' : ''}`)
      out.print(inference.settlement ? `paid in ${inference.settlement.transaction}` : 'not settled yet')
    }
    return exit.ok
  },
}

const status: Verb = {
  usage: 'haca status --url URL REQUEST_ID',
  summary: 'says where a request stands',
  options: { url },
  async run(args, out) {
    const id = idOf(args)
    const response = await fetch(new URL(`/v1/requests/${id}`, required(args, 'url', 'HACA_URL')))
    const body = (await response.json()) as { state?: string; detail?: string | null; payment?: { transaction: string } | null; batchId?: number | null }
    if (out.json) out.print(JSON.stringify(body))
    else out.print(response.ok ? `${body.state}${body.detail ? ` (${body.detail})` : ''}, ${body.payment ? `paid in ${body.payment.transaction}` : 'not settled yet'}, ${body.batchId ? `batch ${body.batchId}` : 'not anchored yet'}` : (body.detail ?? 'unknown'))
    if (!response.ok) return exit.failed
    return body.state === 'anchored' || body.state === 'void' ? exit.ok : exit.pending
  },
}

const verifyVerb: Verb = {
  usage: 'haca verify RECEIPT.json | REQUEST_ID --url URL   [--rpc URL] [--network FILE] [--answer FILE]',
  summary: 'checks a receipt and says of every claim what it rests on',
  options: {
    url,
    network,
    rpc,
    answer: { type: 'string', help: 'file that haca pay --save kept: checks request, answer and payment too' },
  },
  async run(args, out) {
    const [subject] = args.positionals
    if (!subject) throw new UsageError('a receipt file or a request id is required')
    const gateway = optional(args, 'url', 'HACA_URL')
    const bundle = Hex.is(subject, 32) ? await new HacaClient({ url: required(args, 'url', 'HACA_URL') }).receipt(subject) : ((await readJson(subject)) as Bundle)
    const pinned = await readNetwork(args)
    const trusted = pinned ?? (gateway ? networkFrom(await (await fetch(new URL('/v1/models', gateway))).json()) : networkOf(bundle))
    const kept = optional(args, 'answer')
    const inference = kept ? ((await readJson(kept)) as Inference) : undefined
    const rpcUrl = optional(args, 'rpc', 'HACA_RPC_URL')
    const report = await verify(
      { bundle, ...(inference ? { request: inference.request, answer: inference.answer, salt: inference.salt, nonce: inference.nonce, offer: inference.offer } : {}), ...(inference?.decision ? { decision: inference.decision } : {}) },
      { network: trusted, pinned: pinned !== undefined, ...(rpcUrl ? { chain: chainReader(rpcUrl, trusted) } : {}) },
    )
    if (out.json) out.print(JSON.stringify({ ...report, pinned: pinned !== undefined, chainAsked: rpcUrl !== undefined }))
    else for (const line of table(report, { pinned: pinned !== undefined, chainAsked: rpcUrl !== undefined })) out.print(line)
    if (!report.consistent) return exit.failed
    return report.claims.anchored.status === 'unknown' ? exit.pending : exit.ok
  },
}

export const verbs: Record<string, Verb> = { models, quote, pay, status, verify: verifyVerb }

/** A report as a person reads it. */
export function table(report: Report, { pinned, chainAsked }: { pinned: boolean; chainAsked: boolean }): string[] {
  return [
    `receipt ${report.requestId}`,
    ...(report.simulated ? ['  SIMULATED: the key that signed is a simulation; no hardware vouches for anything below'] : []),
    ...(pinned ? [] : ['  The deployment was not pinned: addresses are the word of whoever gave the receipt. Use --network.']),
    ...(chainAsked ? [] : ['  The chain was not asked. Use --rpc.']),
    ...names.flatMap((name) => {
      const { status, reason, trust } = report.claims[name]
      return [`  ${name.padEnd(14)} ${status.padEnd(16)} ${reason}`, ...(trust === 'nothing' ? [] : [`  ${''.padEnd(31)} rests on: ${trust}`])]
    }),
  ]
}

/** What a receipt says of itself when nobody else says anything. */
const networkOf = (bundle: Bundle): Network => ({
  chainId: bundle.domain.chainId,
  settlementLog: bundle.domain.verifyingContract,
  revenueVault: Hex.zeroAddress,
  token: { address: bundle.receipt.token, name: '', version: '' },
  offerSigners: [],
})

async function requestOf(args: Arguments): Promise<InferenceRequest> {
  const [file] = args.positionals
  if (!file) throw new UsageError('a request file is required ("-" reads standard input)')
  return (await readJson(file)) as InferenceRequest
}

function idOf(args: Arguments): Hex.Hex {
  const [id] = args.positionals
  if (!Hex.is(id, 32)) throw new UsageError('a request id is required: 32 bytes of 0x-hexadecimal')
  return id
}

/** Amounts are bigints; JSON has them as decimal strings. */
const bigints = (_name: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)
