import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { decodeBase64Url, encodeBase64Url } from '../base64.js'
import { fromUtf8, toHex, utf8 } from '../bytes.js'
import { MEDIA_TYPES } from '../evidence.js'
import { refusal } from '../testing/refusal.js'
import { BINDING_DOMAIN, type KeyBinding } from '../policy/binding.js'
import { decodeCollection, encodeCollection, type KeyCollection } from './collection.js'
import { decodeRecord, encodeRecord, inForce, recordDigest, type AppraisalRecord } from './record.js'

const bytes = (value: number, length: number): Uint8Array => new Uint8Array(length).fill(value)

const binding: KeyBinding = {
  v: 1,
  domain: BINDING_DOMAIN,
  chainId: 84532,
  registry: bytes(0x11, 20),
  nodeId: bytes(0x22, 32),
  kind: 'tdx',
  receiptKey: secp256k1.getPublicKey(bytes(7, 32), true),
  hpkeKey: null,
  tlsSpki: null,
  models: [bytes(0x44, 32)],
  imageId: 'engine',
  session: bytes(0x55, 16),
  gpu: [bytes(0x66, 32)],
}

const collection: KeyCollection = {
  binding,
  challenge: { verifierId: bytes(1, 32), random: bytes(2, 32), expiresAt: 1_800_000_000 },
  machine: { evidence: { kind: 'tdx', mediaType: MEDIA_TYPES.tdx, bytes: bytes(3, 100) }, endorsements: [{ role: 'event-log', bytes: utf8('[]') }] },
  devices: [
    {
      evidence: { kind: 'nvidia-gpu', mediaType: MEDIA_TYPES['nvidia-gpu'], bytes: bytes(4, 50) },
      endorsements: [
        { role: 'device-chain', bytes: utf8('pem') },
        { role: 'crl', bytes: bytes(5, 9) },
        { role: 'crl', bytes: bytes(6, 9) },
      ],
    },
  ],
}

const labels = (): Record<string, unknown> => JSON.parse(fromUtf8(encodeCollection(collection))!) as Record<string, unknown>
const withLabels = (change: (labels: Record<string, unknown>) => void): Uint8Array => {
  const changed = labels()
  change(changed)
  return utf8(JSON.stringify(changed))
}

describe('base64url', () => {
  // RFC 4648, section 10, less its padding.
  it.each([['', ''], ['f', 'Zg'], ['fo', 'Zm8'], ['foo', 'Zm9v'], ['foob', 'Zm9vYg'], ['fooba', 'Zm9vYmE'], ['foobar', 'Zm9vYmFy']])('writes %j as %j', (text, encoded) => {
    expect(encodeBase64Url(utf8(text))).toBe(encoded)
    expect(decodeBase64Url(encoded)).toEqual(utf8(text))
  })

  it('uses the URL alphabet', () => {
    expect(encodeBase64Url(Uint8Array.of(0xfb, 0xff))).toBe('-_8')
  })
})

describe('a key’s collection', () => {
  it('reads back what it wrote', () => {
    expect(decodeCollection(encodeCollection(collection))).toEqual(collection)
  })

  it('is labels to media type and base64url, as CMW has it', () => {
    expect(Object.keys(labels())).toEqual(['__cmwc_t', 'binding', 'challenge', 'device-0', 'device-0/crl/0', 'device-0/crl/1', 'device-0/device-chain/0', 'machine', 'machine/event-log/0'])
    expect(labels()['machine/event-log/0']).toEqual(['application/json', 'W10'])
  })

  const wrong: readonly [string, (labels: Record<string, any>) => void][] = [
    ['another type', (l) => (l.__cmwc_t = 'urn:other')],
    ['no binding', (l) => delete l.binding],
    ['no machine', (l) => delete l.machine],
    ['a gap between devices', (l) => ((l['device-2'] = l['device-0']), undefined)],
    ['an unknown label', (l) => (l.extra = l.machine)],
    ['an unknown endorsement', (l) => (l['machine/tcb-info/0'] = ['application/json', ''])],
    ['a gap between endorsements', (l) => (l['machine/event-log/2'] = l['machine/event-log/0'])],
    ['a media type nobody verifies', (l) => (l.machine[0] = 'application/octet-stream')],
    ['padding', (l) => (l.machine[1] += '=')],
    ['a third element', (l) => l.machine.push(1)],
    ['a challenge with a field too many', (l) => (l.challenge[1] = encodeBase64Url(Uint8Array.of(0xa0)))],
  ]
  it.each(wrong)('with %s is refused', async (_what, change) => {
    expect(await refusal(() => decodeCollection(withLabels(change)))).toMatch(/malformed/)
  })

  it('holds nothing that only the collateral service may supply', () => {
    const machine = { ...collection.machine, endorsements: [{ role: 'tcb-info', bytes: utf8('{}') } as const] }
    expect(() => encodeCollection({ ...collection, machine })).toThrow('a node supplies no tcb-info')
  })
})

