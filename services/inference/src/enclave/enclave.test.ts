import { Hex, Receipt } from '@haca/core'
import { createLogger } from '@haca/platform/log'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { certificatesOf, ConfigfsTsm } from './configfs-tsm.js'
import { Keyring } from './keyring.js'
import { Nitro } from './nitro.js'
import { createSigner, newKey } from './signer.js'

const logger = createLogger('test', 'silent')
const scope = { chainId: 84532, log: `0x${'22'.repeat(20)}` as Hex.Hex }
const terms = {
  ...Object.fromEntries(['requestId', 'offerHash', 'modelHash', 'requestHash', 'outputHash', 'statementHash', 'paymentId'].map((name) => [name, Hex.zero32])),
  ...{ payer: scope.log, token: scope.log, price: 1n, policyEpoch: 1, mode: Receipt.modes.tee },
} as unknown as Receipt.Terms

/** Keys of a given life, and what the chain says of each. */
function ring({ lifeSeconds, refusing = () => false }: { lifeSeconds: number; refusing?: () => boolean }) {
  const clock = { now: 1_800_000_000_000 }
  const ended = new Set<string>()
  const stopping = new AbortController()
  const enrolled: Hex.Hex[] = []
  const enroll = async () => {
    const { privateKey, node } = newKey()
    enrolled.push(node)
    while (refusing()) await pause(5)
    return createSigner({ scope, keyKind: 255, evidenceId: Hex.zero32, privateKey, expiresAt: clock.now / 1000 + lifeSeconds, now: () => clock.now })
  }
  const keys = { validity: async (node: Hex.Hex) => (ended.has(node) ? ('retired' as const) : ('valid' as const)) }
  const open = () => Keyring.open({ enroll, keys, logger, now: () => clock.now, signal: stopping.signal, watchEveryMs: 5 })
  return { clock, ended, stopping, enrolled, open }
}

describe('a node’s keys', () => {
  it('number their receipts from one without a gap, and give a number back that nobody saw', async () => {
    const { open, stopping } = ring({ lifeSeconds: 3_600 })
    const keyring = await open()
    const [first, second] = [keyring.sign(terms), keyring.sign(terms)]
    expect([first.receipt.seq, second.receipt.seq]).toEqual([1, 2])
    keyring.discard(second)
    expect(keyring.sign(terms).receipt.seq).toBe(2)
    expect(Receipt.isSigned(first, scope)).toBe(true)
    stopping.abort()
    await keyring.ended()
  })

  it('are succeeded while the old one is still good, and the new one counts from one', async () => {
    const { clock, open, stopping, enrolled } = ring({ lifeSeconds: 3_600 })
    const keyring = await open()
    const old = keyring.sign(terms)
    clock.now += 2_800_000
    await expect.poll(() => enrolled.length).toBe(2)
    await expect.poll(() => keyring.node === enrolled[1]).toBe(true)
    const next = keyring.sign(terms)
    expect([next.receipt.node, next.receipt.seq]).toEqual([enrolled[1], 1])
    keyring.discard(old) // of a key that is not in use any more: no number of the new one
    expect(keyring.sign(terms).receipt.seq).toBe(2)
    stopping.abort()
    await keyring.ended()
  })

  it('are replaced at once when the chain ends one, and until then sign nothing', async () => {
    const { ended, open, stopping, enrolled } = ring({ lifeSeconds: 3_600 })
    const keyring = await open()
    expect(keyring.usable()).toBe(true)
    ended.add(enrolled[0] as string)
    await expect.poll(() => enrolled.length).toBe(2)
    await expect.poll(() => keyring.node === enrolled[1]).toBe(true)
    expect(keyring.usable()).toBe(true)
    stopping.abort()
    await keyring.ended()
  })

  it('sign nothing once the chain ended theirs, though the successor is being refused', async () => {
    let refused = false
    const { clock, ended, open, stopping, enrolled } = ring({ lifeSeconds: 3_600, refusing: () => refused })
    const keyring = await open()
    refused = true
    clock.now += 2_800_000
    await expect.poll(() => enrolled.length).toBe(2)
    expect(keyring.usable()).toBe(true)
    ended.add(enrolled[0] as string)
    await expect.poll(() => keyring.usable()).toBe(false)
    expect(enrolled).toHaveLength(2)
    refused = false
    await expect.poll(() => keyring.node === enrolled[1] && keyring.usable()).toBe(true)
    stopping.abort()
    await keyring.ended()
  })

  it('are not usable past their time', async () => {
    const { clock, open, stopping } = ring({ lifeSeconds: 60 })
    const keyring = await open()
    stopping.abort()
    await keyring.ended()
    clock.now += 60_000
    expect(keyring.usable()).toBe(false)
    expect(() => keyring.sign(terms)).toThrow(expect.objectContaining({ code: 'key.unusable', retryable: true }))
  })
})

describe('the certificate table of an SEV-SNP host', () => {
  const entry = (guid: string, offset: number, length: number): Buffer => {
    const out = Buffer.alloc(24)
    out.write(guid, 'hex')
    out.writeUInt32LE(offset, 16)
    out.writeUInt32LE(length, 20)
    return out
  }
  const vcek = '63da758de6644564adc5f4b93be8accd'
  const ask = '4ab7b379bbac4fe4a02f05aef327c782'
  const ark = 'c0b406a4a803495297433fb6014cd0ae'

  it('gives the chip’s certificate and its issuer, and leaves the root to whoever pins it', () => {
    const header = Buffer.concat([entry(vcek, 96, 2), entry(ask, 98, 3), entry(ark, 101, 1), Buffer.alloc(24)])
    const table = new Uint8Array(Buffer.concat([header, Buffer.from([1, 2, 3, 4, 5, 6])]))
    expect(certificatesOf(table)).toEqual([
      { role: 'vek', bytes: Uint8Array.of(1, 2) },
      { role: 'vek-issuer', bytes: Uint8Array.of(3, 4, 5) },
    ])
  })

  it('is nothing when it is empty, and refused when it ends early', () => {
    expect(certificatesOf(new Uint8Array(24))).toEqual([])
    expect(certificatesOf(new Uint8Array(0))).toEqual([])
    expect(() => certificatesOf(new Uint8Array(Buffer.concat([entry(vcek, 20, 100), Buffer.alloc(24)])))).toThrow('ends early')
  })
})

describe('hardware that is not there', () => {
  it('is said to be missing, by name', async () => {
    await expect(ConfigfsTsm.connect('/nonexistent/tsm')).rejects.toMatchObject({ code: 'tee.unreachable', message: expect.stringContaining('/nonexistent/tsm') as string })
    await expect(new Nitro('/nonexistent/nsm-bridge').attest({ userData: new Uint8Array(32) })).rejects.toMatchObject({ code: 'tee.unreachable', message: expect.stringContaining('nsm-bridge') as string })
  })
})
