import { decodeBase64Url, encodeBase64Url } from '../base64.js'
import { utf8 } from '../bytes.js'
import * as Cbor from '../cbor.js'
import { AttestationError, ensure } from '../error.js'
import { MEDIA_TYPES, TEE_KINDS, type Endorsement, type Endorsements, type EndorsementRole, type Evidence } from '../evidence.js'
import * as Json from '../json.js'
import { decodeBinding, encodeBinding, type Challenge, type KeyBinding } from '../policy/binding.js'

/**
 * Everything a node hands in for its receipt key, as one object: a collection of conceptual messages (CMW, RFC-to-be
 * draft-ietf-rats-msg-wrap-23, section 3.3), labels to `[media type, base64url]`. Its SHA-256 is the evidence id that
 * receipts and the registry name.
 *
 *     { "__cmwc_t": "urn:haca:key-evidence:1", "binding": […], "challenge": […], "machine": […], "machine/vek/0": […],
 *       "device-0": […], "device-0/device-chain/0": […] }
 */
export interface KeyCollection {
  readonly binding: KeyBinding
  readonly challenge: Challenge
  readonly machine: Piece
  /** GPUs and switches, in the order the binding names them. */
  readonly devices: readonly Piece[]
}

/** A piece of evidence, and what only its node can supply with it: certificates of its chip, its event log. */
export interface Piece {
  readonly evidence: Evidence
  readonly endorsements: Endorsements
}

export const COLLECTION_TYPE = 'urn:haca:key-evidence:1'
export const COLLECTION_MEDIA_TYPE = 'application/cmw-collection+json'
export const COLLECTION_BYTES_MAX = 4 * 1024 * 1024
const DEVICES_MAX = 32
const PER_ROLE_MAX = 8

const BINDING_TYPE = 'application/vnd.haca.key-binding+cbor'
const CHALLENGE_TYPE = 'application/vnd.haca.challenge+cbor'

/** What a node may supply, and the media type it comes as. Everything else comes from the collateral service. */
const SUPPLIED: Readonly<Partial<Record<EndorsementRole, string>>> = {
  vek: 'application/pkix-cert',
  'vek-issuer': 'application/pkix-cert',
  'device-chain': 'application/pem-certificate-chain',
  'event-log': 'application/json',
  crl: 'application/pkix-crl',
}

/** Name of a piece: `machine`, `device-0`, … */
export const pieceNames = ({ devices }: Pick<KeyCollection, 'devices'>): string[] => ['machine', ...devices.map((_, i) => `device-${i}`)]

export const piecesOf = ({ machine, devices }: KeyCollection): Piece[] => [machine, ...devices]

/** The collection's bytes: JSON with sorted labels and no spaces. Throws RangeError on what no collection can hold. */
export function encodeCollection(collection: KeyCollection): Uint8Array {
  if (collection.devices.length > DEVICES_MAX) throw new RangeError(`${collection.devices.length} devices`)
  const labels: Record<string, Json.JsonValue> = {
    __cmwc_t: COLLECTION_TYPE,
    binding: [BINDING_TYPE, encodeBase64Url(encodeBinding(collection.binding))],
    challenge: [CHALLENGE_TYPE, encodeBase64Url(encodeChallenge(collection.challenge))],
  }
  for (const [i, piece] of piecesOf(collection).entries()) {
    const name = pieceNames(collection)[i]!
    labels[name] = [piece.evidence.mediaType, encodeBase64Url(piece.evidence.bytes)]
    const counts = new Map<EndorsementRole, number>()
    for (const { role, bytes } of piece.endorsements) {
      const mediaType = SUPPLIED[role]
      if (!mediaType) throw new RangeError(`a node supplies no ${role}`)
      const n = counts.get(role) ?? 0
      counts.set(role, n + 1)
      labels[`${name}/${role}/${n}`] = [mediaType, encodeBase64Url(bytes)]
    }
  }
  const sorted = Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
  return utf8(JSON.stringify(sorted))
}

