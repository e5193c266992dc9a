import * as Cbor from './cbor.js'
import type { Certificate } from './certificate.js'
import type { CryptoProvider } from './crypto.js'
import { ensure } from './error.js'

const ES384 = -35
const SIGNATURE_BYTES = 96

/** The parts of a COSE_Sign1 structure (RFC 9052 §4.2) whose only header is the ES384 algorithm. */
export interface CoseSign1 {
  readonly protectedHeader: Uint8Array
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

/** Parses an untagged COSE_Sign1; refuses with `evidence-malformed` or `evidence-algorithm-unsupported`. */
export function parseCoseSign1(bytes: Uint8Array): CoseSign1 {
  const parts = Cbor.decode(bytes)
  ensure(Array.isArray(parts) && parts.length === 4, 'evidence-malformed', 'not a COSE_Sign1 array')
  const [protectedHeader, unprotected, payload, signature] = parts as readonly Cbor.CborValue[]
  ensure(protectedHeader instanceof Uint8Array, 'evidence-malformed', 'protected header is not bytes')
  ensure(unprotected instanceof Map && unprotected.size === 0, 'evidence-malformed', 'unprotected header is not empty')
  ensure(payload instanceof Uint8Array, 'evidence-malformed', 'payload is not bytes')
  ensure(signature instanceof Uint8Array, 'evidence-malformed', 'signature is not bytes')
  ensure(signature.length === SIGNATURE_BYTES, 'evidence-malformed', `signature of ${signature.length} bytes`)
  const header = Cbor.decode(protectedHeader)
  const es384 = header instanceof Map && header.size === 1 && header.get(1) === ES384
  ensure(es384, 'evidence-algorithm-unsupported', 'protected header is not exactly ES384')
  return { protectedHeader, payload, signature }
}

/** The bytes a COSE_Sign1 signature is over (RFC 9052 §4.4), without external data. */
export function coseSignedBytes({ protectedHeader, payload }: Omit<CoseSign1, 'signature'>): Uint8Array {
  return Cbor.encode(['Signature1', protectedHeader, new Uint8Array(), payload])
}

/** Refuses unless the signature is the certificate's P-384 key's. */
export async function checkCoseSignature(cose: CoseSign1, signer: Certificate, crypto: CryptoProvider): Promise<void> {
  const { publicKey } = signer
  const p384 = publicKey.type === 'ec' && publicKey.curve === 'P-384'
  ensure(p384, 'certificate-algorithm-unsupported', 'the signing key is not P-384')
  const genuine = await crypto.verifyEcdsa({
    curve: 'P-384',
    hash: 'SHA-384',
    publicKey: publicKey.point,
    signature: cose.signature,
    message: coseSignedBytes(cose),
  })
  ensure(genuine, 'evidence-signature-invalid', 'signature is not the certified key’s')
}
