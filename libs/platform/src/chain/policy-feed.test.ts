import { EntryKind } from '@haca/contracts'
import { Hex, Secp256k1 } from '@haca/core'
import { SignedPolicy } from '@haca/core/tee'
import { PolicyBuilder } from '@haca/core/tee/testing'
import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { KeyArchive, MemoryBlobs } from '../blobs/index.js'
import { createLogger } from '../log/index.js'
import type { Chain } from './client.js'
import { PolicyFeed } from './policy-feed.js'

const address = `0x${'22'.repeat(20)}` as Hex.Hex
const key = new Uint8Array(32).fill(7)
const document = (epoch: number): Uint8Array => PolicyBuilder.encodePolicy(PolicyBuilder.policyJson({ epoch }))
const sha256 = (bytes: Uint8Array): Hex.Hex => `0x${createHash('sha256').update(bytes).digest('hex')}`

/** Of the machines in the builder's document: bit 1 is Nitro, 2 TDX, 3 SEV-SNP. */
const keyKinds = 0b1110n

interface Removed {
  kind: number
  value: string
  reason: string
  removedIn: bigint
  restoredIn: bigint
}

/** What a node of the chain answers. */
let answer: { epoch: bigint; startedAt?: bigint; adopted: { epoch: bigint; digest: Hex.Hex; daRef: Hex.Hex; keyKinds: bigint }; removals: Removed[]; away: boolean; behind?: number }
let now: number
let archive: KeyArchive
let feed: PolicyFeed

/** Unix milliseconds of the newest block that the node has; it stands still where the node does. */
let newestBlockMs: number | undefined

const chain = {
  getBlock: async (): Promise<unknown> => {
    if (answer.away) throw new Error('the chain is away')
    return { number: 7n, timestamp: BigInt(Math.floor((newestBlockMs ?? now) / 1000)) }
  },
  readContract: async ({ functionName, args }: { functionName: string; args?: [bigint, bigint] }): Promise<unknown> => {
    if (answer.away) throw new Error('the chain is away')
    if (functionName === 'current') return [{ epoch: answer.epoch, startedAt: answer.startedAt ?? 0n, policyEpoch: answer.adopted.epoch, removalCount: BigInt(answer.removals.length) }, answer.adopted]
    const [from, limit] = args as [bigint, bigint]
    return answer.removals.slice(0, answer.removals.length - (answer.behind ?? 0)).slice(Number(from), Number(from + limit))
  },
} as unknown as Chain

const adopt = async (epoch: number, signedBy = key): Promise<void> => {
  const bytes = document(epoch)
  const daRef = await archive.putPolicy(SignedPolicy.encodeSignedPolicy(SignedPolicy.signPolicy(bytes, { chainId: 84532, registry: address }, [signedBy])))
  answer = { epoch: BigInt(epoch), adopted: { epoch: BigInt(epoch), digest: sha256(bytes), daRef, keyKinds }, removals: [], away: false }
}

beforeEach(async () => {
  now = 1_000_000
  newestBlockMs = undefined
  archive = new KeyArchive(new MemoryBlobs())
  answer = { epoch: 0n, adopted: { epoch: 0n, digest: Hex.zero32, daRef: Hex.zero32, keyKinds: 0n }, removals: [], away: false }
  feed = new PolicyFeed({ chain, address, chainId: 84532, archive, signers: [Secp256k1.addressOfKey(key)], primitives: Secp256k1.portable, maxAgeMs: 60_000, logger: createLogger('test', 'silent'), now: () => now })
})

const epoch = (): number | string => {
  const current = feed.current()
  return current.ok ? current.value.policy.epoch : current.reason
}

