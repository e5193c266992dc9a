import { decodeBase64 } from './base64.js'
import { fromUtf8 } from './bytes.js'
import { AttestationError } from './error.js'

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'

export const PEM_CERTIFICATES_MAX = 8

/**
 * The DER of each certificate in a PEM bundle (RFC 7468), in order. Between and after the blocks only line ends may
 * stand, except one NUL at the very end, which Intel's quoting library writes.
 */
export function decodeCertificates(bytes: Uint8Array): Uint8Array[] {
  const end = bytes[bytes.length - 1] === 0 ? bytes.length - 1 : bytes.length
  const text = fromUtf8(bytes.subarray(0, end)) ?? malformed('not text')
  const certificates: Uint8Array[] = []
  let at = skipLineEnds(text, 0)
  while (at < text.length) {
    if (!text.startsWith(BEGIN, at)) malformed('text outside a certificate block')
    if (certificates.length === PEM_CERTIFICATES_MAX) malformed(`more than ${PEM_CERTIFICATES_MAX} certificates`)
    const from = at + BEGIN.length
    const to = text.indexOf(END, from)
    if (to < 0) malformed('certificate block without an end')
    const body = text.slice(from, to).replace(/[\r\n]/g, '')
    certificates.push(decodeBase64(body) ?? malformed('certificate block is not base64'))
    at = skipLineEnds(text, to + END.length)
  }
  if (certificates.length === 0) malformed('no certificate')
  return certificates
}

/** One certificate, given as DER or as PEM. */
export function oneCertificate(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== BEGIN.charCodeAt(0)) return bytes
  const certificates = decodeCertificates(bytes)
  return certificates.length === 1
    ? certificates[0]!
    : malformed(`${certificates.length} certificates where one belongs`)
}

function skipLineEnds(text: string, from: number): number {
  let at = from
  while (at < text.length && (text[at] === '\n' || text[at] === '\r')) at++
  return at
}

function malformed(why: string): never {
  throw new AttestationError('pem-malformed', why)
}
