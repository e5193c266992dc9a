import { sha256 } from '@noble/hashes/sha2.js'
import * as Abi from '../../abi.js'
import * as Hex from '../../hex.js'
import { portable, sign as signDigest, type Primitives } from '../../secp256k1.js'
import { utf8 } from '../bytes.js'
import { AttestationError } from '../error.js'
import { ENDORSEMENT_ROLES, TEE_KINDS, type EndorsementRole, type TeeKind } from '../evidence.js'
import { Fields } from '../fields.js'
import * as Json from '../json.js'
import type { RuleVerdict } from '../policy/appraise.js'

/**
 * What a verifier found when it appraised a key, with everything needed to repeat it: the result of appraisal (RFC 9334, section 8.4).
 * Signed by the verifier, archived by digest, and shown to whoever asks about a receipt of the key.
 */
export interface AppraisalRecord {
  /** Address of the receipt key. */
  readonly node: Hex.Hex
  readonly kind: TeeKind
  /** SHA-256 of the collection the node handed in. */
  readonly evidenceId: Hex.Hex
  readonly outcome: 'affirming' | 'contraindicated'
  readonly reasons: readonly RuleVerdict[]
  /** Unix seconds. */
  readonly receivedAt: number
  readonly appraisedAt: number
  /** Until when the key may sign; the time of appraisal where it may not. */
  readonly expiresAt: number
  /** The epoch that was in force, and the SHA-256 of its document. */
  readonly policyEpoch: number
  readonly policyDigest: Hex.Hex
  /** The policy's entries that were met. */
  readonly hardwareId: string | null
  readonly imageId: string | null
  readonly product: string | null
  readonly platformId: string | null
  /** Digests of the manifests of the models the key is bound to. */
  readonly models: readonly Hex.Hex[]
  /** Archived endorsements that were used besides those in the collection. */
  readonly collateral: readonly CollateralUsed[]
}

export interface CollateralUsed {
  readonly piece: string
  readonly role: EndorsementRole
  readonly digest: Hex.Hex
}

export const RECORD_BYTES_MAX = 256 * 1024

/** A record's bytes: JSON with its fields in this order. */
export const encodeRecord = (record: AppraisalRecord): Uint8Array =>
  utf8(
    JSON.stringify({
      v: 1,
      ...pick(record, ['node', 'kind', 'evidenceId', 'outcome', 'reasons', 'receivedAt', 'appraisedAt', 'expiresAt', 'policyEpoch', 'policyDigest']),
      ...pick(record, ['hardwareId', 'imageId', 'product', 'platformId', 'models', 'collateral']),
    }),
  )

const pick = <K extends keyof AppraisalRecord>(record: AppraisalRecord, names: readonly K[]): Pick<AppraisalRecord, K> =>
  Object.fromEntries(names.map((name) => [name, record[name]])) as Pick<AppraisalRecord, K>

/** Reads a record; anything else refuses with `evidence-malformed`. */
export function decodeRecord(bytes: Uint8Array): AppraisalRecord {
  if (bytes.length > RECORD_BYTES_MAX) malformed(`${bytes.length} bytes`)
  const fields = new Fields(Json.parseStrict(bytes), 'appraisal', malformed)
  if (fields.integer('v') !== 1) malformed('version is not 1')
  const record: AppraisalRecord = {
    node: hex(fields.text('node'), 20),
    kind: fields.word('kind', TEE_KINDS),
    evidenceId: hex(fields.text('evidenceId'), 32),
    outcome: fields.word('outcome', ['affirming', 'contraindicated']),
    reasons: fields.objects('reasons').map(reason),
    receivedAt: fields.integer('receivedAt'),
    appraisedAt: fields.integer('appraisedAt'),
    expiresAt: fields.integer('expiresAt'),
    policyEpoch: fields.integer('policyEpoch'),
    policyDigest: hex(fields.text('policyDigest'), 32),
    hardwareId: textOrNull(fields, 'hardwareId'),
    imageId: textOrNull(fields, 'imageId'),
    product: textOrNull(fields, 'product'),
    platformId: textOrNull(fields, 'platformId'),
    models: fields.texts('models').map((text) => hex(text, 32)),
    collateral: fields.objects('collateral').map(used),
  }
  fields.end()
  return record
}

