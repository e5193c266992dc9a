import type { CryptoProvider, EcdsaCheck, HashName, RsaPssCheck } from './crypto.js'

/** The part of `SubtleCrypto` used, so that core needs no DOM types. */
export interface SubtleCryptoLike<Key = unknown> {
  digest(algorithm: string, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>
  importKey(
    format: 'raw' | 'spki',
    data: Uint8Array<ArrayBuffer>,
    algorithm: { name: string; namedCurve?: string; hash?: string },
    extractable: boolean,
    usages: ['verify'],
  ): Promise<Key>
  verify(
    algorithm: { name: string; hash?: string; saltLength?: number },
    key: Key,
    signature: Uint8Array<ArrayBuffer>,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<boolean>
}

/** The WebCrypto adapter: `webCrypto(crypto.subtle)` in a browser, a worker, Deno, Bun or Node. */
export function webCrypto<Key>(subtle: SubtleCryptoLike<Key>): CryptoProvider {
  return {
    name: 'webcrypto',
    async digest(hash: HashName, data: Uint8Array): Promise<Uint8Array> {
      return new Uint8Array(await subtle.digest(hash, owned(data)))
    },
    async verifyEcdsa({ curve, hash, publicKey, signature, message }: EcdsaCheck): Promise<boolean> {
      const algorithm = { name: 'ECDSA', namedCurve: curve }
      const key = await usable(subtle.importKey('raw', owned(publicKey), algorithm, false, ['verify']))
      return key !== undefined && subtle.verify({ name: 'ECDSA', hash }, key, owned(signature), owned(message))
    },
    async verifyRsaPss({ hash, publicKey, signature, message }: RsaPssCheck): Promise<boolean> {
      const key = await usable(subtle.importKey('spki', owned(publicKey), { name: 'RSA-PSS', hash }, false, ['verify']))
      const algorithm = { name: 'RSA-PSS', saltLength: 48 }
      return key !== undefined && subtle.verify(algorithm, key, owned(signature), owned(message))
    },
  }
}

/** WebCrypto rejects a key it cannot use with a DataError; that is an answer about the key, not a breakage. */
async function usable<Key>(key: Promise<Key>): Promise<Key | undefined> {
  try {
    return await key
  } catch (error) {
    if (error instanceof Error && error.name === 'DataError') return undefined
    throw error
  }
}

/** WebCrypto takes views of a plain ArrayBuffer only; a view of shared memory is copied. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
}
