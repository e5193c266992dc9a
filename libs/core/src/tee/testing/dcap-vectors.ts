import type { Endorsement, Endorsements } from '../evidence.js'
import { entries, readVectorText, type VectorEntry } from './vectors.js'

/** Collateral as the vectors store it: Phala's field names, CRLs as hexadecimal DER, signed texts verbatim. */
export interface StoredCollateral {
  readonly root_ca_crl: string
  readonly pck_crl: string
  /** In sets that were taken whole from one origin. */
  readonly pck_crl_issuer_chain?: string
  readonly tcb_info: string
  readonly tcb_info_signature: string
  readonly tcb_info_issuer_chain: string
  readonly qe_identity: string
  readonly qe_identity_signature: string
  readonly qe_identity_issuer_chain: string
}

export function storedCollateral(name: string): StoredCollateral {
  return JSON.parse(readVectorText(`tdx/collateral/${name}.json`))
}

/** The endorsements a collateral service would hand over: Intel's answers put back in the form they are served. */
export function dcapEndorsements(stored: StoredCollateral): Endorsement[] {
  const text = (value: string) => new TextEncoder().encode(value)
  return [
    { role: 'root-crl', bytes: new Uint8Array(Buffer.from(stored.root_ca_crl, 'hex')) },
    { role: 'pck-crl', bytes: new Uint8Array(Buffer.from(stored.pck_crl, 'hex')) },
    { role: 'tcb-info', bytes: text(`{"tcbInfo":${stored.tcb_info},"signature":"${stored.tcb_info_signature}"}`) },
    { role: 'tcb-info-chain', bytes: text(stored.tcb_info_issuer_chain) },
    {
      role: 'qe-identity',
      bytes: text(`{"enclaveIdentity":${stored.qe_identity},"signature":"${stored.qe_identity_signature}"}`),
    },
    { role: 'qe-identity-chain', bytes: text(stored.qe_identity_issuer_chain) },
  ]
}

/** The same endorsements with one item's bytes replaced. */
export function replaced(endorsements: Endorsements, role: Endorsement['role'], bytes: Uint8Array): Endorsement[] {
  return endorsements.map((item) => (item.role === role ? { role, bytes } : item))
}

export interface DcapCase {
  readonly quote: VectorEntry
  readonly collateral: string
  readonly verifyAt: string
  readonly result?: 'reject'
  readonly reason?: string
  readonly tcbStatus?: string
  readonly parts?: readonly { who: string; status: string; adv: string[]; date: string }[]
  readonly advisories?: string[]
  readonly debug?: boolean
  readonly serviceTd?: boolean
  readonly collateralWindow?: [string, string]
  readonly tdxModule?: { id: string; isvsvn: number; status: string } | null
}

/** Every quote × collateral × time row of the manifest. */
export function dcapCases(): DcapCase[] {
  const quotes = [...entries('tdx/'), ...entries('sgx/')].filter(
    ({ kind }) => kind === 'intel-tdx' || kind === 'intel-sgx',
  )
  return quotes.flatMap((quote) => (quote['cases'] as Omit<DcapCase, 'quote'>[]).map((row) => ({ quote, ...row })))
}
