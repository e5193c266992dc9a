import { fromUtf8, toHex } from './bytes.js'
import * as Cbor from './cbor.js'
import { commonName, parseCertificate, type Certificate } from './certificate.js'
import { checkCoseSignature, parseCoseSign1 } from './cose.js'
import { TCB_STATUSES, type TcbStatus } from './dcap/tcb.js'
import { ensure, refuse } from './error.js'
import {
  openEnvelope,
  EndorsementSet,
  provenance,
  type Evidence,
  type EvidenceClaims,
  type TcbFacts,
  type TeeRole,
  type VerifyContext,
  type Verifier,
} from './evidence.js'
import { OID } from './oid.js'
import { intersect, verifyPath } from './path.js'
import { checkRevocation, withDistributionPoint } from './revocation.js'

/**
 * Simulated evidence: proves nothing about any machine, and says so three times. It is a kind of its own, its root is
 * handed in by the caller and never built in, and every certificate carries a critical extension that no other verifier
 * knows, so that a stranger must refuse it (RFC 5280 §4.2). It has every field that policies look at, so that each of
 * their branches can be driven without hardware.
 *
 * Form: COSE_Sign1 with ES384 over a CBOR map, as `SimulatedDocument` lists it. Endorsements: `crl`.
 */
export const simulated: Verifier = { kind: 'simulated', verify }

export const SIMULATED_BYTES_MAX = 16 * 1024
export const SIMULATED_ROOT_NAME = 'SIMULATED TEE ROOT - NOT HARDWARE'

/** Contents of the marker extension: UTF8String "SIMULATED". */
export const SIMULATED_MARKER = Uint8Array.of(0x0c, 9, ...Array.from('SIMULATED', (letter) => letter.charCodeAt(0)))

/** The payload, by the names it has in CBOR. Absent optional fields are `null`. */
export interface SimulatedDocument {
  readonly v: 1
  readonly role: TeeRole
  readonly product: string
  readonly platform_id: Uint8Array | null
  readonly measurements: Readonly<Record<string, Uint8Array>>
  readonly versions: Readonly<Record<string, string>>
  readonly user_data: Uint8Array
  readonly nonce: Uint8Array | null
  readonly public_key: Uint8Array | null
  readonly debug: boolean
  readonly tcb_status: TcbStatus | null
  readonly tcb_svn: Readonly<Record<string, number>>
  readonly advisories: readonly string[]
  readonly flags: Readonly<Record<string, boolean>>
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly certificate: Uint8Array
  /** Root first. */
  readonly cabundle: readonly Uint8Array[]
}

const FIELDS: ReadonlySet<Cbor.CborKey> = new Set([
  'v',
  'role',
  'product',
  'platform_id',
  'measurements',
  'versions',
  'user_data',
  'nonce',
  'public_key',
  'debug',
  'tcb_status',
  'tcb_svn',
  'advisories',
  'flags',
  'timestamp',
  'certificate',
  'cabundle',
])

/** The payload bytes of a document, for whoever simulates: deterministic CBOR. */
export function encodeSimulatedDocument(document: SimulatedDocument): Uint8Array {
  return Cbor.encode({ ...document })
}

async function verify(evidence: Evidence, context: VerifyContext): Promise<EvidenceClaims> {
  const bytes = openEnvelope(evidence, 'simulated', SIMULATED_BYTES_MAX)
  const endorsements = new EndorsementSet(context.endorsements, ['crl'])
  const cose = parseCoseSign1(bytes)
  const document = parseDocument(cose.payload)

  const path = [document.certificate, ...document.cabundle.toReversed()].map(parseCertificate)
  const at = context.at.getTime()
  const { crypto } = context
  const roots = context.roots.simulated ?? []
  const pathValidity = await verifyPath({ path, roots, at, crypto, enforced: [OID.simulatedTee] })
  checkMarkers(path)
  await checkCoseSignature(cose, path[0]!, crypto)
  const revocation = await checkRevocation({
    path,
    needed: withDistributionPoint(path),
    crls: endorsements.all('crl'),
    ocsps: [],
    mode: context.revocation,
    at,
    crypto,
  })

  const validity = intersect([pathValidity, ...revocation.windows])
  return {
    kind: 'simulated',
    role: document.role,
    product: document.product,
    ...(document.platform_id && { platformId: toHex(document.platform_id) }),
    measurements: Object.fromEntries(
      Object.entries(document.measurements).map(([name, value]) => [name, toHex(value)]),
    ),
    versions: document.versions,
    userData: document.user_data,
    ...(document.nonce && { nonce: document.nonce }),
    ...(document.public_key && { publicKey: document.public_key }),
    debug: document.debug,
    tcb: tcbFacts(document),
    flags: document.flags,
    revocation: revocation.fact,
    issuedAt: new Date(document.timestamp),
    validity: { notBefore: new Date(validity.notBefore), notAfter: new Date(validity.notAfter) },
    provenance: await provenance(
      'simulated',
      { root: path.at(-1)!.raw, signer: path[0]!.raw, evidence: bytes, endorsements },
      crypto,
    ),
  }
}

