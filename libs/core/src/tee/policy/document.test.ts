import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../bytes.js'
import { FLAGS } from '../evidence.js'
import { changed, encodePolicy, policyJson, type PolicyJson } from '../testing/policy-builder.js'
import { decodePolicy, POLICY_BYTES_MAX, PolicyError, type PolicyErrorCode } from './document.js'

function policyRefusal(bytes: Uint8Array): PolicyErrorCode {
  try {
    decodePolicy(bytes)
  } catch (error) {
    if (error instanceof PolicyError) return error.code
    throw error
  }
  return expect.fail('accepted') as never
}

const refused = (change: PolicyJson) => policyRefusal(encodePolicy(policyJson(change)))
const hardware = (id: string, change: PolicyJson) =>
  refused({ hardware: changed(policyJson()['hardware'], id, change) })
const image = (change: PolicyJson) => refused({ images: changed(policyJson()['images'], 'engine-1.8.0', change) })

describe('decodePolicy', () => {
  it('reads a whole policy, and digests its bytes', () => {
    const bytes = encodePolicy(policyJson())
    const policy = decodePolicy(bytes)
    expect(policy).toMatchObject({
      network: 'mainnet',
      chainId: 84532,
      registry: '11'.repeat(20),
      epoch: 42,
      denyIds: { platform: [], signer: [], measurement: [] },
      models: [{ id: 'mlp-100k', manifestHash: '44'.repeat(32) }],
    })
    expect(policy.hardware.map(({ id }) => id)).toEqual(['tdx-spr', 'snp-genoa', 'nitro', 'h100-cc', 'nvswitch'])
    expect(policy.hardware[0]).toMatchObject({ revocation: 'required', tcb: { minEvalNumber: 18 }, require: [] })
    expect(policy.images[0]).toMatchObject({ modelBinding: 'required', devices: undefined })
    expect(policy.digest).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  it('refuses a main network that mentions simulated anywhere, in any spelling', () => {
    const [first] = policyJson()['hardware']
    const mentions: PolicyJson[] = [
      { hardware: [...policyJson()['hardware'], { id: 'sim', kind: 'simulated', products: ['*'] }] },
      { deny: [{ kind: 'simulated', reason: 'not here' }] },
      { deny: [{ kind: 'sgx', reason: 'like the SIMULATED one' }] },
      { hardware: [{ ...first, custody: 'Simulated' }] },
      { images: [{ ...policyJson()['images'][0], provenance: { simulated: 'no' } }] },
      { simulated: false },
    ]
    for (const change of mentions) expect(refused(change)).toBe('policy-simulated-on-mainnet')
    const escaped = JSON.stringify(policyJson()).replace('"cloud:test"', '"\\u0073imulated"')
    expect(policyRefusal(utf8(escaped))).toBe('policy-simulated-on-mainnet')
  })

  it('takes simulated evidence on networks that play', () => {
    const sim = { id: 'sim', kind: 'simulated', products: ['*'], maxKeyHours: 1, forbid: ['debug', 'serviceTd'] }
    for (const network of ['testnet', 'local']) {
      expect(
        decodePolicy(encodePolicy(policyJson({ network, hardware: [...policyJson()['hardware'], sim] }))).network,
      ).toBe(network)
    }
  })

  const top: readonly [string, PolicyJson][] = [
    ['another version', { v: 2 }],
    ['an unknown network', { network: 'Mainnet' }],
    ['an unknown field', { note: '' }],
    ['chain zero', { chainId: 0 }],
    ['a registry that is no address', { registry: '11'.repeat(20) }],
    ['a negative epoch', { epoch: -1 }],
    ['a fractional epoch', { epoch: 1.5 }],
    ['an epoch as text', { epoch: '42' }],
    ['a date as text', { notBefore: '2026-01-01' }],
    ['a version without three parts', { minVerifierVersion: '1.0' }],
    ['a missing list', { models: undefined }],
    ['a list that is an object', { hardware: {} }],
    ['denied ids without measurements', { denyIds: { platform: [], signer: [] } }],
    ['denied ids of an unknown sort', { denyIds: { platform: [], signer: [], measurement: [], chip: [] } }],
    [
      'a denied id in upper case, which would deny nothing',
      { denyIds: { platform: ['AA'], signer: [], measurement: [] } },
    ],
    ['a denied id with a prefix', { denyIds: { platform: ['0xaa'], signer: [], measurement: [] } }],
    ['a denied product without a reason', { deny: [{ kind: 'sgx' }] }],
    ['a denied kind that does not exist', { deny: [{ kind: 'sev', reason: '' }] }],
    ['a misspelt field in a denial', { deny: [{ kind: 'sev-snp', products: 'Milan', reason: '' }] }],
    ['a model hash without its algorithm', { models: [{ id: 'x', manifestHash: '44'.repeat(32) }] }],
    ['a model hash in upper case', { models: [{ id: 'x', manifestHash: `sha256:${'AA'.repeat(32)}` }] }],
    ['two models of one id', { models: [...policyJson()['models'], ...policyJson()['models']] }],
    ['two images of one id', { images: [policyJson()['images'][0], policyJson()['images'][0]] }],
  ]
  it.each(top)('refuses %s', (_name, change) => {
    expect(refused(change)).toBe('policy-malformed')
  })

  const entries: readonly [string, string, PolicyJson][] = [
    ['an unknown field', 'tdx-spr', { note: '' }],
    ['an id with white space', 'tdx-spr', { id: 'tdx spr' }],
    ['an id that another has', 'tdx-spr', { id: 'nitro' }],
    ['an unknown kind', 'tdx-spr', { kind: 'tdx2' }],
    ['no products', 'tdx-spr', { products: [] }],
    ['an Intel entry without TCB statuses', 'tdx-spr', { tcb: undefined }],
    ['no statuses', 'tdx-spr', { tcb: { status: [], allowedAdvisories: [] } }],
    ['an unknown status', 'tdx-spr', { tcb: { status: ['Uptodate'], allowedAdvisories: [] } }],
    ['a revoked TCB', 'tdx-spr', { tcb: { status: ['UpToDate', 'Revoked'], allowedAdvisories: [] } }],
    [
      'an unknown TCB field',
      'tdx-spr',
      { tcb: { status: ['UpToDate'], allowedAdvisories: [], minEvaluationNumber: 18 } },
    ],
    ['a TCB without a list of advisories', 'tdx-spr', { tcb: { status: ['UpToDate'] } }],
    ['a forbidden flag misspelt', 'tdx-spr', { forbid: ['debug', 'serviceTD'] }],
    ['a required flag of another kind', 'tdx-spr', { require: ['aliasCheck'] }],
    ['patch levels for Intel', 'tdx-spr', { minTcb: { bl: 1 } }],
    ['platforms without a custody', 'tdx-spr', { custody: undefined }],
    ['an empty list of platforms', 'tdx-spr', { platforms: [] }],
    ['a machine without a key life', 'tdx-spr', { maxKeyHours: undefined }],
    ['a key life of zero', 'tdx-spr', { maxKeyHours: 0 }],
    ['a machine with companions', 'tdx-spr', { with: ['nitro'] }],
    ['a machine with drivers', 'tdx-spr', { drivers: ['1'] }],
    ['a mode of revocation that does not exist', 'tdx-spr', { revocation: 'optional' }],
    ['an AMD entry without minima', 'snp-genoa', { minTcb: undefined }],
    ['empty minima', 'snp-genoa', { minTcb: {} }],
    ['a component that does not exist', 'snp-genoa', { minTcb: { microcode: 84 } }],
    ['statuses for AMD', 'snp-genoa', { tcb: { status: ['UpToDate'], allowedAdvisories: [] } }],
    ['a device without companions', 'h100-cc', { with: undefined }],
    ['a device with a key life', 'h100-cc', { maxKeyHours: 1 }],
    ['an empty list of drivers', 'h100-cc', { drivers: [] }],
  ]
  it.each(entries)('refuses hardware with %s', (_name, id, change) => {
    expect(hardware(id, change)).toBe('policy-malformed')
  })

  it('refuses companions that are not there, or are devices themselves', () => {
    expect(hardware('h100-cc', { with: ['tdx-emr'] })).toBe('policy-reference-unknown')
    expect(hardware('h100-cc', { with: ['nvswitch'] })).toBe('policy-reference-unknown')
  })

  const images: readonly [string, PolicyJson][] = [
    ['nothing to match', { match: {} }],
    ['too little to identify a TD', { match: { mrtd: '00'.repeat(48) } }],
    ['a value in upper case', { match: { mrtd: 'AA'.repeat(48), rtmr1: '00', rtmr2: '00' } }],
    ['an empty value', { match: { mrtd: '', rtmr1: '00', rtmr2: '00' } }],
    ['a device', { kind: 'nvidia-gpu', match: { m0: '00' } }],
    ['an unknown field', { retiresAt: 1 }],
    ['a model binding that does not exist', { modelBinding: 'optional' }],
    ['half of its devices', { devices: { gpus: 8 } }],
    ['provenance that is not text', { provenance: { source: 1 } }],
    ['no start', { activeFrom: undefined }],
  ]
  it.each(images)('refuses an image with %s', (_name, change) => {
    expect(image(change)).toBe('policy-malformed')
  })

  it.each([
    ['nitro', { pcr0: '00', pcr1: '00' }, false],
    ['nitro', { pcr0: '00', pcr1: '00', pcr2: '00' }, true],
    ['nitro', { pcr8: '00' }, true],
    ['sgx', { mrSigner: '00' }, false],
    ['sgx', { mrEnclave: '00' }, true],
    ['sev-snp', { hostData: '00' }, false],
    ['sev-snp', { measurement: '00', hostData: '00' }, true],
  ] as const)('asks of a %s image that %j identifies it: %s', (kind, match, enough) => {
    const bytes = encodePolicy(policyJson({ images: [{ id: 'x', kind, match, activeFrom: 0 }] }))
    if (enough) expect(decodePolicy(bytes).images).toHaveLength(1)
    else expect(policyRefusal(bytes)).toBe('policy-malformed')
  })

  it('refuses duplicate keys, text that is not JSON, and too much of it', () => {
    const twice = JSON.stringify(policyJson()).replace('"epoch":42', '"epoch":42,"epoch":7')
    expect(policyRefusal(utf8(twice))).toBe('policy-malformed')
    expect(policyRefusal(utf8('{"v":1'))).toBe('policy-malformed')
    expect(policyRefusal(utf8('null'))).toBe('policy-malformed')
    expect(policyRefusal(Uint8Array.of(0xff))).toBe('policy-malformed')
    expect(policyRefusal(new Uint8Array(POLICY_BYTES_MAX + 1))).toBe('policy-too-large')
  })

  it('knows every flag by one name', () => {
    for (const names of Object.values(FLAGS)) expect(new Set(names).size).toBe(names.length)
  })
})
