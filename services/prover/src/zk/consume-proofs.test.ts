import { create } from '@bufbuild/protobuf'
import { Hex, Receipt, Secp256k1 } from '@haca/core'
import { EvidenceProducedSchema, InferenceCompletedSchema } from '@haca/proto'
import { MemoryBus, MemoryLog } from '@haca/platform/bus'
import { MemoryJobs } from '@haca/platform/jobs'
import { createLogger } from '@haca/platform/log'
import { Wire } from '@haca/platform/wire'
import { describe, expect, it } from 'vitest'
import type { Appraiser } from '../appraise-receipt.js'
import type { Line } from '../consumer.js'
import { openProofLine, promisesProof } from './consume-proofs.js'
import type { Proving } from './prove-receipt.js'

const logger = createLogger('test', 'silent')
const requestId = `0x${'ab'.repeat(32)}` as Hex.Hex
const address = `0x${'11'.repeat(20)}` as Hex.Hex
const nodeKey = new Uint8Array(32).fill(9)
const scope = { chainId: 1, log: address }
const receipt = {
  ...Object.fromEntries(['requestId', 'offerHash', 'modelHash', 'requestHash', 'outputHash', 'evidenceId', 'statementHash', 'paymentId'].map((name) => [name, requestId])),
  ...{ node: Secp256k1.addressOfKey(nodeKey), payer: address, token: address, price: 1n, policyEpoch: 1, issuedAt: 1, settleBy: 2, seq: 1, mode: Receipt.modes.zkml, keyKind: Receipt.keyKinds.node },
} as unknown as Receipt.Receipt
const message = create(InferenceCompletedSchema, { requestId: Hex.toBytes(requestId), receipt: Wire.signedReceipt(Receipt.sign(receipt, scope, nodeKey)) })

/** A line whose proofs take until they are stopped: the circuit is never found, and the signal is all there is to wait for. */
async function open() {
  const bus = new MemoryBus(new MemoryLog(), logger)
  await bus.ensure([{ schema: EvidenceProducedSchema }])
  const said: unknown[] = []
  await bus.consume({ group: 'test', schema: EvidenceProducedSchema, inFlightMax: 10, handler: async (evidence) => void said.push(evidence) })
  const inHand = { count: 0 }
  const circuits = {
    of: () =>
      new Promise((_, reject) => {
        inHand.count++
        stops.push(() => reject(new Error('stopped')))
      }),
  }
  const stops: (() => void)[] = []
  const appraiser = { now: Date.now, primitives: Secp256k1.portable, scope, keys: { validity: async () => 'valid' } } as unknown as Appraiser
  const line = { bus, jobs: new MemoryJobs(), logger, provingConcurrency: 1, factSigners: [] } as unknown as Line
  const proofs = await openProofLine(line, appraiser, { circuits } as unknown as Proving, async () => undefined)
  return { proofs, said, inHand, stopAll: () => stops.forEach((stop) => stop()) }
}

describe('a proof', () => {
  it('is promised by zkml receipts alone', () => {
    expect(promisesProof(message)).toBe(true)
    expect(promisesProof(create(InferenceCompletedSchema, { receipt: Wire.signedReceipt({ receipt: { ...receipt, mode: Receipt.modes.tee }, signature: `0x${'00'.repeat(65)}` }) }))).toBe(false)
  })

  it('that was given up before its turn is not begun, and its record is done', async () => {
    const { proofs, said, inHand } = await open()
    proofs.cancel(requestId)
    await proofs.run('r', message)
    expect([inHand.count, said]).toEqual([0, []])
    await proofs.worker.stop()
  })

  it('that is given up in hand says nothing, and its record is done', async () => {
    const { proofs, said, inHand, stopAll } = await open()
    const done = proofs.run('r', message)
    await expect.poll(() => inHand.count).toBe(1)
    proofs.cancel(requestId)
    stopAll()
    await done
    expect(said).toEqual([])
    await proofs.worker.stop()
  })
})
