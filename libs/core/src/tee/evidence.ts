import { concat, type HexDigits, toHex, utf8 } from './bytes.js'
import type { CryptoProvider } from './crypto.js'
import { ensure, refuse } from './error.js'
import type { RevocationFact, RevocationMode } from './revocation.js'
import type { TcbStatus } from './dcap/tcb.js'

/** Kinds of evidence. `simulated` is a kind of its own and is never mapped onto a real one. */
export const TEE_KINDS = ['nitro', 'tdx', 'sgx', 'sev-snp', 'nvidia-gpu', 'nvidia-switch', 'simulated'] as const
export type TeeKind = (typeof TEE_KINDS)[number]

/** What a piece of evidence vouches for: a confidential machine, or a device plugged into one. */
export type TeeRole = 'cpu' | 'gpu' | 'switch'

/** The one media type under which each kind is taken. */
export const MEDIA_TYPES = {
  nitro: 'application/vnd.aws.nitro-attestation+cose',
  tdx: 'application/vnd.intel.tdx-quote',
  sgx: 'application/vnd.intel.sgx-quote',
  'sev-snp': 'application/vnd.amd.sev-snp-report',
  'nvidia-gpu': 'application/vnd.nvidia.gpu-attestation+spdm',
  'nvidia-switch': 'application/vnd.nvidia.switch-attestation+spdm',
  simulated: 'application/vnd.haca.simulated-attestation+cose',
} as const satisfies Record<TeeKind, string>

