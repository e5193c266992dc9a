import { Hex, type Payment } from '@haca/core'
import type { Chain } from '@haca/platform/chain'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ChainVault } from './vault.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const [vault, token, payer, transaction] = [random(20), random(20), random(20), random(32)]
const now = 2_000_000_000
const newest = 30_000_000n
const payment = { payer, nonce: random(32), amount: 1_000n, validBefore: now } as Payment.Payment

/** A chain with five blocks a second whose node searches `most` blocks at once; the authorisation was used in one of them. */
function chainWith(usedIn: bigint, most: bigint) {
  let searches = 0
  const chain = {
    getBlock: async ({ blockNumber = newest }: { blockNumber?: bigint }) => ({ number: blockNumber, timestamp: BigInt(now) - (newest - blockNumber) / 5n }),
    getTransactionReceipt: async () => ({ blockNumber: usedIn }),
    getLogs: async ({ fromBlock, toBlock, args }: { fromBlock: bigint; toBlock: bigint; args: object }) => {
      searches++
      if (toBlock - fromBlock >= most) throw new Error('block range too large')
      if (usedIn < fromBlock || usedIn > toBlock) return []
      return [{ transactionHash: transaction, args: 'nonce' in args ? {} : { value: 1_000n } }]
    },
  }
  return { chain: chain as unknown as Chain, searches: () => searches }
}

describe('a payment submitted straight to the token', () => {
  it('is found in one search where the node allows it, and of the last two days only', async () => {
    const { chain, searches } = chainWith(newest - 100_000n, 900_000n)
    expect(await new ChainVault(chain, vault, token, 1n, 'safe').directTransfer(payment)).toBe(transaction)
    expect(searches()).toBe(2) // its use, then the transfer beside it
  })

  it('is found page by page where the node bounds a search', async () => {
    const { chain } = chainWith(newest - 100_000n, 5_000n)
    expect(await new ChainVault(chain, vault, token, 1n, 'safe').directTransfer(payment)).toBe(transaction)
  })

  it('is found however long the authorisation lives: gateways once took such', async () => {
    const { chain } = chainWith(newest - 100_000n, 900_000n)
    expect(await new ChainVault(chain, vault, token, newest - 800_000n, 'safe').directTransfer({ ...payment, validBefore: now + 10 * 365 * 86_400 })).toBe(transaction)
  })

  it('is nowhere when the authorisation was only cancelled, or used before it could have been signed for us', async () => {
    for (const most of [900_000n, 5_000n]) {
      const { chain } = chainWith(newest - 2_000_000n, most)
      expect(await new ChainVault(chain, vault, token, 1n, 'safe').directTransfer(payment)).toBeUndefined()
    }
  })
})
