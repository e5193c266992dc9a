import { Hex, Receipt } from '@haca/core'
import { BatchLedger, MemoryBlobs, type Row } from '@haca/platform/blobs'
import type { Chain, SendRequest, TxSender } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { nonceKey, Refunds } from './refunds.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const [token, log, vault] = [Hex.checksum(random(20)), Hex.checksum(random(20)), Hex.checksum(random(20))]
const scope = { chainId: 84532, log }

function row(collected: bigint): Row {
  const receipt: Receipt.Receipt = {
    ...{ requestId: random(32), offerHash: random(32), modelHash: random(32), requestHash: random(32), outputHash: random(32), evidenceId: random(32) },
    ...{ statementHash: Hex.zero32, paymentId: random(32), node: Hex.checksum(random(20)), payer: Hex.checksum(random(20)), token, price: 1_000n },
    ...{ policyEpoch: 1, issuedAt: 1_800_000_000, settleBy: 1_800_000_600, seq: 1, mode: 1, keyKind: 255 },
  }
  return { receipt, signature: random(65), receiptHash: Receipt.hash(receipt, scope), collected, evidenceDigest: random(32) }
}

/** A vault that holds every payment until it is refunded, and a log of as many batches as were sealed. */
async function world(batches: Row[][], { reverts = new Set<Hex.Hex>() as ReadonlySet<Hex.Hex> } = {}) {
  const blobs = new MemoryBlobs()
  const ledger = new BatchLedger(blobs, scope)
  for (const [i, rows] of batches.entries()) {
    await ledger.seal(rows, new Uint8Array(4), token, { id: i, hash: random(32) })
    for (const { receipt } of rows) await blobs.put(nonceKey(receipt.paymentId), randomBytes(32))
  }
  const refunded = new Map<Hex.Hex, number>()
  let young = 0
  const chain = {
    readContract: async ({ functionName, args }: { functionName: string; args?: [Hex.Hex] }) => {
      if (functionName !== 'batchCount') return [1_000n, 1n, refunded.has(args?.[0] as Hex.Hex) ? 3 : 1]
      if (young-- > 0) throw new Error('the contract function "batchCount" returned no data')
      return BigInt(batches.length)
    },
  } as unknown as Chain
  let away = 0
  let mined: Promise<void> = Promise.resolve()
  const sent: Hex.Hex[] = []
  const sender = {
    send: async ({ note }: SendRequest) => {
      if (away-- > 0) throw new Error('no route to the chain')
      const paymentId = (JSON.parse(note) as { note: string }).note.slice('refund '.length) as Hex.Hex
      const reverted = reverts.has(paymentId)
      sent.push(paymentId)
      const ended = mined.then(() => {
        if (!reverted) refunded.set(paymentId, (refunded.get(paymentId) ?? 0) + 1)
        return { outcome: 'final', note, receipt: { status: reverted ? 'reverted' : 'success', logs: [], transactionHash: random(32) } }
      })
      return { hash: random(32), nonce: 0, ended }
    },
  } as unknown as TxSender
  const make = (): Refunds => new Refunds({ chain, sender, vault, log, ledger, logger: createLogger('test', 'silent'), safeTag: 'latest', retryMs: 5 })
  /** Lets no block come until what it answers is called. */
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    mined = promise
    return resolve
  }
  return { make, sent, refunded, hold, away: (times: number) => void (away = times), young: (times: number) => void (young = times) }
}

describe('refunds', () => {
  it('are made of the void leaves of a batch whose settler died when it was committed', async () => {
    const [first, second, paid] = [row(0n), row(0n), row(1_000n)]
    const { make, refunded } = await world([[first, paid], [second]])
    await make().start()
    await expect.poll(() => [...refunded.keys()].sort()).toEqual([first.receipt.paymentId, second.receipt.paymentId].sort())
    // Whoever comes next knows what was done.
    await make().start()
    await new Promise(setImmediate)
    expect([...refunded.values()]).toEqual([1, 1])
  })

  it('let the settler start while the safe tag is behind the deployment of its log', async () => {
    const one = row(0n)
    const { make, refunded, young } = await world([[one]])
    young(2)
    await make().start()
    await expect.poll(() => refunded.get(one.receipt.paymentId)).toBe(1)
  })

  it('are tried again when the chain was away', async () => {
    const one = row(0n)
    const { make, refunded, away } = await world([[one]])
    away(2)
    make().committed(1)
    await expect.poll(() => refunded.get(one.receipt.paymentId)).toBe(1)
  })

  it('are not sent a second time while they are on their way, because another could not be sent', async () => {
    const rows = [row(0n), row(0n), row(0n)]
    const { make, sent, refunded, away, hold } = await world([rows])
    const mine = hold()
    away(1)
    make().committed(1)
    await expect.poll(() => sent.length).toBe(2)
    await new Promise((next) => setTimeout(next, 50)) // ten times the pause before a retry
    expect(sent).toHaveLength(2)
    mine()
    await expect.poll(() => refunded.size).toBe(3)
    expect(sent).toHaveLength(3)
  })

  it('of others are not kept back by one that the token refuses', async () => {
    const [refused, one, later] = [row(0n), row(0n), row(0n)]
    const { make, refunded } = await world([[refused, one], [later]], { reverts: new Set([refused.receipt.paymentId]) })
    make().committed(2)
    await expect.poll(() => [...refunded.keys()].sort()).toEqual([one.receipt.paymentId, later.receipt.paymentId].sort())
  })
})
