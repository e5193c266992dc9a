import { Books, Caller, fundedWallets, type Stack, startStack, type Wallet } from '@haca/tools'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { check } from './checker.js'
import { seeded, tell, type CallRecord, type History } from './history.js'
import { blows, call, storm } from './storm.js'

const calls = 200
const atOnce = 8
const seed = Number(process.env.HACA_SEED ?? Date.now() % 1_000_000)

let folder: string
let stack: Stack

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haca-e2e-'))
  stack = await startStack({ folder, chain: { snapshotSeconds: 1 }, env: { gateway: { GATEWAY_ANSWER_WAIT_MS: '5000' } } })
})
afterAll(async () => {
  await stack?.stop()
  if (!process.env.HACA_KEEP) await rm(folder, { recursive: true, force: true })
})

describe('crashes', () => {
  it('in the middle of 200 paid requests lose nothing, and nothing is charged twice', async () => {
    const random = seeded(seed)
    const books = new Books(stack)
    const caller = new Caller(stack.gateway.http)
    const wallets = await fundedWallets(stack.rpc, 10, 1_000_000n)
    const opening = { vault: await books.vault(), payers: new Map(await Promise.all(wallets.map(async (w) => [w.address, await books.balance(w.address)] as const))) }
    const history: History = { seed, calls: [], blows: [] }
    const began = Date.now()
    const until = began + 240_000
    let next = 0
    let storming = true
    const worker = async (): Promise<void> => {
      // At least 200 calls, and on until the storm is over, so that every blow falls into the middle of them.
      while (next < calls || storming) {
        const index = next++
        const wallet = wallets[index % wallets.length] as Wallet
        const record: CallRecord = { index, payer: wallet.address, amount: 0n, answers: [], attempts: [] }
        history.calls.push(record)
        await call(record, wallet, caller, books, until)
        await new Promise((rest) => setTimeout(rest, storming ? 300 : 0))
      }
    }
    const order = Object.keys(blows(stack)).map((what) => ({ what, at: random() })).sort((a, b) => a.at - b.at).map(({ what }) => what)
    // A run that hangs must still be readable.
    const telling = setInterval(() => console.log(`${tell(history)}\n${history.calls.filter((c) => c.end).length} of ${history.calls.length} ended`), 60_000)
    const striking = storm(stack, order, () => 300 + random() * 1_500, history.blows, began).finally(() => (storming = false))
    await Promise.all([striking, ...Array.from({ length: atOnce }, worker)])
    const answered = history.calls.filter((c) => c.end === 'answered').length
    console.log(`${history.calls.length} calls, ${answered} answered after ${Date.now() - began} ms; waiting for the books`)
    const broken = await check(history, opening, { stack, books, caller, withinMs: 60_000 })
    clearInterval(telling)
    console.log(`${tell(history)}\n${Date.now() - began} ms`)
    expect(broken).toEqual([])
    expect(history.calls.length).toBeGreaterThanOrEqual(calls)
    expect(answered).toBe(history.calls.length)
  })
})
