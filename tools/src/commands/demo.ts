import { VENDOR_ROOTS } from '@haca/core/tee'
import { HacaClient, HacaError, chainReader, names, privateKeySigner, type Inference, type Network, type Report } from '@haca/sdk'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../root.js'
import { startInProcess } from '../stack/in-process.js'
import { NoKafka, consoleProgress, modelsDirectory, payers, silent, startStack, type Stack, type StackFile } from '../stack/index.js'

// Starts the stack, buys one real inference as a client would, waits until it is settled, checks it against the chain, and stops.

const json = process.argv.includes('--json')
const say = (text = ''): void => void (json || process.stdout.write(`${text}\n`))

interface Sample {
  values: number[]
  label: number
}

const models = [
  { name: 'digits', input: 'pixels', what: 'a handwritten digit' },
  { name: 'breast-cancer', input: 'measurements', what: 'a biopsy' },
] as const

/** Runs one step and says how long it took. */
async function timed<T>(what: string, work: () => Promise<T>, explain: (result: T) => string[]): Promise<{ result: T; ms: number }> {
  const began = performance.now()
  const result = await consoleProgress(say).step(what, work)
  const ms = performance.now() - began
  say(`\n${what}  [${ms.toFixed(0)} ms]`)
  for (const line of explain(result)) say(`   ${line}`)
  return { result, ms }
}

/** A held-out sample nobody trained on, another one each time. */
async function sampleOf(model: string): Promise<{ sample: Sample; labels: string[] }> {
  const read = async (file: string): Promise<unknown> => JSON.parse(await readFile(join(modelsDirectory, model, file), 'utf8'))
  const { samples } = (await read('samples.json')) as { samples: Sample[] }
  const { labels } = (await read('manifest.json')) as { labels: string[] }
  return { sample: samples[Math.floor(Math.random() * samples.length)] as Sample, labels }
}

async function buy(stack: StackFile, { name, input, what }: (typeof models)[number]): Promise<{ inference: Inference; report: Report; ms: Record<string, number>; transactions: Record<string, string> }> {
  const { sample, labels } = await sampleOf(name)
  const network: Network = { ...stack.contracts, token: stack.token, offerSigners: [stack.roles.offers as `0x${string}`], evidenceSigners: stack.evidenceSigners, policySigners: stack.policySigners }
  const roots = { ...VENDOR_ROOTS, simulated: [new Uint8Array(await readFile(stack.simulatedRoot))] }
  const chain = chainReader(stack.rpc, network)
  const payer = payers[0] as (typeof payers)[number]
  const client = new HacaClient({ url: stack.gateway.http, signer: privateKeySigner(payer.privateKey), maxPriceAtomic: 10_000n, network, chain, roots })
  const request = { model: name, inputs: [{ name: input, shape: [1, sample.values.length], data: sample.values }] }

  say(`\n── ${name}: ${what} no model was trained on ──`)
  const quote = await timed('Asked a price', () => client.quote(request), (q) => [`${q.model} by ${q.verification}: ${q.price}`, `why: ${q.decision.candidates.map((c) => `${c.hardware} ${['none', 'tee', 'zkml', 'tee+zkml'][c.mode]} → ${c.reason}`).join(', ')}`])
  const paid = await timed('Paid and got the answer', () => client.infer(request), (i) => [
    `x402 v2 exact payment of ${quote.result.amount} atomic units of USDC, signed by ${payer.address}`,
    `answer: ${labels[Number(i.outputs[0]?.data[0])]}   true label: ${labels[sample.label]}`,
    `proved here: the receipt is signed by ${i.receipt.receipt.node}, and speaks of exactly these request and answer bytes`,
    `hops: ${Object.entries(i.hops).map(([hop, ms]) => `${hop} ${ms} ms`).join(', ')}`,
    ...(i.simulated ? ['SIMULATED: the node key is a simulation; no hardware vouches for it'] : []),
  ])
  const { requestId } = paid.result
  const settled = await timed('Payment settled', () => client.waitForSettlement(requestId, { until: 'settled' }), (b) => [`transaction ${b.payment?.transaction} in block ${b.payment?.blockNumber}`])
  const anchored = await timed('Receipt anchored', () => client.waitForSettlement(requestId), (b) => [
    `batch ${b.inclusion?.header.id}, leaf ${(b.inclusion?.index ?? 0) + 1} of ${b.inclusion?.header.count}, transaction ${b.inclusion?.anchor?.transaction}`,
  ])
  const checked = await timed('Checked against the chain', () => client.verify({ bundle: anchored.result, inference: paid.result }), (r) => names.map((claim) => `${claim.padEnd(14)} ${r.claims[claim].status.padEnd(15)} ${r.claims[claim].reason}`))
  return {
    inference: paid.result,
    report: checked.result,
    ms: { quote: quote.ms, answer: paid.ms, settled: settled.ms, anchored: anchored.ms, verified: checked.ms },
    transactions: { payment: anchored.result.payment?.transaction ?? '', batch: anchored.result.inclusion?.anchor?.transaction ?? '' },
  }
}

/** What must hold for the demo to have shown what it says. */
function failures(report: Report): string[] {
  const wanted = { signature: 'chain-verified', payment: 'chain-verified', anchored: 'chain-verified' } as const
  const missing = Object.entries(wanted).filter(([name, status]) => report.claims[name as keyof typeof wanted].status !== status)
  return [...missing.map(([name, status]) => `${name} is ${report.claims[name as keyof typeof wanted].status}, not ${status}`), ...(report.consistent ? [] : ['a claim is refuted'])]
}

async function open(folder: string): Promise<Pick<Stack, 'stop'> & StackFile> {
  try {
    return await startStack({ folder, progress: json ? silent : consoleProgress(say) })
  } catch (error) {
    if (!(error instanceof NoKafka)) throw error
    process.stderr.write(
      [
        '',
        '!! No Kafka: all five services run in this one process on in-memory seams. Nothing here survives a restart.',
        '!! To have the real thing: set KAFKA_BROKERS=host:port, or use docker compose up, or give this machine a route to Maven Central.',
        '',
      ].join('\n'),
    )
    return startInProcess(folder)
  }
}

const folder = join(root, '.local')
await rm(folder, { recursive: true, force: true })
say('HACA: a paid, verified and settled inference, end to end')
const began = performance.now()
const stack = await open(folder)
say(`\nStack is up  [${(performance.now() - began).toFixed(0)} ms]\n   gateway ${stack.gateway.http}, gRPC ${stack.gateway.grpc}, chain ${stack.rpc}; logs in ${stack.logs}`)

let problems: string[] = []
try {
  const runs: Record<string, unknown>[] = []
  for (const model of models) {
    const { inference, report, ms, transactions } = await buy(stack, model)
    problems = problems.concat(failures(report).map((problem) => `${model.name}: ${problem}`))
    runs.push({ model: model.name, requestId: inference.requestId, simulated: inference.simulated, transactions, ms, claims: report.claims, ok: failures(report).length === 0 })
  }
  if (json) process.stdout.write(`${JSON.stringify({ ok: problems.length === 0, problems, contracts: stack.contracts, runs })}\n`)
} catch (error) {
  problems.push(error instanceof HacaError ? `${error.code}: ${error.message}` : String((error as Error).stack ?? error))
} finally {
  await consoleProgress(say).step('stopping the stack', () => stack.stop())
}
say(problems.length === 0 ? '\nEverything verified. The stack is stopped.' : `\nNOT verified:\n${problems.map((p) => `   ${p}`).join('\n')}`)
process.exit(problems.length === 0 ? 0 : 1)
