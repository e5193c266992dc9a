import { Secp256k1, type Hex } from '@haca/core'
import { AppraisalRecord } from '@haca/core/tee'
import { KeyArchive, MemoryBlobs } from '@haca/platform/blobs'
import { beforeEach, describe, expect, it } from 'vitest'
import { KeyHistories } from './key-histories.js'

const node: Hex.Hex = `0x${'ab'.repeat(20)}`
const recordScope = { chainId: 84532, registry: `0x${'cd'.repeat(20)}` as Hex.Hex }
const [ours, theirs] = [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)]
const second = 1_795_000_000

const record: AppraisalRecord.AppraisalRecord = {
  ...{ node, kind: 'simulated', evidenceId: `0x${'01'.repeat(32)}`, outcome: 'affirming', reasons: [], receivedAt: second, appraisedAt: second, expiresAt: second + 60 },
  ...{ policyEpoch: 1, policyDigest: `0x${'02'.repeat(32)}`, hardwareId: null, imageId: null, product: null, platformId: null, models: [], collateral: [] },
}

let nowMs: number
let archive: KeyArchive
let histories: KeyHistories

const say = (policyEpoch: number, key = ours): Promise<void> => archive.append(node, AppraisalRecord.signRecord({ ...record, policyEpoch }, recordScope, key))
const epochs = async (issuedAt: number): Promise<number[]> => (await histories.of(node, issuedAt)).map(({ policyEpoch }) => policyEpoch)

beforeEach(() => {
  nowMs = second * 1_000 + 500
  archive = new KeyArchive(new MemoryBlobs())
  histories = new KeyHistories({ archive, recordScope, evidenceSigner: Secp256k1.addressOfKey(ours), primitives: Secp256k1.portable, now: () => nowMs })
})

describe('the history of a key', () => {
  it('leaves out what somebody else signed', async () => {
    await say(1)
    await say(2, theirs)
    expect(await epochs(second)).toEqual([1])
  })

  it('is read once for the receipts of a second, and again for a receipt of the next', async () => {
    await say(1)
    expect(await epochs(second)).toEqual([1])
    await say(2)
    expect(await epochs(second)).toEqual([1])
    nowMs += 500
    expect(await epochs(second + 1)).toEqual([1, 2])
  })

  it('is read again for a receipt that waits for news', async () => {
    await say(1)
    expect(await epochs(second)).toEqual([1])
    await say(2)
    nowMs += 1_000
    expect(await epochs(second)).toEqual([1, 2])
  })

  it('is in the order of its appraisals, whichever prover’s was stored first', async () => {
    const at = (appraisedAt: number, policyEpoch: number): Promise<void> => archive.append(node, AppraisalRecord.signRecord({ ...record, appraisedAt, policyEpoch }, recordScope, ours))
    await at(second + 10, 4)
    await at(second + 8, 2)
    await at(second + 8, 1)
    await at(second + 10, 3)
    expect(await epochs(second)).toEqual([1, 2, 3, 4])
  })

  it('is never remembered as empty', async () => {
    expect(await epochs(second)).toEqual([])
    await say(1)
    expect(await epochs(second)).toEqual([1])
  })
})
