import { isZero, toHex, type HexDigits } from './bytes.js'
import * as Cbor from './cbor.js'
import { parseCertificate, type Certificate } from './certificate.js'
import { checkCoseSignature, parseCoseSign1 } from './cose.js'
import { ensure, refuse } from './error.js'
import {
  openEnvelope,
  EndorsementSet,
  provenance,
  type Evidence,
  type EvidenceClaims,
  type VerifyContext,
  type Verifier,
} from './evidence.js'
import { intersect, verifyPath } from './path.js'
import { checkRevocation, withDistributionPoint } from './revocation.js'

/**
 * AWS Nitro Enclaves attestation documents: COSE_Sign1 (RFC 9052) with ES384 over a CBOR payload.
 * Source: github.com/aws/aws-nitro-enclaves-nsm-api, docs/attestation_process.md (format and syntactic limits).
 *
 * Endorsements: `crl`, for the certificates that name a distribution point (the two below the root).
 */
export const nitro: Verifier = { kind: 'nitro', verify }

export const NITRO_BYTES_MAX = 16 * 1024

const PCR_BYTES = 48
const FIELDS = new Set([
  'module_id',
  'digest',
  'timestamp',
  'pcrs',
  'certificate',
  'cabundle',
  'public_key',
  'user_data',
  'nonce',
])

async function verify(evidence: Evidence, context: VerifyContext): Promise<EvidenceClaims> {
  const bytes = openEnvelope(evidence, 'nitro', NITRO_BYTES_MAX)
  const endorsements = new EndorsementSet(context.endorsements, ['crl'])
  const cose = parseCoseSign1(bytes)
  const document = parsePayload(cose.payload)

  const path = [document.certificate, ...document.cabundle.toReversed()].map(parseCertificate)
  const at = context.at.getTime()
  const { crypto } = context
  const pathValidity = await verifyPath({ path, roots: context.roots.aws ?? [], at, crypto })
  const leaf = path[0]!
  await checkCoseSignature(cose, leaf, crypto)
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
    kind: 'nitro',
    role: 'cpu',
    product: 'nitro',
    measurements: pcrMeasurements(document.pcrs),
    versions: { moduleId: document.moduleId },
    userData: document.userData ?? new Uint8Array(),
    ...(document.nonce && { nonce: document.nonce }),
    ...(document.publicKey && { publicKey: document.publicKey }),
    // An enclave started in debug mode measures as zeros; one zero among the three is enough to distrust the rest.
    debug: [0, 1, 2].some((index) => isZero(document.pcrs.get(index)!)),
    tcb: { svn: {}, advisories: [] },
    flags: {},
    revocation: revocation.fact,
    issuedAt: new Date(document.timestamp),
    validity: { notBefore: new Date(validity.notBefore), notAfter: new Date(validity.notAfter) },
    provenance: await provenance(
      'nitro',
      { root: path.at(-1)!.raw, signer: leaf.raw, evidence: bytes, endorsements },
      crypto,
    ),
  }
}

/** The certificates of a document, leaf first, before anybody has verified them. */
export function nitroCertificates(bytes: Uint8Array): Certificate[] {
  ensure(bytes.length <= NITRO_BYTES_MAX, 'evidence-too-large', `${bytes.length} bytes`)
  const { certificate, cabundle } = parsePayload(parseCoseSign1(bytes).payload)
  return [certificate, ...cabundle.toReversed()].map(parseCertificate)
}

interface Document {
  readonly moduleId: string
  readonly timestamp: number
  readonly pcrs: ReadonlyMap<number, Uint8Array>
  readonly certificate: Uint8Array
  readonly cabundle: readonly Uint8Array[]
  readonly publicKey: Uint8Array | undefined
  readonly userData: Uint8Array | undefined
  readonly nonce: Uint8Array | undefined
}

function parsePayload(payload: Uint8Array): Document {
  const map = Cbor.decode(payload)
  ensure(map instanceof Map, 'evidence-malformed', 'payload is not a map')
  for (const key of map.keys()) ensure(FIELDS.has(String(key)), 'evidence-malformed', `unknown field ${key}`)
  ensure(map.get('digest') === 'SHA384', 'evidence-algorithm-unsupported', 'digest is not SHA384')
  const timestamp = map.get('timestamp')
  const plausible = typeof timestamp === 'number' && timestamp > 0 && timestamp <= DATE_MAX
  ensure(plausible, 'evidence-malformed', 'timestamp')
  return {
    moduleId: moduleId(map),
    timestamp,
    pcrs: parsePcrs(map.get('pcrs')),
    certificate: bytesOf(map.get('certificate'), 'certificate', 1, 1024),
    cabundle: parseCabundle(map.get('cabundle')),
    publicKey: optionalBytes(map, 'public_key', 1, 1024),
    userData: optionalBytes(map, 'user_data', 0, 512),
    nonce: optionalBytes(map, 'nonce', 0, 512),
  }
}

/** The last millisecond a Date can hold (ECMA-262 §21.4.1.1). */
const DATE_MAX = 8.64e15

function moduleId(map: Cbor.CborMap): string {
  const id = map.get('module_id')
  ensure(typeof id === 'string' && id.length > 0 && id.length <= 256, 'evidence-malformed', 'module_id')
  return id
}

function parsePcrs(value: Cbor.CborValue | undefined): ReadonlyMap<number, Uint8Array> {
  ensure(value instanceof Map, 'evidence-malformed', 'pcrs is not a map')
  const pcrs = new Map<number, Uint8Array>()
  for (const [index, pcr] of value) {
    ensure(typeof index === 'number' && index >= 0 && index <= 31, 'evidence-malformed', `PCR index ${index}`)
    ensure(pcr instanceof Uint8Array && pcr.length === PCR_BYTES, 'evidence-malformed', `PCR${index} length`)
    pcrs.set(index, pcr)
  }
  for (const index of [0, 1, 2]) ensure(pcrs.has(index), 'evidence-malformed', `PCR${index} missing`)
  return pcrs
}

function parseCabundle(value: Cbor.CborValue | undefined): Uint8Array[] {
  ensure(Array.isArray(value) && value.length > 0, 'evidence-malformed', 'cabundle is not a list')
  return (value as readonly Cbor.CborValue[]).map((item) => bytesOf(item, 'cabundle', 1, 1024))
}

/** Old documents write `null` for an absent field, newer ones leave it out. */
function optionalBytes(map: Cbor.CborMap, name: string, min: number, max: number): Uint8Array | undefined {
  const value = map.get(name)
  return value === undefined || value === null ? undefined : bytesOf(value, name, min, max)
}

function bytesOf(value: Cbor.CborValue | undefined, name: string, min: number, max: number): Uint8Array {
  ensure(value instanceof Uint8Array, 'evidence-malformed', `${name} is not bytes`)
  const fits = value.length >= min && value.length <= max
  return fits ? value : refuse('evidence-malformed', `${name} of ${value.length} bytes`)
}

/** `pcr0` … `pcr31`; registers that were never extended are left out, except the three that identify the image. */
function pcrMeasurements(pcrs: ReadonlyMap<number, Uint8Array>): Record<string, HexDigits> {
  const extended = [...pcrs].filter(([index, pcr]) => index <= 2 || !isZero(pcr))
  return Object.fromEntries(extended.map(([index, pcr]) => [`pcr${index}`, toHex(pcr)]))
}
