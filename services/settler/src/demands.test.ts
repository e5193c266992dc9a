import { Hex, Receipt } from '@haca/core'
import { BatchLedger, MemoryBlobs, type Row } from '@haca/platform/blobs'
import type { Chain, Followed, SendRequest, TxSender } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { maxUint64 } from 'viem'
import { expect, it } from 'vitest'
import { Demands, type Demand } from './demands.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const [token, log] = [Hex.checksum(random(20)), Hex.checksum(random(20))]
const scope = { chainId: 84532, log }

function row(): Row {
  const receipt: Receipt.Receipt = {
    ...{ requestId: random(32), offerHash: random(32), modelHash: random(32), requestHash: random(32), outputHash: random(32), evidenceId: random(32) },
    ...{ statementHash: Hex.zero32, paymentId: random(32), node: Hex.checksum(random(20)), payer: Hex.checksum(random(20)), token, price: 1_000n },
    ...{ policyEpoch: 1, issuedAt: 1_800_000_000, settleBy: 1_800_000_600, seq: 1, mode: 1, keyKind: 255 },
  }
  return { receipt, signature: random(65), receiptHash: Receipt.hash(receipt, scope), collected: 1_000n, evidenceDigest: random(32) }
}

/** A sealed batch and a chain that ends what is sent as told, one after another. */
async function world(rows: readonly Row[], ends: Partial<Followed>[]) {
  const ledger = new BatchLedger(new MemoryBlobs(), scope)
  await ledger.seal(rows, new Uint8Array(4), token, { id: 0, hash: Hex.zero32 })
  const sent: Hex.Hex[] = []
  let shown = false
  const chain = { readContract: async () => (shown ? maxUint64 : 1_800_000_000n) } as unknown as Chain
  const sender = {
    send: async ({ note, data }: SendRequest) => {
      sent.push(data)
      const end = ends.shift() ?? { outcome: 'final' }
      shown = end.outcome === 'final'
      return { hash: random(32), nonce: 0, ended: Promise.resolve({ receipt: { status: 'success', transactionHash: random(32) }, ...end, note } as Followed) }
    },
  } as unknown as TxSender
  const demands = new Demands({ chain, sender, log, ledger, logger: createLogger('test', 'silent') })
  const demand = (index: number): Demand => ({ receiptHash: rows[index]?.receiptHash ?? random(32), batchId: 1, index, dueAt: 1_800_086_400 })
  return { demands, demand, sent, ledger }
}

it('reads one leaf of ten thousand to answer for one', async () => {
  const rows = [row(), row(), row()]
  const { demands, demand, sent, ledger } = await world(rows, [])
  ledger.rows = async () => {
    throw new Error('all of them were read')
  }
  await demands.answer(demand(1))
  await demands.answer(demand(3)) // no such leaf
  expect(sent).toHaveLength(1)
  expect(sent[0]).toContain(rows[1]?.signature.slice(2))
})

it('answers again when another transaction took the nonce of the answer', async () => {
  const { demands, demand, sent } = await world([row()], [{ outcome: 'superseded' }])
  await demands.answer(demand(0))
  await expect.poll(() => sent.length).toBe(2)
  await demands.answer(demand(0)) // told twice
  expect(sent).toHaveLength(2)
})
