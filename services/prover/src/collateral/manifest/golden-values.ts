import { encodeBase64Url, GOLDEN_VALUES_TYPE, parseGoldenValues, utf8 } from '@haca/core/tee/collateral'
import { createECDH, createHash, createPrivateKey, sign } from 'node:crypto'
import type { ManifestId, ReferenceManifest } from './reference-manifest.js'

/** Signs what manifests say, in the form that verifiers read. */
export interface GoldenSigner {
  /** P-384 point, 97 bytes: what verifiers pin. */
  readonly publicKey: Uint8Array
  sign(payload: Uint8Array): Uint8Array
}

/** From a P-384 scalar of 48 bytes. Throws RangeError for one that is out of range. */
export function goldenSigner(scalar: Uint8Array): GoldenSigner {
  const ecdh = createECDH('secp384r1')
  try {
    ecdh.setPrivateKey(scalar)
  } catch (cause) {
    throw new RangeError('the key of golden values is no P-384 scalar', { cause })
  }
  const point = new Uint8Array(ecdh.getPublicKey())
  const part = (from: number, to: number): string => encodeBase64Url(point.subarray(from, to))
  const key = createPrivateKey({ key: { kty: 'EC', crv: 'P-384', d: encodeBase64Url(scalar), x: part(1, 49), y: part(49, 97) }, format: 'jwk' })
  const header = encodeBase64Url(utf8(JSON.stringify({ alg: 'ES384', typ: GOLDEN_VALUES_TYPE })))
  return {
    publicKey: point,
    sign(payload) {
      const message = `${header}.${encodeBase64Url(payload)}`
      return utf8(`${message}.${encodeBase64Url(sign('sha384', utf8(message), { key, dsaEncoding: 'ieee-p1363' }))}`)
    },
  }
}

/** A verified manifest as golden values (`libs/core/src/tee/nvidia/golden-values.ts`); read back once, so that nothing is signed that no verifier takes. */
export function goldenPayload(name: string, { component, board }: ManifestId, manifest: ReferenceManifest, source: Uint8Array): Uint8Array {
  const { product, version, notBefore, notAfter, measurements } = manifest
  const payload = utf8(
    JSON.stringify({
      v: 1,
      component,
      product,
      version,
      ...(board ? { board } : {}),
      source: { id: name, sha256: createHash('sha256').update(source).digest('hex') },
      notBefore: instant(notBefore),
      notAfter: instant(notAfter),
      measurements,
    }),
  )
  parseGoldenValues(payload)
  return payload
}

const instant = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z')
