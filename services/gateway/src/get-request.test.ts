import { create } from '@bufbuild/protobuf'
import { Hex, Receipt } from '@haca/core'
import { InferenceVoidedSchema } from '@haca/proto'
import { BatchLedger, MemoryBlobs, Outcome } from '@haca/platform/blobs'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { MemoryClaims } from './claims/memory.js'
import { getRequest } from './get-request.js'
import { anchorKey } from './project-events.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const address = (): Hex.Hex => Hex.checksum(random(20))
const scope = { chainId: 84532, log: address() }

/** A request whose receipt was sealed in batch 1. */
async function sealed() {
  const [blobs, claims, token] = [new MemoryBlobs(), new MemoryClaims(), address()]
  const ledger = new BatchLedger(blobs, scope)
  const receipt: Receipt.Receipt = {
    ...{ requestId: random(32), offerHash: random(32), modelHash: random(32), requestHash: random(32), outputHash: random(32), evidenceId: random(32) },
    ...{ statementHash: Hex.zero32, paymentId: random(32), node: address(), payer: address(), token, price: 1_000n, policyEpoch: 1, issuedAt: 1, settleBy: 601, seq: 1, mode: 1, keyKind: 255 },
  }
  await ledger.seal([{ receipt, signature: random(65), receiptHash: Receipt.hash(receipt, scope), collected: 1_000n, evidenceDigest: random(32) }], new Uint8Array(4), token, { id: 0, hash: Hex.zero32 })
  const { requestId, paymentId, payer } = receipt
  const claim = { paymentId, requestId, fingerprint: random(32), payer, amount: 1_000n, flow: 'authorization' as const, validBefore: 300, acceptedAtMs: 1 }
  const anchor = (): Promise<void> => blobs.put(anchorKey(1), new TextEncoder().encode('{}'))
  return { blobs, claims, claim, requestId, anchor, status: () => getRequest(requestId, { blobs, ledger, claims, scope }) }
}

describe('the status of a request', () => {
  it('says that its receipt is sealed, and that it is anchored only when the chain has its root', async () => {
    const { claims, claim, anchor, status } = await sealed()
    await claims.restore({ ...claim, state: 'settled' })
    expect(await status()).toMatchObject({ state: 'settled', batchId: 1 })
    await anchor()
    expect(await status()).toMatchObject({ state: 'anchored', batchId: 1 })
  })

  it('stays void when its claim is let go', async () => {
    const { blobs, requestId, anchor, status } = await sealed()
    await Outcome.decide(blobs, requestId, { case: 'voided', value: create(InferenceVoidedSchema, { requestId: Hex.toBytes(requestId), code: 'deadline.missed' }) })
    await anchor()
    expect(await status()).toMatchObject({ state: 'void', code: 'deadline.missed' })
  })
})
