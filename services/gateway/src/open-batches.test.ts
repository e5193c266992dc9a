import { Batch, Hex, MerkleSum, Receipt } from '@haca/core'
import { BatchLedger, MemoryBlobs } from '@haca/platform/blobs'
import { loadPrimitives } from '@haca/platform/crypto'
import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { OpenBatches } from './open-batches.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const address = (): Hex.Hex => Hex.checksum(random(20))
const scope = { chainId: 84532, log: address() }
const token = address()
const primitives = await loadPrimitives()

function row() {
  const receipt: Receipt.Receipt = {
    ...{ requestId: random(32), offerHash: random(32), modelHash: random(32), requestHash: random(32), outputHash: random(32), evidenceId: random(32) },
    ...{ statementHash: Hex.zero32, paymentId: random(32), node: address(), payer: address(), token, price: 1_000n, policyEpoch: 1, issuedAt: 1, settleBy: 601, seq: 1, mode: 1, keyKind: 255 },
  }
  return { receipt, signature: random(65), receiptHash: Receipt.hash(receipt, scope), collected: 1_000n, evidenceDigest: random(32) }
}

async function world(sizes: readonly number[], most?: number) {
  const ledger = new BatchLedger(new MemoryBlobs(), scope)
  let tip = { id: 0, hash: Hex.zero32 }
  for (const size of sizes) {
    const { header } = await ledger.seal(Array.from({ length: size }, row), new Uint8Array(4), token, tip)
    tip = { id: header.id, hash: Batch.hash(header) }
  }
  return { batches: new OpenBatches(ledger, primitives, most), read: vi.spyOn(ledger, 'rows') }
}

describe('open batches', () => {
  it('are opened once, however many ask, and say what was sealed', async () => {
    const { batches, read } = await world([3])
    const [one, other] = await Promise.all([batches.get(1), batches.get(1)])
    await batches.get(1)
    expect(read).toHaveBeenCalledTimes(1)
    expect(one).toBe(other)
    expect(one && MerkleSum.root(one.tree)).toEqual({ hash: one?.sealed.header.root, sum: 3_000n })
  })

  it('are looked for again where there was none', async () => {
    const { batches } = await world([1])
    expect(await batches.get(2)).toBeUndefined()
    expect(await batches.get(1)).toBeDefined()
    expect(await batches.get(2)).toBeUndefined()
  })

  it('let the oldest go when they hold too many leaves', async () => {
    const { batches, read } = await world([2, 2, 2], 4)
    for (const id of [1, 2, 3]) await batches.get(id)
    await batches.get(3)
    await batches.get(2)
    expect(read).toHaveBeenCalledTimes(3)
    await batches.get(1)
    expect(read).toHaveBeenCalledTimes(4)
  })
})
