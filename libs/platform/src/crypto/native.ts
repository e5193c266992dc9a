import { assert, Hex, Secp256k1 } from '@haca/core'
import { createKeccak } from 'hash-wasm'
import { hash } from 'node:crypto'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** The hot path's primitives on native code, with signing. */
export interface Native extends Secp256k1.Primitives {
  /** Which library recovers: the present libsecp256k1 by our addon, the one of 2019 by npm's `secp256k1`, or a WebAssembly build. */
  engine: Engine
  /** r ‖ s ‖ v over a 32-byte digest: deterministic (RFC 6979), low s. */
  sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array
}

export type Engine = 'libsecp256k1' | 'secp256k1' | 'tiny-secp256k1'

/**
 * Loads native recovery and keccak. Where the addon was not built, because no Rust was there, npm's prebuilt binary serves, half as fast;
 * where that cannot be loaded either, WebAssembly, another four times slower. A warning says that it is so, and `engine` which it is; `only` takes no other.
 */
export async function loadPrimitives(only?: Engine): Promise<Native> {
  const hasher = await createKeccak(256)
  const keccak256 = (data: Uint8Array): Uint8Array => hasher.init().update(data).digest('binary')
  const curve = await loadCurve(keccak256, only)
  return {
    engine: curve.engine,
    keccak256,
    sha256: (data) => hash('sha256', data, 'buffer'),
    recover: remembering(curve.recover),
    sign: curve.sign,
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
  engine: Engine
  /** Address (20 bytes), or `undefined` when the signature is nobody's. The signature is canonical. */
  recover: Recover
  sign: Native['sign']
}

type Keccak = Secp256k1.Primitives['keccak256']

const makers: Record<Engine, (keccak256: Keccak) => Curve | Promise<Curve>> = { libsecp256k1: addon, secp256k1: prebuilt, 'tiny-secp256k1': wasm }

async function loadCurve(keccak256: Keccak, only: Engine | undefined): Promise<Curve> {
  if (only) return makers[only](keccak256)
  try {
    return addon()
  } catch (cause) {
    process.emitWarning(`signatures are checked by a slower library: ${(cause as Error).message}`, { code: 'HACA_SLOW_SIGNATURES', detail: 'libs/platform/secp256k1 is built by npm run setup where there is cargo' })
  }
  try {
    return prebuilt(keccak256)
  } catch {
    return wasm(keccak256) // no binary for this platform
  }
}

/** `libs/platform/secp256k1`: takes bytes, writes into the array it is brought, and says whether it did. */
interface Addon {
  recover(digest: Uint8Array, signature: Uint8Array, address: Uint8Array): boolean
  sign(digest: Uint8Array, privateKey: Uint8Array, signature: Uint8Array): boolean
}

const libraryName: Partial<Record<NodeJS.Platform, string>> = { darwin: 'libhaca_secp256k1.dylib', win32: 'haca_secp256k1.dll' }

function addon(): Curve {
  const name = libraryName[process.platform] ?? 'libhaca_secp256k1.so'
  const loaded = { exports: {} as Addon }
  process.dlopen(loaded, fileURLToPath(new URL(`../../secp256k1/target/release/${name}`, import.meta.url)))
  const native = loaded.exports
  return {
    engine: 'libsecp256k1',
    recover(digest, signature) {
      const address = new Uint8Array(20)
      return native.recover(digest, signature, address) ? address : undefined
    },
    sign(digest, privateKey) {
      const signature = new Uint8Array(65)
      assert(native.sign(digest, privateKey, signature), 'a 32-byte digest and a private key')
      return signature
    },
  }
}

interface Bindings {
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed: boolean): Uint8Array
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number }
}

function prebuilt(keccak256: Keccak): Curve {
  // The package falls back to slow JavaScript on its own when its binary is missing; ask for the binary by name instead.
  const native = createRequire(import.meta.url)('secp256k1/bindings') as Bindings
  return {
    engine: 'secp256k1',
    recover: recoverBy((signature, recovery, digest) => native.ecdsaRecover(signature, recovery, digest, false), keccak256),
    sign(digest, privateKey) {
      const { signature, recid } = native.ecdsaSign(digest, privateKey)
      return withRecovery(signature, recid)
    },
  }
}

async function wasm(keccak256: Keccak): Promise<Curve> {
  const tiny = await import('tiny-secp256k1')
  return {
    engine: 'tiny-secp256k1',
    recover: recoverBy((signature, recovery, digest) => tiny.recover(digest, signature, recovery as 0 | 1, false), keccak256),
    sign(digest, privateKey) {
      const { signature, recoveryId } = tiny.signRecoverable(digest, privateKey)
      return withRecovery(signature, recoveryId)
    },
  }
}

/** A library that gives the public key (65 bytes), and throws or gives nothing when there is none. */
const recoverBy =
  (publicKey: (signature: Uint8Array, recovery: number, digest: Uint8Array) => Uint8Array | null, keccak256: Keccak): Recover =>
  (digest, signature) => {
    try {
      const found = publicKey(signature.subarray(0, 64), (signature[64] as number) - 27, digest)
      return found ? Secp256k1.addressOf(found, keccak256) : undefined
    } catch {
      return undefined
    }
  }

function withRecovery(signature: Uint8Array, recovery: number): Uint8Array {
  const out = new Uint8Array(65)
  out.set(signature, 0)
  out[64] = recovery + 27
  return out
}

/** Private key bytes of a 0x-hexadecimal secret. */
export const keyBytes = (hex: string): Uint8Array => Hex.toBytes(hex, 32)