const record: AppraisalRecord = {
  node: `0x${'ab'.repeat(20)}`,
  kind: 'tdx',
  evidenceId: `0x${'01'.repeat(32)}`,
  outcome: 'affirming',
  reasons: [{ rule: 'machine.debug', ok: true, detail: 'does not run in debug mode' }],
  receivedAt: 1_800_000_000,
  appraisedAt: 1_800_000_001,
  expiresAt: 1_800_003_600,
  policyEpoch: 3,
  policyDigest: `0x${'02'.repeat(32)}`,
  hardwareId: 'tdx-spr',
  imageId: 'engine',
  product: 'fmspc:00806F050000',
  platformId: null,
  models: [`0x${'44'.repeat(32)}`],
  collateral: [{ piece: 'machine', role: 'tcb-info', digest: `0x${'03'.repeat(32)}` }],
}

describe('an appraisal’s record', () => {
  it('reads back what it wrote', () => {
    expect(decodeRecord(encodeRecord(record))).toEqual(record)
  })

  it.each([
    ['another version', { v: 2 }],
    ['an unknown field', { extra: 1 }],
    ['an outcome of its own', { outcome: 'warning' }],
    ['a short node', { node: '0xab' }],
    ['an unknown kind', { kind: 'trustzone' }],
    ['a rule that is neither true nor false', { reasons: [{ rule: 'x', ok: 1, detail: '' }] }],
    ['collateral of an unknown role', { collateral: [{ piece: 'machine', role: 'x', digest: record.evidenceId }] }],
  ])('with %s is refused', async (_what, change) => {
    const json = { ...(JSON.parse(fromUtf8(encodeRecord(record))!) as object), ...change }
    expect(await refusal(() => decodeRecord(utf8(JSON.stringify(json))))).toBe('evidence-malformed')
  })

  it('is signed for one chain and registry', () => {
    const scope = { chainId: 84532, registry: `0x${'11'.repeat(20)}` as const }
    const digests = [scope, { ...scope, chainId: 8453 }, { ...scope, registry: `0x${'12'.repeat(20)}` as const }].map((s) => toHex(recordDigest(encodeRecord(record), s)))
    expect(new Set(digests).size).toBe(3)
    expect(toHex(recordDigest(encodeRecord({ ...record, policyEpoch: 4 }), scope))).not.toBe(digests[0])
  })
})

describe('the record in force for a receipt', () => {
  const first = record
  const [t, epoch] = [first.appraisedAt, first.policyEpoch]
  const turned: AppraisalRecord = { ...first, outcome: 'contraindicated', policyEpoch: epoch + 1, appraisedAt: t + 10 }
  const history = [first, turned]
  it.each([
    ['is what was last said when it was issued', { issuedAt: t + 9, policyEpoch: epoch }, first],
    ['is what was said before, of its own second by a later epoch', { issuedAt: t + 10, policyEpoch: epoch }, first],
    ['is what was said of its own second by its epoch', { issuedAt: t, policyEpoch: epoch }, first],
    ['is the later one a second later, whatever it was sold under', { issuedAt: t + 11, policyEpoch: epoch }, turned],
    ['is what its own epoch said, however late', { issuedAt: t + 1, policyEpoch: epoch + 1 }, turned],
    ['is the first one for a node whose clock is behind', { issuedAt: first.receivedAt - 60, policyEpoch: epoch }, first],
    ['is none before', { issuedAt: first.receivedAt - 61, policyEpoch: epoch }, undefined],
  ])('%s', (_what, receipt, expected) => {
    expect(inForce(history, receipt)).toBe(expected)
  })
})
