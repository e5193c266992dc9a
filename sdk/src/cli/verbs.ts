import { Hex, Receipt } from '@haca/core'
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CallStore } from '../calls.js'
import { chainReader } from '../chain-reader.js'
import { HacaClient, type Inference, type InferenceRequest } from '../client.js'
import { HacaError } from '../errors.js'
import { networkFrom, type Network } from '../network.js'
import { privateKeySigner } from '../signer.js'
import { contradictionOf, verify, type Bundle, type LiveKey, type LiveKeys } from '../verify/index.js'
import { fileCall } from './file-call.js'
import { zk } from './verify-setup.js'
import { exit, optional, readJson, readKey, readNetwork, readRoots, required, UsageError, type Arguments, type Output } from './io.js'
import { table } from './table.js'

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
    const list = (await new HacaClient({ url: gatewayOf(args) }).models()) as { name: string; version: string; unitPrice: string; verifications: string[]; description: string }[]
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
    const quoted = await new HacaClient({ url: gatewayOf(args) }).quote(await requestOf(args))
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
    upfront: { type: 'boolean', help: 'pays before the work, which is asked of payers who owe or are not known yet' },
    call: { type: 'string', help: 'file that keeps the signed call: run again with it, the same is asked for and not paid a second time' },
    save: { type: 'string', help: 'file to keep the answer, receipt and salt in, for haca verify' },
  },
  async run(args, out) {
    const max = required(args, 'max')
    if (!/^[0-9]+$/.test(max)) throw new UsageError('--max is a number of atomic units')
    const pinned = await readNetwork(args)
    const wait = optional(args, 'wait')
    if (wait && !/^[0-9]{1,6}$/.test(wait)) throw new UsageError('--wait is a number of seconds')
    const options = { url: gatewayOf(args), signer: privateKeySigner(await readKey(args)), maxPriceAtomic: BigInt(max), ...(pinned ? { network: pinned } : {}) }
    const request = await requestOf(args)
    const inference = await paidOnce(args, (calls, callId) => new HacaClient({ ...options, calls }).infer(request, { callId, upfront: args.options.upfront === true, ...(wait ? { waitSettledMs: Number(wait) * 1000 } : {}) }))
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

/** Runs a call that a file keeps; a file that the caller did not name goes when nothing is left to ask for. */
async function paidOnce(args: Arguments, run: (calls: CallStore, callId: string) => Promise<Inference>): Promise<Inference> {
  const named = optional(args, 'call')
  const file = named ?? join(tmpdir(), `haca-call-${randomUUID()}.json`)
  try {
    const inference = await run(fileCall(file), file)
    if (!named) await rm(file, { force: true })
    return inference
  } catch (error) {
    const open = error instanceof HacaError && error.details.callId !== undefined && (error.code === 'not-answered-yet' || error.code === 'unreachable')
    if (open) throw new HacaError(error.code, `${error.message}: run the same with --call ${file}`, error.details, { cause: error })
    if (!named) await rm(file, { force: true })
    throw error
  }
}

const status: Verb = {
  usage: 'haca status --url URL REQUEST_ID',
  summary: 'says where a request stands',
  options: { url },
  async run(args, out) {
    const id = idOf(args)
    const response = await asked(gatewayOf(args), `/v1/requests/${id}`)
    const body = (await response.json().catch(() => ({}))) as Status
    if (out.json) out.print(JSON.stringify(body))
    else out.print(response.ok ? statusLine(body) : (body.detail ?? 'unknown'))
    if (!response.ok) return exit.failed
    return body.state === 'anchored' || isOver(body) ? exit.ok : exit.pending
  },
}

interface Status {
  state?: string
  detail?: string | null
  payment?: { transaction: string } | null
  batchId?: number | null
}

/** Whether a request ended, and nothing of it is settled or anchored any more. */
const isOver = ({ state }: Status): boolean => state === 'void' || state === 'unpaid'

function statusLine(status: Status): string {
  const { state, detail, payment, batchId } = status
  // A gateway lets go of a payment's transaction an hour after it expired; the chain has it.
  const unseen = isOver(status) ? 'not paid' : state === 'anchored' ? 'its payment is no longer kept here' : 'not settled yet'
  const batch = batchId ? [`batch ${batchId}`] : isOver(status) ? [] : ['not anchored yet']
  return [`${state}${detail ? ` (${detail})` : ''}`, payment ? `paid in ${payment.transaction}` : unseen, ...batch].join(', ')
}

const simulatedRoot = { type: 'string', help: 'root of a simulator, DER or PEM: its keys are then asserted, never proven' } as const

const receipt: Verb = {
  usage: 'haca receipt --url URL REQUEST_ID   [--archive] [--rpc URL] [--save FILE]',
  summary: 'fetches a receipt; with --archive, with everything needed to check it offline years later',
  options: {
    url,
    network,
    rpc,
    archive: { type: 'boolean', help: 'puts evidence, collateral and policies into the file; with --rpc also what guardians had removed' },
    save: { type: 'string', help: 'file to write to, instead of standard output' },
  },
  async run(args, out) {
    const gateway = gatewayOf(args)
    const trusted = (await readNetwork(args)) ?? (await askedNetwork(gateway))
    const rpcUrl = optional(args, 'rpc', 'HACA_RPC_URL')
    const client = new HacaClient({ url: gateway, network: trusted, ...(rpcUrl ? { chain: chainReader(rpcUrl, trusted) } : {}) })
    const bundle = await client.receipt(idOf(args))
    const whole = args.options.archive ? await client.archived(bundle) : bundle
    const save = optional(args, 'save')
    if (save) await writeFile(save, JSON.stringify(whole, null, 1))
    if (!save || out.json) out.print(JSON.stringify(whole))
    else out.print(`${save}: receipt ${whole.requestId}${whole.inclusion ? '' : ', not anchored yet'}${args.options.archive ? `, ${countOf(whole)} archived` : ''}`)
    return whole.inclusion ? exit.ok : exit.pending
  },
}

const attestation: Verb = {
  usage: 'haca attestation --url URL   [--network FILE]',
  summary: 'lists the keys that live now and what their hardware is, signed over a nonce of our own',
  options: { url, network },
  async run(args, out) {
    const gateway = gatewayOf(args)
    const pinned = await readNetwork(args)
    const live = await new HacaClient({ url: gateway, network: pinned ?? (await askedNetwork(gateway)) }).liveKeys()
    if (out.json) out.print(JSON.stringify({ ...live, pinned: pinned !== undefined }))
    else for (const line of liveLines(live, pinned !== undefined)) out.print(line)
    return live.keys.every(({ verifier }) => verifier) ? exit.ok : exit.failed
  },
}

function liveLines({ at, policyEpoch, policyDigest, gateway, keys, omitted }: LiveKeys, pinned: boolean): string[] {
  const row = ({ record, verifier }: LiveKey): string[] => [
    `  ${record.node}  ${record.kind === 'simulated' ? 'SIMULATED' : record.kind} ${record.product ?? ''}, image ${record.imageId}, ${record.models.length === 0 ? 'forwards' : `${record.models.length} models`}`,
    `      trusted until ${new Date(record.expiresAt * 1000).toISOString()} under policy epoch ${record.policyEpoch}; ${verifier ? `appraised by ${verifier}` : 'NOT signed by a known verifier'}`,
  ]
  return [
    `${keys.length} keys live at ${new Date(at * 1000).toISOString()}, says the gateway ${gateway}; policy epoch ${policyEpoch} (${policyDigest.slice(0, 18)}…)`,
    ...(pinned ? [] : ['  The deployment was not pinned: its signers are the word of the gateway. Use --network.']),
    ...keys.flatMap(row),
    ...(omitted > 0 ? [`  ${omitted} more are not listed`] : []),
  ]
}

const verifyVerb: Verb = {
  usage: 'haca verify RECEIPT.json | REQUEST_ID --url URL   [--rpc URL] [--network FILE] [--answer FILE] [--beside FILE] [--roots FILE] [--simulated-root FILE]',
  summary: 'checks a receipt and says of every claim what it rests on; a file made with haca receipt --archive needs nobody to ask',
  options: {
    url,
    network,
    rpc,
    answer: { type: 'string', help: 'file that haca pay --save kept: checks request, answer and payment too' },
    beside: { type: 'string', help: 'another receipt of the same key: fails where the two exclude each other' },
    roots: { type: 'string', help: 'file with hardware roots to trust instead of the pinned ones of the vendors' },
    'simulated-root': simulatedRoot,
  },
  async run(args, out) {
    const [subject] = args.positionals
    if (!subject) throw new UsageError('a receipt file or a request id is required')
    const gateway = optional(args, 'url', 'HACA_URL') && gatewayOf(args)
    const pinned = await readNetwork(args)
    const bundle = Hex.is(subject, 32) ? await fetched(subject, gatewayOf(args)) : await readBundle(subject)
    const trusted = pinned ?? (gateway ? await askedNetwork(gateway) : networkOf(bundle))
    const kept = optional(args, 'answer')
    const inference = kept ? ((await readJson(kept)) as Inference) : undefined
    const rpcUrl = optional(args, 'rpc', 'HACA_RPC_URL')
    const report = await verify(
      { bundle, ...(inference ? { request: inference.request, answer: inference.answer, salt: inference.salt, nonce: inference.nonce, offer: inference.offer } : {}), ...(inference?.decision ? { decision: inference.decision } : {}) },
      { network: trusted, pinned: pinned !== undefined, roots: await readRoots(args), ...(rpcUrl ? { chain: chainReader(rpcUrl, trusted) } : {}) },
    )
    const beside = optional(args, 'beside')
    const contradiction = beside ? contradictionOf(signedOf(bundle), signedOf(await readBundle(beside)), { chainId: trusted.chainId, log: trusted.settlementLog }) : undefined
    const how = { pinned: pinned !== undefined, chainAsked: rpcUrl !== undefined }
    if (out.json) out.print(JSON.stringify({ ...report, ...how, ...(contradiction ? { contradiction } : {}) }))
    else for (const line of [...table(report, how), ...(contradiction ? [`  the two receipts ${besides[contradiction]}`] : [])]) out.print(line)
    if (!report.consistent || (contradiction && contradiction !== 'none')) return exit.failed
    return report.claims.anchored.status === 'unknown' ? exit.pending : exit.ok
  },
}

const besides = { request: 'answer one request differently: either is proof that the node lied', sequence: 'carry one sequence number: either is proof that the node signed twice', none: 'do not exclude each other' }

export const verbs: Record<string, Verb> = { models, quote, pay, status, receipt, verify: verifyVerb, attestation, zk }

/** A file of `haca receipt`; what is none is said to be none, and not refuted. */
async function readBundle(file: string): Promise<Bundle> {
  const json = (await readJson(file)) as Partial<Bundle> | null
  if (json?.v === 1 && json.receipt && json.domain && json.signature) return json as Bundle
  throw new UsageError(`${file} is no receipt as haca receipt saves it`)
}

/** A receipt with its archive, straight from a gateway. */
async function fetched(id: Hex.Hex, gateway: string): Promise<Bundle> {
  const client = new HacaClient({ url: gateway })
  return client.archived(await client.receipt(id))
}

const askedNetwork = async (gateway: string): Promise<Network> => networkFrom(await (await asked(gateway, '/v1/models')).json().catch(() => undefined))

const asked = (gateway: string, path: string): Promise<Response> =>
  fetch(new URL(path, gateway)).catch((cause: unknown) => {
    throw new HacaError('unreachable', `${gateway} does not answer`, {}, { cause })
  })

function gatewayOf(args: Arguments): string {
  const gateway = required(args, 'url', 'HACA_URL')
  if (!/^https?:\/\//.test(gateway) || !URL.canParse(gateway)) throw new UsageError(`--url is the origin of a gateway, such as https://gateway.example, and not "${gateway}"`)
  return gateway
}

const signedOf = ({ receipt: json, signature }: Bundle): Receipt.Signed => ({ receipt: Receipt.fromJson(json), signature })

const countOf = ({ archive }: Bundle): string => {
  if (!archive) return 'nothing'
  const count = (shelf: object): number => Object.keys(shelf).length
  return `${count(archive.evidence)} evidence, ${count(archive.collateral)} collateral, ${count(archive.policies)} policies`
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