describe('the policy in force', () => {
  it('is the document that was adopted, opened by its digest and a pinned signature', async () => {
    await adopt(42)
    await feed.refresh()
    expect(epoch()).toBe(42)
    expect(feed.epoch()).toBe(42)
  })

  it('is unknown before the first is adopted, or while the chain never answered', async () => {
    expect(epoch()).toBe('policy.unknown')
    await expect(feed.refresh()).rejects.toMatchObject({ code: 'policy.missing', retryable: true })
    answer.away = true
    await expect(feed.refresh()).rejects.toThrow('away')
    expect(epoch()).toBe('policy.unknown')
  })

  it('goes stale when the chain is away too long, and is fresh again when it answers', async () => {
    await adopt(42)
    await feed.refresh()
    answer.away = true
    now += 60_000
    expect(epoch()).toBe(42)
    now += 1
    expect(epoch()).toBe('policy.stale')
    answer.away = false
    await feed.refresh()
    expect(epoch()).toBe(42)
  })

  it('goes stale when the node that answers has seen no block for too long', async () => {
    await adopt(42)
    await feed.refresh()
    newestBlockMs = now
    now += 60_001
    await feed.refresh()
    expect(epoch()).toBe('policy.stale')
    newestBlockMs = now - 2_000
    await feed.refresh()
    expect(epoch()).toBe(42)
    newestBlockMs = 0 // another node, which is behind, makes nothing unseen
    await feed.refresh()
    expect(epoch()).toBe(42)
  })

  it('loses what a guardian removes, at the next look, and has back what holders restore', async () => {
    await adopt(42)
    await feed.refresh()
    const heard: number[] = []
    feed.onChange(({ policy }) => heard.push(policy.epoch))
    answer.epoch = 43n
    answer.removals = [{ kind: EntryKind.Product, value: 'tdx/fmspc:90C06F000000', reason: 'an incident', removedIn: 43n, restoredIn: 0n }]
    await feed.refresh()
    const current = feed.current()
    expect(current.ok && current.value.policy.removed).toEqual([{ entry: 'product', value: 'tdx/fmspc:90C06F000000', reason: 'an incident', epoch: 43 }])
    answer.epoch = 44n
    answer.removals = [{ ...(answer.removals[0] as Removed), restoredIn: 44n }]
    await feed.refresh()
    const restored = feed.current()
    expect(restored.ok && restored.value.policy.removed).toEqual([])
    expect(heard).toEqual([43, 44])
  })

  it('never goes back to an earlier epoch, which a lagging node still names', async () => {
    await adopt(50)
    await feed.refresh()
    await adopt(42)
    await feed.refresh()
    expect(epoch()).toBe(50)
  })

  it('is read again when the chain gave its epoch back, and began it anew with something else', async () => {
    await adopt(42)
    const removal = (value: string): Removed => ({ kind: EntryKind.Platform, value, reason: 'x', removedIn: 43n, restoredIn: 0n })
    Object.assign(answer, { epoch: 43n, startedAt: 100n, removals: [removal('aa')] })
    await feed.refresh()
    Object.assign(answer, { startedAt: 102n, removals: [removal('bb')] })
    const heard: number[] = []
    feed.onChange(({ policy }) => heard.push(policy.epoch))
    await feed.refresh()
    const current = feed.current()
    expect(current.ok && current.value.policy.removed.map(({ value }) => value)).toEqual(['bb'])
    expect(heard).toEqual([43])
  })

  it('is not taken without a removal that another node of the chain does not have yet', async () => {
    await adopt(42)
    await feed.refresh()
    Object.assign(answer, { epoch: 43n, behind: 1, removals: [{ kind: EntryKind.Platform, value: 'aa', reason: 'x', removedIn: 43n, restoredIn: 0n }] })
    await expect(feed.refresh()).rejects.toMatchObject({ code: 'policy.behind', retryable: true })
    expect(epoch()).toBe(42)
    answer.behind = 0
    await feed.refresh()
    const current = feed.current()
    expect(current.ok && [current.value.policy.epoch, current.value.policy.removed.length]).toEqual([43, 1])
  })

  it('reads more removals than one page holds', async () => {
    await adopt(42)
    answer.removals = Array.from({ length: 250 }, (_, i) => ({ kind: EntryKind.Platform, value: i.toString(16).padStart(4, '0'), reason: 'x', removedIn: 42n, restoredIn: 0n }))
    await feed.refresh()
    const current = feed.current()
    expect(current.ok && current.value.policy.removed.length).toBe(250)
  })

  it.each([
    ['an envelope that nobody pinned signed', async () => adopt(42, new Uint8Array(32).fill(8)), 'policy-unsigned'],
    ['an envelope that is not in the archive', async () => (await adopt(42), (answer.adopted.daRef = Hex.zero32), undefined), 'is not in the object store'],
    ['an envelope with another document', async () => (await adopt(42), (answer.adopted.digest = sha256(document(7))), undefined), 'another document'],
    ['an envelope whose document admits a kind that nobody voted for', async () => (await adopt(42), (answer.adopted.keyKinds = 0b0110n), undefined), 'sev-snp'],
  ])('is not %s', async (_what, prepare, message) => {
    await prepare()
    await expect(feed.refresh()).rejects.toThrow(message)
    expect(epoch()).toBe('policy.unknown')
  })
})
