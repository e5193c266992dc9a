import type { StoredJson } from './vectors.js'

/** A complete policy as JSON, with one entry of every kind of hardware. Tests change copies of it. */
export type PolicyJson = Record<string, StoredJson>

export const NOT_BEFORE = 1_767_225_600 // 2026-01-01T00:00:00Z
export const MODEL_HASH = '44'.repeat(32)
export const TD_MEASUREMENT = 'a1'.repeat(48)
export const ZERO48 = '00'.repeat(48)

export function policyJson(change: PolicyJson = {}): PolicyJson {
  return {
    v: 1,
    network: 'mainnet',
    chainId: 84532,
    registry: `0x${'11'.repeat(20)}`,
    epoch: 42,
    notBefore: NOT_BEFORE,
    minVerifierVersion: '1.0.0',
    hardware: [
      {
        id: 'tdx-spr',
        kind: 'tdx',
        products: ['fmspc:90C06F000000'],
        tcb: { status: ['UpToDate'], allowedAdvisories: [], minEvalNumber: 18 },
        forbid: ['debug', 'serviceTd', 'migratable'],
        custody: 'cloud:test',
        platforms: ['07'.repeat(16)],
        maxKeyHours: 24,
      },
      {
        id: 'snp-genoa',
        kind: 'sev-snp',
        products: ['Genoa'],
        minTcb: { bl: 10, tee: 0, snp: 23, ucode: 84 },
        require: ['aliasCheck'],
        forbid: ['debug', 'migrateMa'],
        custody: 'cloud:azure',
        maxKeyHours: 24,
      },
      { id: 'nitro', kind: 'nitro', products: ['*'], forbid: ['debug'], maxKeyHours: 1 },
      {
        id: 'h100-cc',
        kind: 'nvidia-gpu',
        products: ['GH100'],
        drivers: ['580.159.03'],
        require: ['fwid', 'ocspGood'],
        with: ['tdx-spr', 'snp-genoa'],
      },
      { id: 'nvswitch', kind: 'nvidia-switch', products: ['LS10'], with: ['tdx-spr'] },
    ],
    deny: [
      { kind: 'sev-snp', product: 'Milan', reason: 'arXiv:2605.12990' },
      { kind: 'sgx', reason: 'WireTap, Battering RAM' },
    ],
    denyIds: { platform: [], signer: [], measurement: [] },
    images: [
      {
        id: 'engine-1.8.0',
        kind: 'tdx',
        match: { mrtd: TD_MEASUREMENT, rtmr1: ZERO48, rtmr2: ZERO48 },
        provenance: { source: 'git+https://example.test/engine@0123' },
        activeFrom: NOT_BEFORE,
        retireAt: NOT_BEFORE + 365 * 86_400,
      },
      {
        id: 'gateway-1.0.0',
        kind: 'sev-snp',
        match: { measurement: 'e1'.repeat(48) },
        modelBinding: 'none',
        activeFrom: NOT_BEFORE,
      },
    ],
    models: [{ id: 'mlp-100k', manifestHash: `sha256:${MODEL_HASH}` }],
    ...change,
  }
}

/** One entry of a list changed by id. */
export function changed(list: readonly PolicyJson[], id: string, change: PolicyJson): PolicyJson[] {
  return list.map((entry) => (entry['id'] === id ? { ...entry, ...change } : entry))
}

export function encodePolicy(json: PolicyJson): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json))
}
