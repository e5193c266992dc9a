import { concat, Cursor, isZero, reversed } from '../bytes.js'
import { ensure } from '../error.js'

/**
 * AMD SEV-SNP attestation reports, versions 2, 3 and 5.
 * Source: SEV Secure Nested Paging Firmware ABI Specification (AMD publication 56860), table "ATTESTATION_REPORT".
 */
export interface SnpReport {
  readonly version: 2 | 3 | 5
  readonly guestSvn: number
  readonly policy: bigint
  readonly familyId: Uint8Array
  readonly imageId: Uint8Array
  readonly vmpl: number
  readonly platformInfo: bigint
  readonly authorKeyEnabled: boolean
  readonly maskChipKey: boolean
  readonly signingKey: number
  readonly reportData: Uint8Array
  readonly measurement: Uint8Array
  readonly hostData: Uint8Array
  readonly idKeyDigest: Uint8Array
  readonly authorKeyDigest: Uint8Array
  readonly reportId: Uint8Array
  /** TCB_VERSION fields, eight raw bytes each: their layout depends on the product. */
  readonly currentTcb: Uint8Array
  readonly reportedTcb: Uint8Array
  readonly committedTcb: Uint8Array
  readonly launchTcb: Uint8Array
  /** CPUID family, model and stepping; reports of version 2 do not carry them. */
  readonly cpuid: { readonly family: number; readonly model: number; readonly stepping: number } | undefined
  readonly chipId: Uint8Array
  /** What the endorsement key signs. */
  readonly signed: Uint8Array
  /** r ‖ s, big-endian, P-384. */
  readonly signature: Uint8Array
}

export const SNP_REPORT_BYTES = 1184

const SIGNED_BYTES = 0x2a0
const NUMBER_BYTES = 72
const FIELD_BYTES = 48
const ECDSA_P384_SHA384 = 1

/** Parses a report of exactly 1184 bytes; refuses with `evidence-*`. */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  ensure(bytes.length === SNP_REPORT_BYTES, 'evidence-malformed', `report of ${bytes.length} bytes`)
  const cursor = new Cursor(bytes, 'evidence-malformed', 'report')
  const reserved = (length: number) => mustBeZero(cursor.take(length), cursor.position - length)
  const version = cursor.u32()
  const known = version === 2 || version === 3 || version === 5
  ensure(known, 'evidence-version-unsupported', `report version ${version}`)
  const guestSvn = cursor.u32()
  const policy = cursor.u64()
  const familyId = cursor.take(16)
  const imageId = cursor.take(16)
  const vmpl = cursor.u32()
  const algorithm = cursor.u32()
  ensure(algorithm === ECDSA_P384_SHA384, 'evidence-algorithm-unsupported', `signature algorithm ${algorithm}`)
  const currentTcb = cursor.take(8)
  const platformInfo = cursor.u64()
  const key = cursor.u32()
  ensure(key < 32, 'evidence-reserved-not-zero', 'key flags above bit 4')
  reserved(4)
  const reportData = cursor.take(64)
  const measurement = cursor.take(48)
  const hostData = cursor.take(32)
  const idKeyDigest = cursor.take(48)
  const authorKeyDigest = cursor.take(48)
  const reportId = cursor.take(32)
  cursor.take(32) // REPORT_ID_MA
  const reportedTcb = cursor.take(8)
  const cpuid = version === 2 ? undefined : { family: cursor.u8(), model: cursor.u8(), stepping: cursor.u8() }
  reserved(cpuid ? 21 : 24)
  const chipId = cursor.take(64)
  const committedTcb = cursor.take(8)
  cursor.take(3) // current firmware build
  reserved(1)
  cursor.take(3) // committed firmware build
  reserved(1)
  const launchTcb = cursor.take(8)
  if (version === 5) cursor.take(16) // LAUNCH_MIT_VECTOR, CURRENT_MIT_VECTOR
  reserved(SIGNED_BYTES - cursor.position)
  return {
    version,
    guestSvn,
    policy,
    familyId,
    imageId,
    vmpl,
    platformInfo,
    authorKeyEnabled: (key & 1) !== 0,
    maskChipKey: (key & 2) !== 0,
    signingKey: key >> 2,
    reportData,
    measurement,
    hostData,
    idKeyDigest,
    authorKeyDigest,
    reportId,
    currentTcb,
    reportedTcb,
    committedTcb,
    launchTcb,
    cpuid,
    chipId,
    signed: bytes.subarray(0, SIGNED_BYTES),
    signature: parseSignature(bytes.subarray(SIGNED_BYTES)),
  }
}

/** r and s are little-endian in 72-byte fields; what they do not fill, and the rest of the structure, is zero. */
function parseSignature(bytes: Uint8Array): Uint8Array {
  const [r, s] = [bytes.subarray(0, NUMBER_BYTES), bytes.subarray(NUMBER_BYTES, 2 * NUMBER_BYTES)]
  mustBeZero(concat(r.subarray(FIELD_BYTES), s.subarray(FIELD_BYTES), bytes.subarray(2 * NUMBER_BYTES)), SIGNED_BYTES)
  return concat(reversed(r.subarray(0, FIELD_BYTES)), reversed(s.subarray(0, FIELD_BYTES)))
}

function mustBeZero(bytes: Uint8Array, offset: number): void {
  ensure(isZero(bytes), 'evidence-reserved-not-zero', `reserved bytes at 0x${offset.toString(16)}`)
}
