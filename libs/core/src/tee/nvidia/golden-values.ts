import { decodeBase64Url } from '../base64.js'
import { equal, fromHex, fromUtf8, utf8 } from '../bytes.js'
import type { CryptoProvider } from '../crypto.js'
import { AttestationError, ensure } from '../error.js'
import { Fields } from '../fields.js'
import * as Json from '../json.js'
import { checkWindow, type Validity } from '../path.js'

/**
 * Golden values: what NVIDIA's reference integrity manifest (RIM, a signed SWID tag in XML) says a driver or a VBIOS
 * measures to. Core parses no XML: whoever ingests a RIM verifies it once with NVIDIA's tools and signs this JSON as a
 * compact JWS (RFC 7515), header exactly `{"alg":"ES384","typ":"vnd.haca.gpu-golden-values+json"}`:
 *
 *     { "v": 1, "component": "vbios", "product": "GH100", "version": "96.00.5E.00.01",
 *       "board": { "project": "1010", "projectSku": "0200", "chipSku": "882" },      // VBIOS of a GPU
 *       "source": { "id": "<RIM id>", "sha256": "<of the RIM file>" },
 *       "notBefore": "2023-09-06T00:00:00Z", "notAfter": "2025-09-05T00:00:00Z",     // of the RIM's signer
 *       "measurements": [ { "index": 1, "digests": ["<SHA-384>", …] } ] }            // active ones; alternatives
 */
export interface GoldenValues extends Validity {
  readonly component: 'driver' | 'vbios'
  readonly product: string
  readonly version: string
  readonly board: Board | undefined
  readonly sourceId: string
  readonly measurements: readonly GoldenMeasurement[]
}

export interface Board {
  readonly project: string
  readonly projectSku: string
  readonly chipSku: string
}

export interface GoldenMeasurement {
  readonly index: number
  readonly digests: readonly Uint8Array[]
}

export const GOLDEN_VALUES_BYTES_MAX = 256 * 1024
export const GOLDEN_VALUES_TYPE = 'vnd.haca.gpu-golden-values+json'

const DIGEST_BYTES = 48
const ALTERNATIVES_MAX = 16
const INDEX_MAX = 254

/** Verifies a JWS by one of `signers` (P-384 points) and parses its payload; refuses with `golden-values-*`. */
export async function openGoldenValues(
  jws: Uint8Array,
  signers: readonly Uint8Array[],
  at: number,
  crypto: CryptoProvider,
): Promise<GoldenValues> {
  ensure(jws.length <= GOLDEN_VALUES_BYTES_MAX, 'endorsement-too-large', `golden values of ${jws.length} bytes`)
  const [header, payload, signature, ...rest] = (fromUtf8(jws) ?? '').split('.')
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0)
    malformed('not a JWS')
  checkHeader(decoded(header))
  await checkSignature(utf8(`${header}.${payload}`), decoded(signature), signers, crypto)
  const golden = parseGoldenValues(decoded(payload))
  checkWindow(golden, at, 'source', { early: 'golden-values-stale', late: 'golden-values-stale' })
  return golden
}

function checkHeader(bytes: Uint8Array): void {
  const header = new Fields(Json.parseStrict(bytes), 'header', malformed)
  if (header.text('alg') !== 'ES384') malformed('alg is not ES384')
  if (header.text('typ') !== GOLDEN_VALUES_TYPE) malformed(`typ is not ${GOLDEN_VALUES_TYPE}`)
  header.end()
}

async function checkSignature(
  message: Uint8Array,
  signature: Uint8Array,
  signers: readonly Uint8Array[],
  crypto: CryptoProvider,
): Promise<void> {
  ensure(signature.length === 96, 'golden-values-malformed', `signature of ${signature.length} bytes`)
  for (const publicKey of signers) {
    const check = { curve: 'P-384', hash: 'SHA-384', publicKey, signature, message } as const
    if (await crypto.verifyEcdsa(check)) return
  }
  throw new AttestationError('golden-values-signature-invalid', 'signed by nobody who is trusted to')
}

