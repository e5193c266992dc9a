import { HARDWARE_VERIFIERS, verifyEvidence } from '@haca/core/tee'
import { DcapVectors, Vectors } from '@haca/core/tee/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportLines, importLines, type Imported } from './bundle.js'
import type { Part } from './statement.js'
import { collateralWorld, collectionOf } from './testing/collateral-world.js'

const at = '2025-06-25T00:00:00Z'
const now = Date.parse(at)
const manifestName = 'nvidia/rim/NV_GPU_VBIOS_1010_0200_882_96005E0001'

let bundle: string[]
beforeAll(async () => {
  const { library } = collateralWorld(at)
  const stored = DcapVectors.storedCollateral('P1_B0C06F_2025_06')
  const parts = (...roles: string[]): Part[] => DcapVectors.dcapEndorsements(stored).filter(({ role }) => roles.includes(role)) as Part[]
  const chain: Part = { role: 'issuer-chain', bytes: new Uint8Array(Buffer.from(stored.pck_crl_issuer_chain ?? '')) }
  await library.admit({ subject: 'intel/root-crl', parts: parts('root-crl') }, now)
  await library.admit({ subject: 'intel/pck-crl/platform', parts: [...parts('pck-crl'), chain] }, now)
  await library.admit({ subject: 'intel/tcb-info/tdx/b0c06f000000', parts: parts('tcb-info', 'tcb-info-chain') }, now)
  await library.admit({ subject: 'intel/qe-identity/tdx', parts: parts('qe-identity', 'qe-identity-chain') }, now)
  // Its signer's certificate ended on 22 June 2025, three days before.
  await library.admit({ subject: manifestName, parts: [{ role: 'manifest', bytes: Vectors.readVector('nvidia/rim/vbios-96.00.5E.00.01-1010_0200_882.swidtag') }] }, Date.parse('2025-06-01T00:00:00Z'))
  bundle = await all(exportLines(library, now))
})

async function all<T>(lines: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const line of lines) list.push(line)
  return list
}
const taken = (lines: readonly string[], world = collateralWorld(at), time = now): Promise<Imported[]> => all(importLines(lines, world.library, time))
const lineOf = (subject: string): string => bundle.find((line) => line.includes(`"${subject}"`))!

describe('an offline bundle', () => {
  it('carries all that a genuine quote needs into a prover that asks nobody', async () => {
    const offline = collateralWorld(at)
    expect((await taken(bundle, offline)).map(({ subject, outcome }) => `${subject} ${outcome}`)).toEqual([
      'intel/pck-crl/platform newer',
      'intel/qe-identity/tdx newer',
      'intel/root-crl newer',
      'intel/tcb-info/tdx/b0c06f000000 newer',
      `${manifestName} refused`,
    ])
    const collection = collectionOf('tdx', Vectors.readVector('tdx/phala.quote'))
    const { endorsements } = await offline.collateral.endorsements('machine', collection, new Date(now))
    expect(await verifyEvidence(collection.machine.evidence, { at: new Date(now), roots: offline.roots, endorsements, revocation: 'required', crypto: offline.crypto }, HARDWARE_VERIFIERS)).toMatchObject({ tcb: { status: 'UpToDate' } })
    expect((await taken(bundle.slice(0, 4), offline)).map(({ outcome }) => outcome)).toEqual(['same', 'same', 'same', 'same'])
  })

  it('carries manifests, not golden values: those are signed where they are taken in', async () => {
    expect(lineOf(manifestName)).not.toContain('golden-values')
    const then = Date.parse('2025-06-01T00:00:00Z')
    const world = collateralWorld(new Date(then))
    expect((await taken([lineOf(manifestName)], world, then))[0]).toMatchObject({ outcome: 'newer' })
    expect((await world.library.open((await world.library.current(manifestName, then))!)).parts.map(({ role }) => role)).toEqual(['manifest', 'golden-values'])
  })

  it('is believed for its signatures and not for who carried it: every tampering is refused, and the rest is taken', async () => {
    const root = lineOf('intel/root-crl')
    const parsed = JSON.parse(root) as { v: number; subject: string; parts: { role: string; sha256: string; base64: string }[] }
    const [part] = parsed.parts as [{ role: string; sha256: string; base64: string }]
    const forged = Buffer.from(part.base64, 'base64')
    forged[forged.length - 1]! ^= 1
    const { createHash } = await import('node:crypto')
    const rehashed = { role: part.role, base64: forged.toString('base64'), sha256: createHash('sha256').update(forged).digest('hex') }
    const change = (fields: object): string => JSON.stringify({ ...parsed, ...fields })
    const outcomes = await taken([
      change({ parts: [{ ...part, base64: forged.toString('base64') }] }),
      change({ parts: [rehashed] }),
      change({ parts: [{ ...part, role: 'secret' }] }),
      change({ parts: [{ ...part, base64: `${part.base64} ` }] }),
      change({ parts: [] }),
      change({ subject: 'intel/pck-crl/platform' }),
      change({ subject: '../../etc/passwd' }),
      change({ v: 2 }),
      change({ note: 'x' }),
      root.slice(0, -1),
      '[]',
      root,
    ])
    expect(outcomes.slice(0, -1).map(({ outcome }) => outcome)).toEqual(Array(11).fill('refused'))
    expect(outcomes[0]?.detail).toContain('altered')
    expect(outcomes[1]?.detail).toContain('crl-signature-invalid')
    expect(outcomes.at(-1)).toMatchObject({ line: 12, subject: 'intel/root-crl', outcome: 'newer' })
  })

  it('that has run out is refused, and so is one older than what is there', async () => {
    const late = Date.parse('2025-08-01T00:00:00Z')
    expect((await taken(bundle, collateralWorld(new Date(late)), late)).map(({ outcome }) => outcome)).toEqual(['refused', 'refused', 'newer', 'refused', 'refused'])
    const world = collateralWorld('2026-02-20T00:00:00Z')
    const admit = async (name: 'D_90C06F_2026_02' | 'P3_90C06F_2026_02') => {
      const parts = DcapVectors.dcapEndorsements(DcapVectors.storedCollateral(name)).filter(({ role }) => role.startsWith('tcb-info')) as Part[]
      const other = collateralWorld('2026-02-20T00:00:00Z')
      await other.library.admit({ subject: 'intel/tcb-info/tdx/90c06f000000', parts }, other.clock.now)
      return all(exportLines(other.library, other.clock.now))
    }
    expect((await taken(await admit('P3_90C06F_2026_02'), world, world.clock.now))[0]?.outcome).toBe('newer')
    expect((await taken(await admit('D_90C06F_2026_02'), world, world.clock.now))[0]?.outcome).toBe('older')
  })
})