function reason(fields: Fields): RuleVerdict {
  const ok = fields.any('ok')
  if (typeof ok !== 'boolean') malformed('ok is not a boolean')
  const verdict = { rule: fields.text('rule'), ok: ok as boolean, detail: fields.text('detail') }
  fields.end()
  return verdict
}

function used(fields: Fields): CollateralUsed {
  const one = { piece: fields.text('piece'), role: fields.word('role', ENDORSEMENT_ROLES), digest: hex(fields.text('digest'), 32) }
  fields.end()
  return one
}

const textOrNull = (fields: Fields, name: string): string | null => (fields.any(name) === null ? null : fields.text(name))

const hex = (text: string, width: number): Hex.Hex => (Hex.is(text, width) ? text : malformed(`${JSON.stringify(text.slice(0, 80))} is not ${width} bytes of 0x-hexadecimal`))

/** A key may be dated this long before its evidence came: by so much a node's clock may be behind the verifier's. */
export const CLOCK_SKEW_SECONDS = 60

/**
 * The record by which a receipt is judged: what its epoch's policy first said of the key, if that was no; else what was last said when it was
 * issued. What a later epoch said within the same second does not count yet: seconds do not tell which came first, and the epoch does.
 * `history` is a key's, oldest first.
 */
export function inForce(history: readonly AppraisalRecord[], { policyEpoch, issuedAt }: { readonly policyEpoch: number; readonly issuedAt: number }): AppraisalRecord | undefined {
  const ofEpoch = history.find((record) => record.policyEpoch === policyEpoch)
  if (ofEpoch?.outcome === 'contraindicated') return ofEpoch
  const said = history.findLast((record) => record.appraisedAt < issuedAt || (record.appraisedAt === issuedAt && record.policyEpoch <= policyEpoch))
  if (said) return said
  const [first] = history
  return first && issuedAt >= first.receivedAt - CLOCK_SKEW_SECONDS ? first : undefined
}

/** What a verifier signs: keccak256("haca/appraisal/1" ‖ chainId:32 ‖ registry:20 ‖ SHA-256 of the record's bytes). */
export const recordDigest = (bytes: Uint8Array, scope: RecordScope, keccak256: Primitives['keccak256'] = portable.keccak256): Uint8Array =>
  keccak256(Abi.concat([utf8('haca/appraisal/1'), Abi.word(scope.chainId), Hex.toBytes(scope.registry, 20), sha256(bytes)]))

/** Where a record counts. */
export interface RecordScope {
  readonly chainId: number
  /** TeeRegistry the key is registered in. */
  readonly registry: Hex.Hex
}

/** A record's exact bytes, and the verifier's signature over their digest; 65 bytes. */
export interface SignedRecord {
  readonly record: Uint8Array
  readonly signature: Uint8Array
}

export const signRecord = (record: AppraisalRecord, scope: RecordScope, privateKey: Uint8Array): SignedRecord => {
  const bytes = encodeRecord(record)
  return { record: bytes, signature: signDigest(recordDigest(bytes, scope), privateKey) }
}

/** Address that signed a record, or `undefined`. */
export function signerOfRecord({ record, signature }: SignedRecord, scope: RecordScope, primitives: Primitives = portable): Hex.Hex | undefined {
  if (signature.length !== 65 || record.length > RECORD_BYTES_MAX) return undefined
  const by = primitives.recover(recordDigest(record, scope, primitives.keccak256), signature)
  return by && Hex.fromBytes(by)
}

function malformed(why: string): never {
  throw new AttestationError('evidence-malformed', `appraisal record: ${why}`)
}