export interface Evidence {
  readonly kind: TeeKind
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/**
 * Everything a verifier needs besides the evidence; nothing is fetched. Each family's module lists its roles. A role
 * that the family does not know, or a second item where one is meant, refuses: a misspelt revocation list must not
 * pass for an absent one.
 */
export type Endorsements = readonly Endorsement[]

export interface Endorsement {
  readonly role: EndorsementRole
  readonly bytes: Uint8Array
}

export const ENDORSEMENT_ROLES = [
  /** CRL, DER. Any number; authenticated by an issuer on the evidence's path. */
  'crl',
  /** OCSP answer, DER. Any number. */
  'ocsp',
  /** Intel's lists: the root's, and that of the CA which issued the PCK; DER. */
  'root-crl',
  'pck-crl',
  /** Intel's TCB info and QE identity: the exact body of the Provisioning Certification Service's answer. */
  'tcb-info',
  'qe-identity',
  /** Chains of their signers, PEM, signer first, root last. */
  'tcb-info-chain',
  'qe-identity-chain',
  /** AMD's VCEK or VLEK, and the ASK or ASVK above it; each one certificate, DER or PEM. */
  'vek',
  'vek-issuer',
  /** NVIDIA device chain, PEM, leaf first, root last. */
  'device-chain',
  /** Golden values as a compact JWS. Up to two: driver and VBIOS. */
  'golden-values',
  /** dstack event log, JSON. */
  'event-log',
] as const
export type EndorsementRole = (typeof ENDORSEMENT_ROLES)[number]

/** Pinned roots and keys, DER (certificates) or raw points (keys). An absent family is a family nobody trusts. */
export interface TrustAnchors {
  readonly aws?: readonly Uint8Array[]
  readonly intel?: readonly Uint8Array[]
  readonly amd?: Readonly<Partial<Record<'Milan' | 'Genoa' | 'Turin', Uint8Array>>>
  readonly nvidia?: readonly Uint8Array[]
  /** P-384 points (97 bytes) of those who convert NVIDIA's reference manifests into golden values. */
  readonly goldenValueSigners?: readonly Uint8Array[]
  readonly simulated?: readonly Uint8Array[]
}

export interface VerifyContext {
  /** The time to verify at. Nothing here reads a clock. */
  readonly at: Date
  readonly roots: TrustAnchors
  readonly endorsements: Endorsements
  readonly revocation: RevocationMode
  readonly crypto: CryptoProvider
}

/** Facts only, no judgement: what the evidence and its endorsements prove, for a policy to weigh. */
export interface EvidenceClaims {
  readonly kind: TeeKind
  readonly role: TeeRole
  /** `Genoa`, `fmspc:90C06F000000`, `GH100`, `*` for Nitro, which names no hardware. */
  readonly product: string
  /** PPID or platform instance, CHIP_ID, device serial; absent where the evidence names no machine. */
  readonly platformId?: HexDigits
  readonly measurements: Readonly<Record<string, HexDigits>>
  /** Versions and part numbers as the evidence prints them (driver, vbios, moduleId). */
  readonly versions: Readonly<Record<string, string>>
  readonly userData: Uint8Array
  readonly nonce?: Uint8Array
  readonly publicKey?: Uint8Array
  /** `undefined` where the evidence format does not say (NVIDIA). */
  readonly debug: boolean | undefined
  readonly tcb: TcbFacts
  readonly flags: Readonly<Record<string, boolean>>
  readonly revocation: RevocationFact
  /** When the evidence says it was made (Nitro, simulated). An assertion of the signing hardware. */
  readonly issuedAt?: Date
  /** The time during which every certificate and statement used is valid. */
  readonly validity: { readonly notBefore: Date; readonly notAfter: Date }
  readonly provenance: Provenance
}

/**
 * The flags each kind can state. A policy that names any other refuses to decode, because a misspelt flag under
 * `forbid` would forbid nothing.
 */
export const FLAGS = {
  nitro: [],
  tdx: [
    'septVeDisable',
    'migratable',
    'pks',
    'keyLocker',
    'perfmon',
    'lass',
    'icssd',
    'tpa',
    'serviceTd',
    'eventLog',
    'dynamicPlatform',
    'cachedKeys',
    'smtEnabled',
  ],
  sgx: ['dynamicPlatform', 'cachedKeys', 'smtEnabled'],
  'sev-snp': [
    'smtAllowed',
    'migrateMa',
    'singleSocket',
    'cxlAllowed',
    'memAes256Xts',
    'raplDisabledRequired',
    'ciphertextHidingRequired',
    'pageSwapDisabled',
    'smt',
    'tsme',
    'ecc',
    'raplDisabled',
    'ciphertextHiding',
    'aliasCheck',
    'tio',
    'vlek',
  ],
  'nvidia-gpu': ['multiGpu', 'ppcie', 'nvdec0Disabled', 'goldenDriver', 'goldenVbios', 'fwid', 'ocspGood'],
  'nvidia-switch': ['multiGpu', 'ppcie', 'nvdec0Disabled', 'goldenDriver', 'goldenVbios', 'fwid', 'ocspGood'],
} as const satisfies Record<Exclude<TeeKind, 'simulated'>, readonly string[]>

export interface TcbFacts {
  /** Intel's converged status; absent for vendors without one. */
  readonly status?: TcbStatus
  readonly parts?: readonly TcbPart[]
  /** Security version numbers by component. */
  readonly svn: Readonly<Record<string, number>>
  readonly advisories: readonly string[]
  /** The lower tcbEvaluationDataNumber of TCB info and QE identity; must never go backwards between appraisals. */
  readonly evaluationNumber?: number
}

export interface TcbPart {
  readonly part: 'qe' | 'tdxModule' | 'platform'
  readonly status: TcbStatus
  readonly advisories: readonly string[]
  readonly date: string
}

export interface Provenance {
  /** SHA-256 of the root certificate. */
  readonly rootFingerprint: HexDigits
  /** SHA-256 of the certificate whose key signed the evidence (or certified the key that did). */
  readonly signerFingerprint: HexDigits
  /** SHA-256 of the evidence, without padding. */
  readonly evidenceDigest: HexDigits
  readonly endorsementsDigest: HexDigits
  readonly verifier: string
}

/** All endorsements of one piece of evidence together. */
export const ENDORSEMENTS_BYTES_MAX = 8 * 1024 * 1024

/** Verifies one kind of evidence: throws AttestationError unless the cryptography is complete. */
export interface Verifier {
  readonly kind: TeeKind
  readonly verify: (evidence: Evidence, context: VerifyContext) => Promise<EvidenceClaims>
}

/** The version that policies name with `minVerifierVersion`; raised when a verifier's behaviour changes. */
export const VERIFIER_VERSION = '1.0.0'

/**
 * Refuses evidence of another kind or beyond the family's size cap, before anything is parsed, and answers a copy of
 * its bytes: verification awaits, and nobody may change under it what it has already looked at.
 */
export function openEnvelope(evidence: Evidence, kind: TeeKind, bytesMax: number): Uint8Array {
  const ofKind = evidence.kind === kind && evidence.mediaType === MEDIA_TYPES[kind]
  ensure(ofKind, 'evidence-kind-mismatch', `${evidence.kind} (${evidence.mediaType}) is not ${kind}`)
  ensure(evidence.bytes.length <= bytesMax, 'evidence-too-large', `${evidence.bytes.length} bytes, ${bytesMax} allowed`)
  return new Uint8Array(evidence.bytes)
}

/** Copies of endorsements by role, after refusing roles outside `allowed` and more bytes than any family needs. */
export class EndorsementSet {
  readonly #items: Endorsements

