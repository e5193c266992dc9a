import { constants, createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { FIELD_BYTES, type CryptoProvider, type EcdsaCheck, type HashName, type RsaPssCheck } from './crypto.js'
import { toHex } from './bytes.js'

const NODE_HASH: Readonly<Record<HashName, 'sha256' | 'sha384'>> = { 'SHA-256': 'sha256', 'SHA-384': 'sha384' }

/** Importing a key costs a third of a P-256 check, and vendors' CA keys come back in every verification. */
const KEYS_HELD_MAX = 64

/**
 * The `node:crypto` adapter: synchronous, for Node users only. The library never imports this file; it is reached
 * through its own package subpath. Keys are held in a small first-in-first-out table by their bytes.
 */
export function nodeCrypto(): CryptoProvider {
  const keys = new Map<string, KeyObject | undefined>()
  const held = (id: string, make: () => KeyObject): KeyObject | undefined => {
    if (keys.has(id)) return keys.get(id)
    const key = usable(make)
    if (keys.size >= KEYS_HELD_MAX) keys.delete(keys.keys().next().value!)
    keys.set(id, key)
    return key
  }
  return {
    name: 'node:crypto',
    digest(name: HashName, data: Uint8Array): Uint8Array {
      return hash(NODE_HASH[name], data, 'buffer')
    },
    verifyEcdsa({ curve, hash: name, publicKey, signature, message }: EcdsaCheck): boolean {
      const key = held(`${curve}:${toHex(publicKey)}`, () => ecKey(curve, publicKey))
      return key !== undefined && verify(NODE_HASH[name], message, key, ecdsaToDer(signature))
    },
    verifyRsaPss({ hash: name, publicKey, signature, message }: RsaPssCheck): boolean {
      const key = held(`rsa:${toHex(publicKey)}`, () =>
        createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }),
      )
      const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 }
      return key !== undefined && verify(NODE_HASH[name], message, { key, ...padding }, signature)
    },
  }
}

function ecKey(curve: EcdsaCheck['curve'], point: Uint8Array): KeyObject {
  const width = FIELD_BYTES[curve]
  const coordinate = (from: number) => Buffer.from(point.subarray(from, from + width)).toString('base64url')
  return createPublicKey({
    key: { kty: 'EC', crv: curve, x: coordinate(1), y: coordinate(1 + width) },
    format: 'jwk',
  })
}

/**
 * r ‖ s as ECDSA-Sig-Value. OpenSSL wants DER; letting Node convert (`dsaEncoding: 'ieee-p1363'`) costs half as much
 * again as the whole P-256 check.
 */
function ecdsaToDer(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  const [r, s] = [withoutZeros(raw.subarray(0, half)), withoutZeros(raw.subarray(half))]
  const [rPad, sPad] = [r[0]! >> 7, s[0]! >> 7]
  // Two P-384 integers take at most 102 bytes, so every length is one byte.
  const der = new Uint8Array(6 + rPad + r.length + sPad + s.length)
  der.set([0x30, der.length - 2, 0x02, rPad + r.length])
  der.set(r, 4 + rPad)
  der.set([0x02, sPad + s.length], 4 + rPad + r.length)
  der.set(s, der.length - s.length)
  return der
}

function withoutZeros(number: Uint8Array): Uint8Array {
  let start = 0
  while (start < number.length - 1 && number[start] === 0) start++
  return number.subarray(start)
}

/** A key that OpenSSL refuses (a point off the curve) is an answer, not a breakage. */
function usable(make: () => KeyObject): KeyObject | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
