import type { Hex } from '@haca/core'
import { HacaClient, privateKeySigner, type Network } from '@haca/sdk'
import { eventually, fundedWallets, samplesOf, startStack, type Stack, type Wallet } from '@haca/tools'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { quantile, report, say, type Figure } from '../report.js'

const model = 'digits-mlp'
const atOnce = 8
const payers = 16
/** Ten minutes: five undisturbed, five with a kill -9 of the prover in each. */
const seconds = Number(process.env.HACA_SOAK_SECONDS ?? 600)
const betweenKillsMs = 60_000
/** How long a proof may take once nobody buys any more. */
const drainMs = 300_000

interface Bought {
  requestId: Hex.Hex
  atMs: number
}

/** Proofs per minute of one prover through the whole stack, and what is lost when it is killed every minute. Not for CI. */
export async function run(json: boolean): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'haca-bench-'))
  const stack = await startStack({ folder, logLevel: 'warn', models: [model], env: { gateway: { GATEWAY_PAYER_CAP_ATOMIC: '1000000000' }, settler: { SETTLER_EVIDENCE_WITHIN_SECONDS: '600' } } })
  try {
    const wallets = await fundedWallets(stack.rpc, payers, 1_000_000_000n)
    const calm = await soak(stack, wallets, { seconds: seconds / 2, kills: false })
    say(`${calm.proven.length} proofs in ${seconds / 2} s`)
    const stormy = await soak(stack, wallets, { seconds: seconds / 2, kills: true })
    say(`${stormy.proven.length} proofs in ${seconds / 2} s, ${stormy.kills} kills`)
    const figures: Figure[] = [
      { metric: 'proofs per minute', value: perMinute(calm), unit: '' },
      { metric: 'proofs per minute, killed once a minute', value: perMinute(stormy), unit: '' },
      { metric: 'kills', value: stormy.kills, unit: '' },
      { metric: 'from answer to proof, median', value: quantile(calm.proven, 0.5), unit: 's' },
      { metric: 'from answer to proof, 99 of 100', value: quantile(calm.proven, 0.99), unit: 's' },
      { metric: 'from answer to proof, 99 of 100, killed once a minute', value: quantile(stormy.proven, 0.99), unit: 's' },
      { metric: 'answers that failed', value: calm.failed + stormy.failed, unit: '', bar: { at: 0, is: 'at most' } },
      { metric: 'proofs lost', value: calm.lost + stormy.lost, unit: '', bar: { at: 0, is: 'at most' } },
    ]
    return report(`zk-soak: ${model} through the whole stack, ${seconds} s`, figures, json)
  } finally {
    await stack.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Soaked {
  /** Seconds from each answer to its proof. */
  proven: number[]
  lost: number
  failed: number
  kills: number
  /** Seconds from the first answer bought to the last proof. */
  took: number
}

const perMinute = ({ proven, took }: Soaked): number => (proven.length * 60) / took

async function soak(stack: Stack, wallets: readonly Wallet[], { seconds: length, kills }: { seconds: number; kills: boolean }): Promise<Soaked> {
  const network: Network = { ...stack.contracts, token: stack.token, offerSigners: [stack.roles.offers as Hex.Hex] }
  const clients = wallets.map(({ privateKey }) => new HacaClient({ url: stack.gateway.http, signer: privateKeySigner(privateKey), maxPriceAtomic: 100_000n, network }))
  const { input, shape, samples } = samplesOf(model)
  const began = Date.now()
  const until = began + length * 1_000
  const waiting: Promise<number | undefined>[] = []
  let [next, failed, killed] = [0, 0, 0]
  const buyer = async (): Promise<void> => {
    while (Date.now() < until) {
      const index = next++
      const client = clients[index % clients.length] as HacaClient
      const data = samples[index % samples.length]?.values ?? []
      const bought = await client.infer({ model, inputs: [{ name: input, shape: [1, ...shape], data }], verification: 'zkml' }).then(({ requestId }): Bought => ({ requestId, atMs: Date.now() }), () => undefined)
      if (!bought) failed++
      else {
        const proof = provenAfter(client, bought)
        waiting.push(proof)
        // As many as are bought may wait for proofs, so that the prover is busy and its queue does not grow without end.
        await proof
      }
    }
  }
  const killer = async (): Promise<void> => {
    const prover = stack.parts.get('prover')
    while (kills && Date.now() + betweenKillsMs / 2 < until) {
      await pause(Math.min(betweenKillsMs, until - Date.now()))
      await prover?.kill()
      await prover?.start()
      killed++
    }
  }
  await Promise.all([...Array.from({ length: atOnce }, buyer), killer()])
  const ended = await Promise.all(waiting)
  const proven = ended.filter((after) => after !== undefined)
  return { proven, lost: ended.length - proven.length, failed, kills: killed, took: (Date.now() - began) / 1_000 }
}

/** Seconds until the proof of an answer was there; nothing when it never came. */
const provenAfter = (client: HacaClient, { requestId, atMs }: Bought): Promise<number | undefined> =>
  eventually('a proof', async () => ((await client.receipt(requestId)).proof ? (Date.now() - atMs) / 1_000 : undefined), drainMs).catch(() => undefined)
