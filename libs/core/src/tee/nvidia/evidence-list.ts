import { decodeBase64 } from '../base64.js'
import { equal, fromHex } from '../bytes.js'
import { AttestationError, ensure } from '../error.js'
import { Fields } from '../fields.js'
import * as Json from '../json.js'
import { parseSpdmReport } from './spdm.js'

/**
 * NVIDIA's serialised evidence (attestation-sdk, NVML evidence collector): a JSON list of
 * `{ arch, certificate, evidence, nonce }`, certificate chain and report in base64, the nonce in hexadecimal.
 */
export interface DeviceEvidence {
  readonly kind: 'nvidia-gpu' | 'nvidia-switch'
  readonly report: Uint8Array
  /** PEM. */
  readonly chain: Uint8Array
  readonly nonce: Uint8Array
}

export const EVIDENCE_LIST_BYTES_MAX = 1024 * 1024
const DEVICES_MAX = 32

const ARCHITECTURES = { HOPPER: 'nvidia-gpu', BLACKWELL: 'nvidia-gpu', LS10: 'nvidia-switch' } as const

/** Refuses with `evidence-malformed` or `json-malformed`; a nonce beside the report must be the report's own. */
export function decodeEvidenceList(bytes: Uint8Array): DeviceEvidence[] {
  ensure(bytes.length <= EVIDENCE_LIST_BYTES_MAX, 'evidence-too-large', `evidence list of ${bytes.length} bytes`)
  const list = Json.parseStrict(bytes)
  if (!Array.isArray(list) || list.length === 0 || list.length > DEVICES_MAX) return malformed('not a list of devices')
  return list.map((item, i) => decodeDevice(new Fields(item, `device ${i}`, malformed)))
}

function decodeDevice(fields: Fields): DeviceEvidence {
  const kind = ARCHITECTURES[fields.word('arch', ['HOPPER', 'BLACKWELL', 'LS10'])]
  const chain = decodeBase64(fields.text('certificate')) ?? malformed('certificate is not base64')
  const report = decodeBase64(fields.text('evidence')) ?? malformed('evidence is not base64')
  const nonce = fromHex(fields.text('nonce')) ?? malformed('nonce is not hexadecimal')
  fields.end()
  if (!equal(parseSpdmReport(report).nonce, nonce)) malformed('the nonce is not the report’s')
  return { kind, report, chain, nonce }
}

function malformed(why: string): never {
  throw new AttestationError('evidence-malformed', why)
}
