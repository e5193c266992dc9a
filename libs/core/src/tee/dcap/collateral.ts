import { fromHex, fromUtf8 } from '../bytes.js'
import { commonName, type Certificate } from '../certificate.js'
import type { CryptoProvider } from '../crypto.js'
import { AttestationError, ensure, refuse } from '../error.js'
import { Fields } from '../fields.js'
import * as Json from '../json.js'
import { checkWindow, type Validity } from '../path.js'

/**
 * Intel's signed collateral: TCB info version 3 and enclave identity version 2, as the Provisioning Certification
 * Service version 4 answers them (api.portal.trustedservices.intel.com). The signature covers the exact text of the
 * inner object, so the body is cut, never re-serialised.
 */
export const SIGNED_JSON_BYTES_MAX = 256 * 1024

export interface TcbInfo extends Validity {
  readonly id: 'SGX' | 'TDX'
  readonly fmspc: Uint8Array
  readonly pceId: Uint8Array
  readonly evaluationNumber: number
  /** In Intel's order, best first. */
  readonly levels: readonly Fields[]
  readonly tdxModule: TdxModule | undefined
  readonly tdxModuleIdentities: readonly (TdxModule & { readonly id: string; readonly levels: readonly Fields[] })[]
}

export interface TdxModule {
  readonly mrSigner: Uint8Array
  readonly attributes: Uint8Array
}

export interface QeIdentity extends Validity {
  readonly evaluationNumber: number
  readonly miscSelect: Uint8Array
  readonly miscSelectMask: Uint8Array
  readonly attributes: Uint8Array
  readonly attributesMask: Uint8Array
  readonly mrSigner: Uint8Array
  readonly isvProdId: number
  readonly levels: readonly Fields[]
}

interface SignedText {
  readonly text: Uint8Array
  readonly signature: Uint8Array
}

const SIGNER_COMMON_NAME = 'Intel SGX TCB Signing'

/** Splits `{"<name>":<text>,"signature":"<128 lower-case hex digits>"}`, optionally with a line end. */
export function splitSigned(body: Uint8Array, name: 'tcbInfo' | 'enclaveIdentity'): SignedText {
  const prefix = `{"${name}":`
  const suffixLength = ',"signature":""}'.length + 128
  const end = body[body.length - 1] === 0x0a ? body.length - 1 : body.length
  const cut = end - suffixLength
  ensure(cut > prefix.length, 'collateral-malformed', `${name} is too short`)
  const tail = /^,"signature":"([0-9a-f]{128})"\}$/.exec(fromUtf8(body.subarray(cut, end)) ?? '')
  const framed = fromUtf8(body.subarray(0, prefix.length)) === prefix && tail !== null
  ensure(framed, 'collateral-malformed', `${name} is not framed as the service answers it`)
  return { text: body.subarray(prefix.length, cut), signature: fromHex(tail[1]!)! }
}

/** Verifies the signature by Intel's TCB signer, whose path the caller has verified, and parses the text. */
export async function openTcbInfo(
  body: Uint8Array,
  signer: Certificate,
  at: number,
  crypto: CryptoProvider,
): Promise<TcbInfo> {
  const info = parseTcbInfo(await openSigned(body, 'tcbInfo', signer, crypto))
  checkDates(info, at, 'TCB info')
  return info
}

export async function openQeIdentity(
  body: Uint8Array,
  expectedId: 'QE' | 'TD_QE',
  signer: Certificate,
  at: number,
  crypto: CryptoProvider,
): Promise<QeIdentity> {
  const identity = parseQeIdentity(await openSigned(body, 'enclaveIdentity', signer, crypto), expectedId)
  checkDates(identity, at, 'QE identity')
  return identity
}

async function openSigned(
  body: Uint8Array,
  name: 'tcbInfo' | 'enclaveIdentity',
  signer: Certificate,
  crypto: CryptoProvider,
): Promise<Fields> {
  const { text, signature } = splitSigned(body, name)
  const { publicKey } = signer
  ensure(commonName(signer.subject) === SIGNER_COMMON_NAME, 'path-subject-unexpected', 'not Intel’s TCB signer')
  ensure(publicKey.type === 'ec' && publicKey.curve === 'P-256', 'certificate-algorithm-unsupported', 'not P-256')
  const check = { curve: 'P-256', hash: 'SHA-256', publicKey: publicKey.point, signature, message: text } as const
  ensure(await crypto.verifyEcdsa(check), 'collateral-signature-invalid', `${name} is not signed by this signer`)
  const decoded = fromUtf8(text) ?? refuse('collateral-malformed', `${name} is not UTF-8`)
  return new Fields(Json.parse(decoded), name, malformed)
}

function checkDates(window: Validity, at: number, what: string): void {
  checkWindow(window, at, what, { early: 'collateral-not-yet-valid', late: 'collateral-stale' })
}

function parseTcbInfo(fields: Fields): TcbInfo {
  if (fields.integer('version') !== 3) malformed('TCB info is not version 3')
  if (fields.integer('tcbType') !== 0) malformed('TCB type is not 0')
  return {
    id: fields.word('id', ['SGX', 'TDX']),
    notBefore: fields.instant('issueDate'),
    notAfter: fields.instant('nextUpdate'),
    fmspc: fields.hex('fmspc', 6),
    pceId: fields.hex('pceId', 2),
    evaluationNumber: fields.integer('tcbEvaluationDataNumber'),
    levels: fields.objects('tcbLevels'),
    tdxModule: fields.optional('tdxModule', (name) => parseTdxModule(fields.object(name))),
    tdxModuleIdentities: (fields.optional('tdxModuleIdentities', (name) => fields.objects(name)) ?? []).map(
      (identity) => ({
        id: identity.text('id'),
        levels: identity.objects('tcbLevels'),
        ...parseTdxModule(identity),
      }),
    ),
  }
}

/** The mask is all ones in everything Intel publishes; any other would need a rule that does not exist yet. */
function parseTdxModule(fields: Fields): TdxModule {
  if (!fields.hex('attributesMask', 8).every((byte) => byte === 0xff)) malformed('TDX module attributes mask')
  return { mrSigner: fields.hex('mrsigner', 48), attributes: fields.hex('attributes', 8) }
}

function parseQeIdentity(fields: Fields, expectedId: 'QE' | 'TD_QE'): QeIdentity {
  if (fields.integer('version') !== 2) malformed('QE identity is not version 2')
  const id = fields.text('id')
  ensure(id === expectedId, 'collateral-mismatch', `enclave identity of ${id}, ${expectedId} expected`)
  return {
    notBefore: fields.instant('issueDate'),
    notAfter: fields.instant('nextUpdate'),
    evaluationNumber: fields.integer('tcbEvaluationDataNumber'),
    miscSelect: fields.hex('miscselect', 4),
    miscSelectMask: fields.hex('miscselectMask', 4),
    attributes: fields.hex('attributes', 16),
    attributesMask: fields.hex('attributesMask', 16),
    mrSigner: fields.hex('mrsigner', 32),
    isvProdId: fields.integer('isvprodid'),
    levels: fields.objects('tcbLevels'),
  }
}

function malformed(why: string): never {
  throw new AttestationError('collateral-malformed', why)
}
