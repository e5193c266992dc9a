import { Hex, type Batch, type Receipt } from '@haca/core'
import type { Network } from '../network.js'
import { rootsFrom, type RootsFile } from '../roots-file.js'
import type { Archive, Attestation, Removed, Shelf } from '../verify/attestation.js'
import type { Bundle } from '../verify/bundle.js'
import type { Name, Status } from '../verify/claims.js'
import { verify, type ChainReader, type Trust } from '../verify/verify.js'

// Reads vectors/receipt/attested-v1.json and attested-evidence-v1.json, in Node and in browsers alike: everything here is given, nothing is read.

/** Times in unix seconds. */
export interface KeyLife {
  keyKind: number
  notBefore: number
  notAfter: number
  retiredAt: number
  compromisedFrom?: number
  reason: string
  evidenceId: Hex.Hex
}

export interface AttestedCase {
  why: string
  receipt: Receipt.Json
  digest: Hex.Hex
  signature: Hex.Hex
  attestation: string
  /** What is done to a full archive: names left out, names under which other bytes lie, removals it was made with. */
  archive: { drop: Hex.Hex[]; alter: Record<Hex.Hex, Hex.Hex>; removals: Removed[] | null }
  trust: 'all' | 'hardware' | 'no-golden' | 'vendors'
  chain: { key: KeyLife | null; removals: Removed[]; policyDigest: Hex.Hex | null; anchoredAt: number; header: Batch.Json; headerHash: Hex.Hex }
  offline: Record<Name, Status>
  online: Record<Name, Status>
  marks: { offline: string[]; online: string[] }
  because: Partial<Record<Name, string>>
  /** What the contracts answer. */
  log: { signature: 'taken' | 'refused'; leaf: 'stands' | 'signer-invalid' | 'anchored-late'; removed: boolean }
}

export interface AttestedVectors {
  chainId: number
  log: Hex.Hex
  teeRegistry: Hex.Hex
  policyRegistry: Hex.Hex
  token: Hex.Hex
  evidenceSigners: Hex.Hex[]
  policySigners: Hex.Hex[]
  roots: RootsFile
  cases: AttestedCase[]
  pairs: { why: string; contradiction: string; first: { receipt: Receipt.Json; signature: Hex.Hex }; second: { receipt: Receipt.Json; signature: Hex.Hex } }[]
}

/** vectors/receipt/attested-evidence-v1.json. */
export interface AttestedEvidence {
  attestations: Record<string, Attestation | null>
  blobs: Record<Hex.Hex, string>
}

/** The whole bundle of a case, as one file would have it. */
export function bundleOf(one: AttestedCase, vectors: AttestedVectors, evidence: AttestedEvidence): Bundle {
  const attestation = evidence.attestations[one.attestation] ?? null
  const { receipt, chain } = one
  const simulated = receipt.keyKind === 255
  return {
    v: 1,
    requestId: receipt.requestId,
    simulated,
    domain: { name: simulated ? 'HACA Simulated Receipt' : 'HACA Receipt', version: '1', chainId: vectors.chainId, verifyingContract: vectors.log },
    receipt,
    signature: one.signature,
    receiptHash: one.digest,
    payment: null,
    evidence: null,
    inclusion: { header: chain.header, headerHash: chain.headerHash, index: 0, collected: chain.header.total, siblings: [], evidenceDigest: Hex.zero32, anchor: null },
    attestation,
    ...(attestation ? { archive: archiveOf(attestation, one.archive, evidence.blobs) } : {}),
  }
}

function archiveOf({ evidence, collateral, policies }: Attestation, { drop, alter, removals }: AttestedCase['archive'], blobs: AttestedEvidence['blobs']): Archive {
  const shelf = (references: readonly { digest: Hex.Hex }[]): Archive[Shelf] =>
    Object.fromEntries(references.filter(({ digest }) => !drop.includes(digest)).map(({ digest }) => [digest, blobs[alter[digest] ?? digest] as string]))
  return { evidence: shelf(evidence ? [evidence] : []), collateral: shelf(collateral), policies: shelf(policies), ...(removals ? { removals } : {}) }
}

/** The pinned deployment that the vectors were made for. */
export const networkOf = ({ chainId, log, teeRegistry, policyRegistry, token, evidenceSigners, policySigners }: AttestedVectors): Network => ({
  ...{ chainId, settlementLog: log, teeRegistry, policyRegistry, evidenceSigners, policySigners },
  revenueVault: Hex.zeroAddress,
  token: { address: token, name: 'USDC', version: '2' },
  offerSigners: [],
})

/** The roots a case's caller pinned; absent: those of the vendors. */
export function rootsOf({ trust }: AttestedCase, { roots }: AttestedVectors): RootsFile | undefined {
  if (trust === 'vendors') return undefined
  if (trust === 'hardware') return { ...roots, simulated: [] }
  return trust === 'no-golden' ? { ...roots, goldenValueSigners: [] } : roots
}

/** The chain as a case has it, by the rules of `TeeRegistry`. */
export function chainOf({ chain, receipt }: AttestedCase): ChainReader {
  const { key, removals, policyDigest, anchoredAt, header, headerHash } = chain
  return {
    headerOf: async (id) => (id === header.id ? headerHash : Hex.zero32),
    committedAt: async () => anchoredAt,
    credited: async () => BigInt(receipt.price),
    keyValidity: async (_node, keyKind, at) => validityOf(key, keyKind, at),
    keyRecord: async () => key ? { evidenceId: key.evidenceId, retiredAt: key.retiredAt, reason: key.reason, ...(key.compromisedFrom === undefined ? {} : { compromisedFrom: key.compromisedFrom }) } : undefined,
    removals: async () => removals,
    policyDigestAt: async () => policyDigest ?? undefined,
  }
}

function validityOf(key: KeyLife | null, keyKind: number, at: number): string {
  if (!key) return 'unknown'
  if (key.compromisedFrom !== undefined && at >= key.compromisedFrom) return 'compromised'
  if (at < key.notBefore) return 'not-yet-valid'
  if (at > key.notAfter) return 'expired'
  if (key.retiredAt !== 0 && at >= key.retiredAt) return 'retired'
  return key.keyKind === keyKind ? 'valid' : 'of another kind'
}

/** What a case came to: statuses, marks, and why. */
export interface Outcome {
  claims: Record<string, Status>
  marks: string[]
  reasons: Record<string, string>
}

/** Checks one case as a caller would, without the chain or with it. */
export async function outcomeOf(one: AttestedCase, vectors: AttestedVectors, evidence: AttestedEvidence, how: 'offline' | 'online'): Promise<Outcome> {
  const roots = rootsOf(one, vectors)
  const trust: Trust = { network: networkOf(vectors), pinned: true, ...(roots ? { roots: rootsFrom(roots) } : {}), ...(how === 'online' ? { chain: chainOf(one) } : {}) }
  const { claims, marks } = await verify({ bundle: bundleOf(one, vectors, evidence) }, trust)
  const entries = Object.entries(claims)
  return { claims: Object.fromEntries(entries.map(([name, { status }]) => [name, status])), marks, reasons: Object.fromEntries(entries.map(([name, { reason }]) => [name, reason])) }
}
