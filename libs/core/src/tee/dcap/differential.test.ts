import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { AttestationError } from '../error.js'
import { MEDIA_TYPES, type Endorsement } from '../evidence.js'
import {
  dcapCases,
  dcapEndorsements,
  storedCollateral,
  type DcapCase,
  type StoredCollateral,
} from '../testing/dcap-vectors.js'
import { PROVIDERS } from '../testing/providers.js'
import { derOf, readVector } from '../testing/vectors.js'
import { sgx, tdx } from './verify.js'

/**
 * Against @phala/dcap-qvl 0.3.9, which is an oracle and never a decision: it does not authenticate lists of revocation,
 * and compares all sixteen TDX components where Intel compares from the third. Every difference must be on the list.
 */
interface Phala {
  verify(
    quote: Uint8Array,
    collateral: StoredCollateral,
    nowSeconds: number,
  ): { status: string; advisory_ids: string[] }
}
const phala = createRequire(import.meta.url)('@phala/dcap-qvl') as Phala

const INTEL = derOf('roots/intel-sgx-root-ca.der')

async function ours(row: DcapCase, collateral: StoredCollateral): Promise<string> {
  const kind = row.quote.kind === 'intel-tdx' ? 'tdx' : 'sgx'
  const endorsements: Endorsement[] = dcapEndorsements(collateral)
  try {
    const { tcb, debug } = await (kind === 'tdx' ? tdx : sgx).verify(
      { kind, mediaType: MEDIA_TYPES[kind], bytes: readVector(row.quote.file) },
      {
        at: new Date(row.verifyAt),
        roots: { intel: [INTEL] },
        endorsements,
        revocation: 'required',
        crypto: PROVIDERS[0]!,
      },
    )
    return debug ? 'refused: debug' : `${tcb.status} [${tcb.advisories}]`
  } catch (error) {
    if (error instanceof AttestationError) return 'refused'
    throw error
  }
}

function theirs(row: DcapCase, collateral: StoredCollateral): string {
  try {
    const { status, advisory_ids } = phala.verify(
      readVector(row.quote.file),
      collateral,
      Date.parse(row.verifyAt) / 1000,
    )
    return `${status} [${advisory_ids.toSorted()}]`
  } catch (error) {
    return /debug/i.test(messages(error)) ? 'refused: debug' : 'refused'
  }
}

function messages(error: unknown): string {
  return error instanceof Error ? `${error.message} ${messages(error.cause)}` : ''
}

const ADVISORIES = 'OutOfDate [INTEL-SA-00960,INTEL-SA-00982,INTEL-SA-00986]'
const UP_TO_DATE = 'UpToDate []'

/**
 * quote × collateral → [ours, theirs]. One cause: Intel leaves TEE_TCB_SVN[0] and [1] of a versioned TDX module to
 * the module's identity, Phala compares them with the platform's level. So the current module of cos113 looks old to
 * it, and the old one of az_trustee is below every level.
 */
const DIFFERENCES: Readonly<Record<string, readonly [string, string]>> = {
  'tdx/cos113 × B_00806F_2025_06': [UP_TO_DATE, ADVISORIES],
  'tdx/cos113 × B2_00806F_2025_10': [UP_TO_DATE, ADVISORIES],
  'tdx/az_trustee × B_00806F_2025_06': [ADVISORIES, 'refused'],
  'tdx/az_trustee × B2_00806F_2025_10': [ADVISORIES, 'refused'],
}

/** Phala reads both lists of revocation and authenticates neither (reference finding, still so in 0.3.9). */
const UNAUTHENTICATED_LISTS: readonly [string, (c: StoredCollateral) => StoredCollateral][] = [
  ['a flipped bit in a list’s signature', (c) => ({ ...c, pck_crl: flippedLast(c.pck_crl) })],
  ['garbage for a list', (c) => ({ ...c, pck_crl: '00' })],
  ['the two lists swapped', (c) => ({ ...c, pck_crl: c.root_ca_crl, root_ca_crl: c.pck_crl })],
  ['a stale list', (c) => ({ ...c, pck_crl: storedCollateral('B2_00806F_2025_10').pck_crl })],
]

/** What Phala does check, it refuses as we do. */
const REFUSED_BY_BOTH: readonly [string, (c: StoredCollateral) => StoredCollateral][] = [
  ['a changed status in the TCB info', (c) => ({ ...c, tcb_info: c.tcb_info.replace('"OutOfDate"', '"UpToDate"') })],
  ['a changed isvprodid', (c) => ({ ...c, qe_identity: c.qe_identity.replace('"isvprodid":2', '"isvprodid":3') })],
  [
    'another TCB signer',
    (c) => ({ ...c, tcb_info_issuer_chain: storedCollateral('C_50806F_2023_06').tcb_info_issuer_chain }),
  ],
]

describe('differential: @phala/dcap-qvl 0.3.9', () => {
  it('agrees on every quote × collateral × time, but for the listed differences', async () => {
    const found: Record<string, readonly [string, string]> = {}
    for (const row of dcapCases()) {
      const collateral = storedCollateral(row.collateral)
      const [mine, its] = [await ours(row, collateral), theirs(row, collateral)]
      if (mine !== its) found[`${row.quote.id} × ${row.collateral}`] = [mine, its]
    }
    console.info(`differential: ${dcapCases().length} rows, ${Object.keys(found).length} differences`)
    expect(found).toEqual(DIFFERENCES)
  })

  const late = dcapCases().find(
    ({ quote, collateral }) => quote.id === 'tdx/go_tdx_v5' && collateral === 'D_90C06F_2026_02',
  )!

  it.each(UNAUTHENTICATED_LISTS)('differs on %s, which Phala accepts', async (_name, change) => {
    const changed = change(storedCollateral(late.collateral))
    expect([await ours(late, changed), theirs(late, changed)]).toEqual(['refused', UP_TO_DATE])
  })

  it.each(REFUSED_BY_BOTH)('agrees on %s', async (_name, change) => {
    const changed = change(storedCollateral(late.collateral))
    expect([await ours(late, changed), theirs(late, changed)]).toEqual(['refused', 'refused'])
  })
})

function flippedLast(hex: string): string {
  return hex.slice(0, -1) + (Number.parseInt(hex.slice(-1), 16) ^ 1).toString(16)
}
