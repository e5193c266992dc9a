import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from '../abi.js'
import * as Hex from '../hex.js'
import { modes } from '../receipt/receipt.js'
import { accept, refuse, type Verdict } from '../verdict.js'
import { predictedLatencyMs, type Node, type Policy } from './fleet.js'
import { liveness, trust } from './route.js'

/** A paid offer that needs a pool. */
export interface Paid {
  modelHash: Hex.Hex
  mode: number
  requestId: Hex.Hex
}

/**
 * The pool a paid request goes to: the one with the least predicted latency now, ties by a hash of pool and request id,
 * so that equal pools share the load without anybody counting.
 */
export function assign(paid: Paid, fleet: readonly Node[], policy: Policy, now: number): Verdict<string, 'no-live-pool'> {
  const needsTee = paid.mode !== modes.zkml
  const able = fleet.filter((node) => {
    return (!needsTee || trust(node, policy) === 'eligible') && node.modelHashes.includes(paid.modelHash) && liveness(node, policy, now) === 'eligible'
  })
  const [best] = able
    .map((node) => ({ pool: node.pool, latency: predictedLatencyMs(node), tie: tie(node.pool, paid.requestId) }))
    .sort((a, b) => a.latency - b.latency || (a.tie < b.tie ? -1 : 1))
  return best ? accept(best.pool) : refuse('no-live-pool', 'no live pool can serve this offer now')
}

const tie = (pool: string, requestId: Hex.Hex): string => Hex.fromBytes(sha256(Abi.concat([utf8ToBytes(pool), Hex.toBytes(requestId, 32)])))
