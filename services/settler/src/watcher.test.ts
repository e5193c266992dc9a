import { settlementLogAbi } from '@haca/contracts'
import { Hex } from '@haca/core'
import { MemoryBlobs } from '@haca/platform/blobs'
import type { Chain } from '@haca/platform/chain'
import { createLogger } from '@haca/platform/log'
import { randomBytes } from 'node:crypto'
import { encodeAbiParameters, encodeEventTopics } from 'viem'
import { expect, it } from 'vitest'
import type { Demand } from './demands.js'
import type { Facts } from './facts.js'
import { Watcher } from './watcher.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))

it('answers demands one after another, however many come in one block', async () => {
  const [block, log] = [random(32), random(20)]
  const logs = Array.from({ length: 5 }, (_, index) => ({
    address: log,
    topics: encodeEventTopics({ abi: settlementLogAbi, eventName: 'SignatureDemanded', args: { receiptHash: random(32), batchId: 1n } }),
    data: encodeAbiParameters([{ type: 'uint32' }, { type: 'uint64' }], [index, 2_000_000_000n]),
    ...{ transactionHash: random(32), blockHash: block, blockNumber: 7n },
  }))
  const chain = { getBlock: async () => ({ number: 7n, hash: block }), getLogs: async () => logs } as unknown as Chain
  const seen = { atOnce: 0, most: 0, indexes: [] as number[] }
  const demanded = async ({ index }: Demand): Promise<void> => {
    seen.most = Math.max(seen.most, ++seen.atOnce)
    await new Promise((next) => setTimeout(next, 5))
    seen.atOnce--
    seen.indexes.push(index)
  }
  const done = async (): Promise<void> => undefined
  const watcher = new Watcher({
    ...{ chain, blobs: new MemoryBlobs(), facts: {} as Facts, logger: createLogger('test', 'silent'), log, vault: random(20) },
    ...{ fromBlock: 7, pollMs: 10, demanded, proofDemanded: done, anchored: done, now: Date.now },
  })
  await watcher.start()
  await expect.poll(() => seen.indexes).toEqual([0, 1, 2, 3, 4])
  await watcher.stop()
  expect(seen.most).toBe(1)
})