  constructor(items: Endorsements, allowed: readonly EndorsementRole[]) {
    for (const { role } of items) ensure(allowed.includes(role), 'endorsement-unexpected', `role ${role}`)
    const total = items.reduce((sum, { bytes }) => sum + bytes.length, 0)
    ensure(total <= ENDORSEMENTS_BYTES_MAX, 'endorsement-too-large', `${total} bytes of endorsements`)
    this.#items = items.map(({ role, bytes }) => ({ role, bytes: new Uint8Array(bytes) }))
  }

  get items(): Endorsements {
    return this.#items
  }

  all(role: EndorsementRole, countMax = 8): Uint8Array[] {
    const found = this.#items.filter((item) => item.role === role).map(({ bytes }) => bytes)
    ensure(found.length <= countMax, 'endorsement-duplicate', `${found.length} items of role ${role}`)
    return found
  }

  optional(role: EndorsementRole): Uint8Array | undefined {
    return this.all(role, 1)[0]
  }

  one(role: EndorsementRole, bytesMax: number): Uint8Array {
    const bytes = this.optional(role) ?? refuse('endorsement-missing', role)
    ensure(bytes.length <= bytesMax, 'endorsement-too-large', `${role} of ${bytes.length} bytes`)
    return bytes
  }
}

/** SHA-256 over role and bytes of every item in the order given, each preceded by its length (u32, big-endian). */
export async function endorsementsDigest(items: Endorsements, crypto: CryptoProvider): Promise<HexDigits> {
  const parts = items.flatMap(({ role, bytes }) => [utf8(role), bytes]).flatMap((part) => [length32(part), part])
  return toHex(await crypto.digest('SHA-256', concat(...parts)))
}

/** The provenance every family reports in the same way. */
export async function provenance(
  verifier: TeeKind,
  digested: { root: Uint8Array; signer: Uint8Array; evidence: Uint8Array; endorsements: EndorsementSet },
  crypto: CryptoProvider,
): Promise<Provenance> {
  const sha256 = async (bytes: Uint8Array) => toHex(await crypto.digest('SHA-256', bytes))
  return {
    rootFingerprint: await sha256(digested.root),
    signerFingerprint: await sha256(digested.signer),
    evidenceDigest: await sha256(digested.evidence),
    endorsementsDigest: await endorsementsDigest(digested.endorsements.items, crypto),
    verifier: `haca-${verifier}/${VERIFIER_VERSION}`,
  }
}

function length32({ length }: Uint8Array): Uint8Array {
  return Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length)
}
