import type { Certificate } from '../certificate.js'
import { contextTag, Der, TAG } from '../der.js'
import { AttestationError, ensure } from '../error.js'
import { OID } from '../oid.js'

const SHA384_BYTES = 48

/**
 * The firmware identity that the device's boot code wrote into its leaf certificate: a SHA-384 of the firmware that
 * holds the signing key. Hopper and NVSwitch write a RIoT CompositeDeviceID, Blackwell a TCG DICE TcbInfo (by reference
 * from NVIDIA/nvtrust; no public Blackwell sample is in the vectors). Refuses with `fwid-mismatch` or `der-malformed`.
 */
export function certifiedFwid(leaf: Certificate): Uint8Array {
  const composite = leaf.extensions.get(OID.diceTcbInfo)
  const tcbInfo = leaf.extensions.get(OID.diceTcbInfoAlias)
  if (composite && !tcbInfo) return compositeDeviceId(Der.sequence(composite.value))
  if (tcbInfo && !composite) return diceTcbInfo(Der.sequence(tcbInfo.value))
  throw new AttestationError('fwid-mismatch', 'the leaf certificate names no firmware, or two')
}

/** CompositeDeviceID: SEQUENCE { version 1, deviceId SubjectPublicKeyInfo, fwid }. */
function compositeDeviceId(der: Der): Uint8Array {
  ensure(der.smallInteger() === 1, 'fwid-mismatch', 'composite device ID version')
  der.expect(TAG.sequence)
  const fwid = parseFwid(der.sequence())
  der.end()
  return fwid
}

/** DiceTcbInfo: optional implicit fields, of which `[6]` is the list of FWIDs; exactly one is expected. */
function diceTcbInfo(der: Der): Uint8Array {
  while (!der.done && der.peek() !== contextTag(6)) der.next()
  const list = new Der(der.expect(contextTag(6)).value)
  const fwid = parseFwid(list.sequence())
  list.end()
  return fwid
}

function parseFwid(der: Der): Uint8Array {
  const algorithm = der.oid()
  const digest = der.octetString()
  der.end()
  const sha384 = algorithm === OID.sha384 && digest.length === SHA384_BYTES
  ensure(sha384, 'fwid-mismatch', 'the firmware identity is not a SHA-384')
  return digest
}
