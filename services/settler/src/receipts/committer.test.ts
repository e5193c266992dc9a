import { AppError, Batch, Hex, MerkleSum, Receipt } from '@haca/core'
import { BatchLedger, MemoryBlobs, type Row } from '@haca/platform/blobs'
import type { Chain, Followed, SendRequest, TxSender } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ChainCommitter } from './committer.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const [token, log] = [Hex.checksum(random(20)), Hex.checksum(random(20))]
const scope = { chainId: 84532, log }

function row(collected = 1_000n): Row {
  const receipt: Receipt.Receipt = {
    ...{ requestId: random(32), offerHash: random(32), modelHash: random(32), requestHash: random(32), outputHash: random(32), evidenceId: random(32) },
    ...{ statementHash: Hex.zero32, paymentId: random(32), node: Hex.checksum(random(20)), payer: Hex.checksum(random(20)), token, price: 1_000n },
    ...{ policyEpoch: 1, issuedAt: 1_800_000_000, settleBy: 1_800_000_600, seq: 1, mode: 1, keyKind: 255 },
  }
  return { receipt, signature: random(65), receiptHash: Receipt.hash(receipt, scope), collected, evidenceDigest: random(32) }
}

/** A chain that takes every commit it is sent, and a sender that fails as often as it is told to. */
function world({ sendFailures = 0, putFailures = () => false as boolean } = {}) {
  const headers: Hex.Hex[] = []
  const sent: SendRequest[] = []
  class Store extends MemoryBlobs {
    override async put(key: string, bytes: Uint8Array): Promise<void> {
      if (putFailures()) throw new AppError('blobs.unreachable', { retryable: true })
      return super.put(key, bytes)
    }
  }
  const blobs = new Store()
  const ledger = new BatchLedger(blobs, scope)
  const chain = {
    readContract: async ({ functionName, args }: { functionName: string; args?: [bigint] }) =>
      functionName === 'batchCount' ? BigInt(headers.length) : functionName === 'tip' ? (headers.at(-1) ?? Hex.zero32) : (headers[Number(args?.[0]) - 1] ?? Hex.zero32),
  } as unknown as Chain
  const sender = {
    send: async (request: SendRequest) => {
      if (sendFailures-- > 0) throw new AppError('chain.unreachable', { retryable: true })
      sent.push(request)
      const { id } = JSON.parse(request.note) as { id: number }
      const sealed = await ledger.sealed(id)
      headers.push(Batch.hash(sealed?.header as Batch.Header))
      return { hash: random(32), nonce: sent.length, ended: new Promise<Followed>(() => undefined) }
    },
  } as unknown as TxSender
  const committer = new ChainCommitter({ chain, log, sender, ledger, logger: createLogger('test', 'silent'), committed: async () => undefined, retryMs: 1 })
  return { committer, ledger, sent, headers }
}

describe('the committer', () => {
  it('sends a sealed batch until the chain is reached, and seals nothing twice', async () => {
    const { committer, ledger, sent } = world({ sendFailures: 2 })
    await committer.start([])
    await committer.commit([row()], new Uint8Array(4), token)
    expect(sent).toHaveLength(1)
    expect(await ledger.sealed(2)).toBeUndefined()
    const second = [row(), row()]
    await committer.commit(second, new Uint8Array(8), token)
    expect((await ledger.sealed(2))?.header).toMatchObject({ prev: Batch.hash((await ledger.sealed(1))?.header as Batch.Header), count: 2 })
    expect((await ledger.sealed(2))?.header.root).toBe(MerkleSum.root(MerkleSum.build(second.map((r) => MerkleSum.leaf(scope, r.receiptHash, r.collected)))).hash)
  })

  it('takes up a batch that it stored and could not finish sealing', async () => {
    let failing = true
    const { committer, ledger, sent } = world({ putFailures: () => failing })
    await committer.start([])
    const rows = [row(), row()]
    await expect(committer.commit(rows, new Uint8Array(8), token)).rejects.toMatchObject({ retryable: true })
    expect(await ledger.sealed(1)).toBeDefined()
    failing = false
    // Whoever comes next is told to look again which of its rows are sealed by now.
    await expect(committer.commit([...rows, row()], new Uint8Array(12), token)).rejects.toMatchObject({ code: 'batch.taken', retryable: true })
    for (const { receipt, receiptHash } of rows) expect(await ledger.pointer(receipt.requestId)).toMatchObject({ batchId: 1, receiptHash })
    expect(sent).toHaveLength(1)
    await committer.commit([row()], new Uint8Array(4), token)
    expect((await ledger.sealed(2))?.header.count).toBe(1)
    expect(sent).toHaveLength(2)
  })
})
