import type { Certificate } from '@haca/core/tee/collateral'
import { createHash } from 'node:crypto'

/** The request about one certificate (RFC 6960 §4.1.1), certificate ID by SHA-384, no nonce: dates prove freshness to whoever reads the answer later. */
export function ocspRequest(certificate: Certificate, issuer: Certificate): Uint8Array {
  const digest = (bytes: Uint8Array): Buffer => createHash('sha384').update(bytes).digest()
  // AlgorithmIdentifier of SHA-384: 2.16.840.1.101.3.4.2.2 with NULL.
  const algorithm = tlv(0x30, Buffer.from('0609608648016503040202', 'hex'), tlv(0x05))
  const id = tlv(0x30, algorithm, tlv(0x04, digest(issuer.subject)), tlv(0x04, digest(issuer.publicKey.bits)), tlv(0x02, certificate.serial))
  return new Uint8Array(tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x30, id)))))
}

/** DER of at most 65,535 bytes. */
function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  const length = body.length < 0x80 ? [body.length] : body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
