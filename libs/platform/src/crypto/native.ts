import { Hex, Secp256k1 } from '@haca/core'
import { createKeccak } from 'hash-wasm'
import { hash } from 'node:crypto'

/** The hot path's primitives on native code, with signing. */
export interface Native extends Secp256k1.Primitives {
  /** Which library recovers: libsecp256k1 through its Node binding, or its WebAssembly build. */
  engine: 'secp256k1' | 'tiny-secp256k1'
  /** r ‖ s ‖ v over a 32-byte digest: deterministic (RFC 6979), low s. */
  sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array
}

/**
 * Loads native recovery and keccak. `secp256k1` is libsecp256k1 by prebuilt binary; where it cannot be loaded the
 * WebAssembly build of the same library serves, about four times slower, and `engine` says so.
 */
export async function loadPrimitives(): Promise<Native> {
  const hasher = await createKeccak(256)
  const keccak256 = (data: Uint8Array): Uint8Array => hasher.init().update(data).digest('binary')
  const curve = await loadCurve()
  return {
    engine: curve.engine,
    keccak256,
    sha256: (data) => hash('sha256', data, 'buffer'),
    recover: remembering((digest, signature) => {
      const publicKey = curve.recover(signature.subarray(0, 64), (signature[64] as number) - 27, digest)
      return publicKey && Secp256k1.addressOf(publicKey, keccak256)
    }),
    sign(digest, privateKey) {
      const { signature, recovery } = curve.sign(digest, privateKey)
      const out = new Uint8Array(65)
      out.set(signature, 0)
      out[64] = recovery + 27
      return out
    },
  }
}

type Recover = Secp256k1.Primitives['recover']

const rememberedMax = 4_096

/**
 * Remembers the last recoveries, each by its whole digest and signature. A process meets the same signature several times: the offer many
 * payments share, a receipt at each step of its way, the record of a key. Looking costs a hundredth of recovering.
 */
function remembering(recover: Recover): Recover {
  const known = new Map<string, Uint8Array | undefined>()
  return (digest, signature) => {
    if (!Secp256k1.isCanonical(signature)) return undefined
    const key = latin1(digest) + latin1(signature)
    if (known.has(key)) return known.get(key)?.slice()
    const address = recover(digest, signature)
    if (known.size >= rememberedMax) known.delete(known.keys().next().value as string)
    known.set(key, address)
    return address?.slice()
  }
}

/** One character per byte: the cheapest text that tells bytes apart. */
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

interface Curve {
  engine: Native['engine']
  /** Uncompressed public key (65 bytes), or `undefined` when the signature is nobody's. */
  recover(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined
  sign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recovery: number }
}

async function loadCurve(): Promise<Curve> {
  try {
    // The package falls back to slow JavaScript on its own when the addon is missing; ask for the addon by name instead.
    const { createRequire } = await import('node:module')
    const native = createRequire(import.meta.url)('secp256k1/bindings') as Bindings
    return libsecp256k1(native)
  } catch {
    return wasm(await import('tiny-secp256k1'))
  }
}

interface Bindings {
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed: boolean): Uint8Array
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number }
}

const libsecp256k1 = (native: Bindings): Curve => ({
  engine: 'secp256k1',
  recover(signature, recovery, digest) {
    try {
      return native.ecdsaRecover(signature, recovery, digest, false)
    } catch {
      return undefined
    }
  },
  sign(digest, privateKey) {
    const { signature, recid } = native.ecdsaSign(digest, privateKey)
    return { signature, recovery: recid }
  },
})

const wasm = (tiny: typeof import('tiny-secp256k1')): Curve => ({
  engine: 'tiny-secp256k1',
  recover(signature, recovery, digest) {
    try {
      return tiny.recover(digest, signature, recovery as 0 | 1, false) ?? undefined
    } catch {
      return undefined
    }
  },
  sign(digest, privateKey) {
    const { signature, recoveryId } = tiny.signRecoverable(digest, privateKey)
    return { signature, recovery: recoveryId }
  },
})

/** Private key bytes of a 0x-hexadecimal secret. */
export const keyBytes = (hex: string): Uint8Array => Hex.toBytes(hex, 32)
