import { AppError, Hex, Receipt, type Payment } from '@haca/core'
import { BatchLedger, MemoryBlobs, type Row } from '@haca/platform/blobs'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Vault } from '../ports.js'
import type { Completion } from '../verify-completion.js'
import type { Committer } from './committer.js'
import { ReceiptLane } from './lane.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const [token, log] = [Hex.checksum(random(20)), Hex.checksum(random(20))]
const scope = { chainId: 84532, log }

function completion(): Completion {
  const [requestId, paymentId, payer] = [random(32), random(32), Hex.checksum(random(20))]
  const receipt: Receipt.Receipt = {
    ...{ requestId, offerHash: random(32), modelHash: random(32), requestHash: random(32), outputHash: random(32), evidenceId: random(32) },
    ...{ statementHash: Hex.zero32, paymentId, node: Hex.checksum(random(20)), payer, token, price: 1_000n },
    ...{ policyEpoch: 1, issuedAt: 1_800_000_000, settleBy: 1_800_000_600, seq: 1, mode: 1, keyKind: 255 },
  }
  const payment = { paymentId, payer, token, amount: 1_000n, validBefore: 1_800_000_300, nonce: random(32) } as Payment.Payment
  return { requestId, payment, signed: { receipt, signature: random(65) }, receiptHash: Receipt.hash(receipt, scope) }
}

const stops: (() => void)[] = []
afterEach(() => stops.splice(0).forEach((stop) => stop()))

/** A lane whose receipts are ready as soon as they are credited and have evidence, sealed by twos. */
function world(committer: (ledger: BatchLedger) => Committer, gate: () => Promise<void> = async () => undefined, told: Partial<Vault> = {}, now = Date.now) {
  class Store extends MemoryBlobs {
    override async get(key: string): Promise<Uint8Array | undefined> {
      if (key.startsWith('receipts/')) await gate()
      return super.get(key)
    }
  }
  const ledger = new BatchLedger(new Store(), scope)
  const vault = { credits: async () => [], safeTime: async () => 0, noncesUsed: async () => [], balances: async () => [], directTransfer: async () => undefined, ...told }
  const lane = new ReceiptLane({ ledger, committer: committer(ledger), vault, logger: createLogger('test', 'silent'), token, batchMax: 2, batchAgeMs: 100, evidenceWithinSeconds: 300, now })
  lane.start()
  stops.push(() => lane.stop())
  const ready = (one: Completion): void => {
    void lane.evidence({ requestId: one.requestId, receiptHash: one.receiptHash, affirming: true, bytes: new Uint8Array(8) })
    lane.credited(one.requestId, { amount: 1_000n, refunded: false })
  }
  return { ledger, lane, ready }
}

/** Seals in the ledger, and counts how often each receipt was sealed. */
function sealing(ledger: BatchLedger, before: (rows: readonly Row[]) => Promise<void> = async () => undefined, after: () => void = () => undefined) {
  const sealed = new Map<Hex.Hex, number>()
  let tip = { id: 0, hash: Hex.zero32 }
  return {
    sealed,
    commit: async (rows: readonly Row[], evidence: Uint8Array) => {
      await before(rows)
      const { header } = await ledger.seal(rows, evidence, token, tip)
      tip = { id: header.id, hash: random(32) }
      for (const { receiptHash } of rows) sealed.set(receiptHash, (sealed.get(receiptHash) ?? 0) + 1)
      after()
    },
  }
}

describe('the receipt lane', () => {
  it('seals no receipt before it knows that none of an earlier process has it', async () => {
    let open!: () => void
    const gate = new Promise<void>((resolve) => (open = resolve))
    let count!: ReturnType<typeof sealing>
    const { ledger, lane, ready } = world((l) => (count = sealing(l)), () => gate)
    const [old, fresh] = [completion(), completion()]
    await ledger.seal([{ ...old.signed, receiptHash: old.receiptHash, collected: 1_000n, evidenceDigest: random(32) }], new Uint8Array(4), token, { id: 41, hash: random(32) })
    const added = [lane.add(old), lane.add(fresh)]
    ready(old)
    ready(fresh)
    await new Promise((next) => setTimeout(next, 700)) // two turns of the lane
    expect(count.sealed.size).toBe(0)
    open()
    await Promise.all(added)
    expect([...count.sealed]).toEqual([[fresh.receiptHash, 1]])
  })

  it('looks again when the object store could not say whether a receipt is sealed', async () => {
    let failing = true
    let count!: ReturnType<typeof sealing>
    const { ledger, lane, ready } = world(
      (l) => (count = sealing(l)),
      async () => {
        if (failing) throw new AppError('blobs.unreachable', { retryable: true })
      },
    )
    const old = completion()
    await ledger.seal([{ ...old.signed, receiptHash: old.receiptHash, collected: 1_000n, evidenceDigest: random(32) }], new Uint8Array(4), token, { id: 41, hash: random(32) })
    await expect(lane.add(old)).rejects.toMatchObject({ retryable: true })
    ready(old)
    failing = false
    await lane.add(old) // Kafka brings it again
    await new Promise((next) => setTimeout(next, 700))
    expect(count.sealed.size).toBe(0)
    expect(lane.backlog().depth).toBe(0)
  })

  it('asks which receipts are sealed when it does not know how sealing ended', async () => {
    let count!: ReturnType<typeof sealing>
    let failures = 1
    const { lane, ready } = world(
      (l) =>
        (count = sealing(l, undefined, () => {
          if (failures-- > 0) throw new AppError('chain.unreachable', { retryable: true })
        })),
    )
    const both = [completion(), completion()]
    const added = both.map((one) => lane.add(one))
    await new Promise((next) => setTimeout(next, 20))
    both.forEach(ready)
    await Promise.all(added)
    await new Promise((next) => setTimeout(next, 700))
    expect([...count.sealed.values()]).toEqual([1, 1])
  })

  it('takes no payment for uncollectable by a time that is newer than the credits it read', async () => {
    let clock = Date.now()
    const one = completion()
    const { validBefore } = one.payment
    const head = { time: validBefore - 60, credit: 0n }
    const sealed: Row[] = []
    const { lane } = world(
      () => ({ commit: async (rows) => void sealed.push(...rows) }),
      undefined,
      {
        // The safe tag moves on while the two are asked, over the block that collected the payment.
        credits: async (ids) => {
          const { credit } = head
          await new Promise((next) => setTimeout(next, 20))
          Object.assign(head, { time: validBefore + 60, credit: 1_000n })
          return ids.map(() => ({ amount: credit, refunded: false }))
        },
        safeTime: async () => {
          await new Promise((next) => setTimeout(next, 40))
          return head.time
        },
      },
      () => (clock += 10_000),
    )
    const added = lane.add(one)
    void lane.evidence({ requestId: one.requestId, receiptHash: one.receiptHash, affirming: true, bytes: new Uint8Array(8) })
    await added
    expect(sealed.map((row) => row.collected)).toEqual([1_000n])
  })
})