function checkMarkers(path: readonly Certificate[]): void {
  for (const { extensions } of path) {
    const marker = extensions.get(OID.simulatedTee)
    const marked = marker?.critical === true && fromUtf8(marker.value) === fromUtf8(SIMULATED_MARKER)
    ensure(marked, 'simulated-marker-missing', 'a certificate does not say that it is simulated')
  }
  const name = commonName(path.at(-1)!.subject)
  ensure(name === SIMULATED_ROOT_NAME, 'simulated-marker-missing', 'the root does not say that it is simulated')
}

function tcbFacts({ tcb_status: status, tcb_svn: svn, advisories }: SimulatedDocument): TcbFacts {
  return { ...(status && { status }), svn, advisories }
}

function parseDocument(payload: Uint8Array): SimulatedDocument {
  const map = Cbor.decode(payload)
  ensure(map instanceof Map, 'evidence-malformed', 'payload is not a map')
  for (const key of map.keys()) ensure(FIELDS.has(key), 'evidence-malformed', `unknown field ${key}`)
  ensure(map.size === FIELDS.size, 'evidence-malformed', 'a field is missing')
  ensure(map.get('v') === 1, 'evidence-version-unsupported', 'simulated document version')
  return {
    v: 1,
    role: word(map.get('role'), ['cpu', 'gpu', 'switch'], 'role'),
    product: text(map.get('product'), 'product'),
    platform_id: nullable(map.get('platform_id'), bytes, 'platform_id'),
    measurements: record(map.get('measurements'), bytes, 'measurements'),
    versions: record(map.get('versions'), text, 'versions'),
    user_data: bytes(map.get('user_data'), 'user_data'),
    nonce: nullable(map.get('nonce'), bytes, 'nonce'),
    public_key: nullable(map.get('public_key'), bytes, 'public_key'),
    debug: boolean(map.get('debug'), 'debug'),
    tcb_status: nullable(map.get('tcb_status'), (value, name) => word(value, TCB_STATUSES, name), 'tcb_status'),
    tcb_svn: record(map.get('tcb_svn'), unsigned, 'tcb_svn'),
    advisories: list(map.get('advisories'), text, 'advisories'),
    flags: record(map.get('flags'), boolean, 'flags'),
    timestamp: instant(map.get('timestamp'), 'timestamp'),
    certificate: bytes(map.get('certificate'), 'certificate'),
    cabundle: list(map.get('cabundle'), bytes, 'cabundle'),
  }
}

type Value = Cbor.CborValue | undefined
type Read<Result> = (value: Value, name: string) => Result

const wrong = (name: string): never => refuse('evidence-malformed', `field ${name}`)
const bytes: Read<Uint8Array> = (value, name) => (value instanceof Uint8Array ? value : wrong(name))
const text: Read<string> = (value, name) => (typeof value === 'string' ? value : wrong(name))
const boolean: Read<boolean> = (value, name) => (typeof value === 'boolean' ? value : wrong(name))
const unsigned: Read<number> = (value, name) => (typeof value === 'number' && value >= 0 ? value : wrong(name))
/** Up to the last millisecond a Date can hold. */
const instant: Read<number> = (value, name) => (unsigned(value, name) <= 8.64e15 ? unsigned(value, name) : wrong(name))

function word<Word extends string>(value: Value, words: readonly Word[], name: string): Word {
  return words.find((known) => known === value) ?? wrong(name)
}

function nullable<Result>(value: Value, read: Read<Result>, name: string): Result | null {
  return value === null ? null : read(value, name)
}

function list<Result>(value: Value, read: Read<Result>, name: string): Result[] {
  return Array.isArray(value) ? (value as readonly Cbor.CborValue[]).map((item) => read(item, name)) : wrong(name)
}

function record<Result>(value: Value, read: Read<Result>, name: string): Record<string, Result> {
  if (!(value instanceof Map)) return wrong(name)
  const entries = [...value].map(
    ([key, item]) => [typeof key === 'string' ? key : wrong(name), read(item, name)] as const,
  )
  return Object.fromEntries(entries)
}