/** Reads a collection and nothing else: an unknown label, type or order refuses with `evidence-malformed`. */
export function decodeCollection(bytes: Uint8Array): KeyCollection {
  ensure(bytes.length <= COLLECTION_BYTES_MAX, 'evidence-too-large', `collection of ${bytes.length} bytes`)
  const json = Json.parseStrict(bytes)
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return malformed('not an object')
  const labels = new Labels(json as Json.JsonObject)
  const binding = decodeBinding(labels.take('binding', [BINDING_TYPE]).bytes)
  const challenge = decodeChallenge(labels.take('challenge', [CHALLENGE_TYPE]).bytes)
  const machine = piece(labels, 'machine')
  const devices: Piece[] = []
  while (labels.has(`device-${devices.length}`)) {
    if (devices.length === DEVICES_MAX) malformed(`more than ${DEVICES_MAX} devices`)
    devices.push(piece(labels, `device-${devices.length}`))
  }
  labels.end()
  return { binding, challenge, machine, devices }
}

function piece(labels: Labels, name: string): Piece {
  const { mediaType, bytes } = labels.take(name, Object.values(MEDIA_TYPES))
  const kind = TEE_KINDS.find((one) => MEDIA_TYPES[one] === mediaType)!
  const endorsements: Endorsement[] = []
  for (const [role, type] of Object.entries(SUPPLIED) as [EndorsementRole, string][]) {
    for (let n = 0; labels.has(`${name}/${role}/${n}`); n++) {
      if (n === PER_ROLE_MAX) malformed(`more than ${PER_ROLE_MAX} of ${name}/${role}`)
      endorsements.push({ role, bytes: labels.take(`${name}/${role}/${n}`, [type]).bytes })
    }
  }
  return { evidence: { kind, mediaType, bytes }, endorsements }
}

/** A challenge's bytes, for the archive; what is signed over is its hash. */
export const encodeChallenge = ({ verifierId, random, expiresAt }: Challenge): Uint8Array => Cbor.encode({ verifierId, random, expiresAt })

/** Refuses with `evidence-malformed` or `cbor-malformed`. */
export function decodeChallenge(bytes: Uint8Array): Challenge {
  const map = Cbor.decode(bytes)
  if (!(map instanceof Map) || map.size !== 3) return malformed('challenge')
  const [verifierId, random, expiresAt] = [map.get('verifierId'), map.get('random'), map.get('expiresAt')]
  const sized = (value: unknown): value is Uint8Array => value instanceof Uint8Array && value.length === 32
  if (!sized(verifierId) || !sized(random) || typeof expiresAt !== 'number' || expiresAt < 0) return malformed('challenge')
  return { verifierId, random, expiresAt }
}

/** The labels of a collection, each taken once. */
class Labels {
  readonly #open: Map<string, Json.JsonValue>

  constructor(json: Json.JsonObject) {
    this.#open = new Map(Object.entries(json))
    if (this.#open.get('__cmwc_t') !== COLLECTION_TYPE) malformed(`not of type ${COLLECTION_TYPE}`)
    this.#open.delete('__cmwc_t')
  }

  has(label: string): boolean {
    return this.#open.has(label)
  }

  take(label: string, mediaTypes: readonly string[]): { mediaType: string; bytes: Uint8Array } {
    const value = this.#open.get(label)
    this.#open.delete(label)
    if (!Array.isArray(value) || value.length !== 2) return malformed(`${label} is missing or no conceptual message`)
    const [mediaType, text] = value as readonly Json.JsonValue[]
    if (typeof mediaType !== 'string' || !mediaTypes.includes(mediaType)) return malformed(`${label} of media type ${String(mediaType)}`)
    const bytes = typeof text === 'string' ? decodeBase64Url(text) : undefined
    return { mediaType, bytes: bytes ?? malformed(`${label} is not base64url`) }
  }

  end(): void {
    for (const label of this.#open.keys()) malformed(`unknown label ${JSON.stringify(label.slice(0, 60))}`)
  }
}

function malformed(why: string): never {
  throw new AttestationError('evidence-malformed', `key evidence: ${why}`)
}
