import { decodeBase64 } from './base64.js'
import { AttestationError } from './error.js'

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'

export const PEM_CERTIFICATES_MAX = 8

/**
 * The DER of each certificate in a PEM bundle (RFC 7468), in order. Between and after the blocks only white space may
 * stand, except one NUL at the very end, which Intel's quoting library writes.
 */
export function decodeCertificates(bytes: Uint8Array): Uint8Array[] {
  const text = ascii(bytes)
  const certificates: Uint8Array[] = []
  let at = skipSpace(text, 0)
  while (at < text.length) {
    if (!text.startsWith(BEGIN, at)) malformed('text outside a certificate block')
    if (certificates.length === PEM_CERTIFICATES_MAX) malformed(`more than ${PEM_CERTIFICATES_MAX} certificates`)
    const from = at + BEGIN.length
    const to = text.indexOf(END, from)
    if (to < 0) malformed('certificate block without an end')
    const body = text.slice(from, to).replace(/[\r\n]/g, '')
    certificates.push(decodeBase64(body) ?? malformed('certificate block is not base64'))
    at = skipSpace(text, to + END.length)
  }
  if (certificates.length === 0) malformed('no certificate')
  return certificates
}

function ascii(bytes: Uint8Array): string {
  const end = bytes[bytes.length - 1] === 0 ? bytes.length - 1 : bytes.length
  let text = ''
  for (let i = 0; i < end; i += 4096) text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + 4096)))
  return text
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && ' \r\n\t'.includes(text[at]!)) at++
  return at
}

function malformed(why: string): never {
  throw new AttestationError('pem-malformed', why)
}
