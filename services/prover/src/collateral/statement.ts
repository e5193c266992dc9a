import { ENDORSEMENT_ROLES, type CryptoProvider, type Endorsement, type EndorsementRole, type TrustAnchors } from '@haca/core/tee'
import { ensure, refuse, toHex, type Certificate, type Validity } from '@haca/core/tee/collateral'
import { createHash } from 'node:crypto'
import type { GoldenSigner } from './manifest/golden-values.js'

/**
 * What a vendor said about a subject, in parts. Some parts are endorsements, which verifiers read; others are what it takes to check them again
 * without asking anybody: the path of the issuer, where a list is published, the manifest that golden values were made of.
 */
export interface Statement {
  /** Names what was asked for: `intel/tcb-info/tdx/90c06f000000`. Slash-separated segments of a blob's key. */
  readonly subject: string
  readonly parts: readonly Part[]
}

export interface Part {
  readonly role: PartRole
  readonly bytes: Uint8Array
}

export const PART_ROLES = [...ENDORSEMENT_ROLES, 'issuer-chain', 'location', 'manifest'] as const
export type PartRole = (typeof PART_ROLES)[number]

/** A statement that was proven, as it is kept. */
export interface Checked extends Validity {
  readonly statement: Statement
  /** Sorts statements on one subject: the vendor's own order of them, as text of fixed width. */
  readonly standing: string
}

/** What statements are proven by. */
export interface Grounds {
  readonly roots: TrustAnchors
  /** Roots of reference manifests. */
  readonly manifestRoots: readonly Uint8Array[]
  /** Absent where no golden values are made; then no manifest is taken. */
  readonly golden: GoldenSigner | undefined
  readonly crypto: CryptoProvider
}

/** Asks one vendor and proves its answers. */
export interface Vendor {
  /** First segment of its subjects. */
  readonly name: string
  /** Proves path, signature, dates at `at` (unix milliseconds), and that the subject is what it is about. Refuses with AttestationError. */
  check(statement: Statement, at: number, grounds: Grounds): Promise<Checked>
  /** Asks about a subject; `context` is what only the evidence could tell. Answers without having checked. Throws AppError. */
  ask(subject: string, context: readonly Part[], signal: AbortSignal): Promise<Statement>
}

/** The endorsements among the parts. */
export const endorsementsOf = ({ parts }: Statement): Endorsement[] => parts.filter((part): part is Part & { role: EndorsementRole } => (ENDORSEMENT_ROLES as readonly string[]).includes(part.role))

/** The one part of a role; refuses with `endorsement-missing` or `endorsement-duplicate`. */
export function partOf(parts: readonly Part[], role: PartRole): Uint8Array {
  const found = parts.filter((part) => part.role === role)
  ensure(found.length <= 1, 'endorsement-duplicate', `${found.length} parts ${role}`)
  return found[0]?.bytes ?? refuse('endorsement-missing', role)
}

/** Refuses a part that the subject does not have: nothing is archived that nobody looked at. */
export function onlyParts({ subject, parts }: Statement, roles: readonly PartRole[]): void {
  for (const { role } of parts) ensure(roles.includes(role), 'endorsement-unexpected', `${subject} has no ${role}`)
}

/** Numbers as text that sorts as they do; up to 20 octets for those that come as octets. */
export const standingOf = (...numbers: (number | Uint8Array)[]): string =>
  numbers.map((one) => (typeof one === 'number' ? one.toString(16).padStart(14, '0') : toHex(one).padStart(42, '0'))).join('-')

export const unknownSubject = (subject: string): never => refuse('collateral-mismatch', `nobody publishes ${JSON.stringify(subject.slice(0, 100))}`)

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Certificates as a bundle, in this order. */
export function pemOf(certificates: readonly Certificate[]): Uint8Array {
  const blocks = certificates.map(({ raw }) => ['-----BEGIN CERTIFICATE-----', ...(Buffer.from(raw).toString('base64').match(/.{1,64}/g) ?? []), '-----END CERTIFICATE-----', ''].join('\n'))
  return new Uint8Array(Buffer.from(blocks.join('')))
}