export function parseGoldenValues(bytes: Uint8Array): GoldenValues {
  const fields = new Fields(Json.parseStrict(bytes), 'golden values', malformed)
  if (fields.integer('v') !== 1) malformed('version is not 1')
  const component = fields.word('component', ['driver', 'vbios'])
  const board = fields.optional('board', (name) => parseBoard(fields.object(name)))
  if (board && component !== 'vbios') malformed('a board belongs to a VBIOS and to nothing else')
  const source = fields.object('source')
  const sourceId = source.text('id')
  source.hex('sha256', 32)
  source.end()
  const golden = {
    component,
    product: fields.text('product'),
    version: fields.text('version'),
    board,
    sourceId,
    notBefore: fields.instant('notBefore'),
    notAfter: fields.instant('notAfter'),
    measurements: parseMeasurements(fields.objects('measurements')),
  }
  fields.end()
  return golden
}

function parseBoard(fields: Fields): Board {
  const board = {
    project: fields.text('project'),
    projectSku: fields.text('projectSku'),
    chipSku: fields.text('chipSku'),
  }
  fields.end()
  return board
}

function parseMeasurements(list: readonly Fields[]): GoldenMeasurement[] {
  let previous = -1
  const measurements = list.map((fields) => {
    const index = fields.integer('index')
    if (index <= previous || index > INDEX_MAX) malformed('indices do not rise')
    previous = index
    const digests = fields.texts('digests').map((text) => fromHex(text) ?? malformed('digest is not hexadecimal'))
    if (digests.length === 0 || digests.length > ALTERNATIVES_MAX) malformed(`${digests.length} alternatives`)
    if (digests.some((digest) => digest.length !== DIGEST_BYTES)) malformed('digest is not 48 bytes')
    fields.end()
    return { index, digests }
  })
  return measurements.length > 0 ? measurements : malformed('no measurements')
}

/** Block 35 measures NVDEC0 and says nothing where the engine is off (NVIDIA/nvtrust, verifier.py). */
const NVDEC0_INDEX = 35

export interface Comparison {
  readonly component: 'driver' | 'vbios'
  readonly compared: number
  readonly matched: number
  /** Indices whose measurement is absent or none of the alternatives. */
  readonly mismatches: readonly number[]
  /** Indices that do not apply to this device. */
  readonly skipped: readonly number[]
}

/** Compares a device's measurements (by RIM index) with golden values. An absent measurement is a mismatch. */
export function compareGoldenValues(
  measurements: readonly Uint8Array[],
  golden: GoldenValues,
  { nvdec0Disabled }: { readonly nvdec0Disabled: boolean },
): Comparison {
  const applies = ({ index }: GoldenMeasurement) => !(nvdec0Disabled && index === NVDEC0_INDEX)
  const compared = golden.measurements.filter(applies)
  const mismatches = compared.filter(({ index, digests }) => {
    const measured = measurements[index]
    return !measured || !digests.some((digest) => equal(digest, measured))
  })
  return {
    component: golden.component,
    compared: compared.length,
    matched: compared.length - mismatches.length,
    mismatches: mismatches.map(({ index }) => index),
    skipped: golden.measurements.filter((entry) => !applies(entry)).map(({ index }) => index),
  }
}

/** Driver and VBIOS may not both claim an index; refuses with `golden-values-conflict`. */
export function refuseConflicts(all: readonly GoldenValues[]): void {
  const claimed = new Set<number>()
  for (const { component, measurements } of all) {
    for (const { index } of measurements) {
      ensure(!claimed.has(index), 'golden-values-conflict', `${component} claims index ${index} again`)
      claimed.add(index)
    }
  }
  const components = new Set(all.map(({ component }) => component))
  ensure(components.size === all.length, 'golden-values-conflict', 'one component twice')
}

function decoded(text: string): Uint8Array {
  return decodeBase64Url(text) ?? malformed('not base64url')
}

function malformed(why: string): never {
  throw new AttestationError('golden-values-malformed', why)
}
