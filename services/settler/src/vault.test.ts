import { Hex, type Payment } from '@haca/core'
import type { Chain } from '@haca/platform/chain'
import { randomBytes } from 'node:crypto'
import { encodeAbiParameters, encodeEventTopics, parseAbi, type Log } from 'viem'
import { describe, expect, it } from 'vitest'
import { ChainVault } from './vault.js'

const random = (bytes: number): Hex.Hex => Hex.fromBytes(randomBytes(bytes))
const [vault, token, payer, transaction] = [random(20), random(20), random(20), random(32)]
const now = 2_000_000_000
const newest = 30_000_000n
const payment = { payer, nonce: random(32), amount: 1_000n, validBefore: now } as Payment.Payment

const tokenAbi = parseAbi(['event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)', 'event Transfer(address indexed from, address indexed to, uint256 value)'])
const used = (nonce: Hex.Hex) => ({ topics: encodeEventTopics({ abi: tokenAbi, eventName: 'AuthorizationUsed', args: { authorizer: payer, nonce } }), data: '0x' })
const moved = (to: Hex.Hex, value = 1_000n) => ({ topics: encodeEventTopics({ abi: tokenAbi, eventName: 'Transfer', args: { from: payer, to } }), data: encodeAbiParameters([{ type: 'uint256' }], [value]) })

/** A chain with five blocks a second whose node searches `most` blocks at once; the authorisation was used in one of them. */
function chainWith(usedIn: bigint, most: bigint, events: object[] = [used(payment.nonce), moved(vault)]) {
  let searches = 0
  const chain = {
    getBlock: async ({ blockNumber = newest }: { blockNumber?: bigint }) => ({ number: blockNumber, timestamp: BigInt(now) - (newest - blockNumber) / 5n }),
    getTransactionReceipt: async () => ({ blockNumber: usedIn, logs: events.map((event, logIndex) => ({ address: token, transactionHash: transaction, logIndex, ...event }) as Log) }),
    getLogs: async ({ fromBlock, toBlock }: { fromBlock: bigint; toBlock: bigint }) => {
      searches++
      if (toBlock - fromBlock >= most) throw new Error('block range too large')
      if (usedIn < fromBlock || usedIn > toBlock) return []
      return [{ transactionHash: transaction }]
    },
  }
  return { chain: chain as unknown as Chain, searches: () => searches }
}

describe('a payment submitted straight to the token', () => {
  it('is found in one search where the node allows it, and of the last two days only', async () => {
    const { chain, searches } = chainWith(newest - 100_000n, 900_000n)
    expect(await new ChainVault(chain, vault, token, 1n, 'safe').directTransfer(payment)).toBe(transaction)
    expect(searches()).toBe(1)
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

  it('is no other payment of the same payer in the same transaction', async () => {
    const [other, elsewhere] = [random(32), random(20)]
    const direct = async (...events: object[]) => new ChainVault(chainWith(newest - 100_000n, 900_000n, events).chain, vault, token, 1n, 'safe').directTransfer(payment)
    // Its nonce was spent on a transfer to somebody else, next to an honest transfer to the vault.
    expect(await direct(used(payment.nonce), moved(elsewhere), used(other), moved(vault))).toBeUndefined()
    expect(await direct(used(other), moved(vault), used(payment.nonce), moved(payer))).toBeUndefined()
    expect(await direct(used(payment.nonce), moved(vault, 999n), moved(vault))).toBeUndefined()
    expect(await direct(used(other), moved(elsewhere), used(payment.nonce), moved(vault))).toBe(transaction)
  })
})
