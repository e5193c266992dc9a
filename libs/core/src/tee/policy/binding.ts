import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { compare, concat, equal, utf8 } from '../bytes.js'
import * as Cbor from '../cbor.js'
import { AttestationError } from '../error.js'
import { TEE_KINDS, type EvidenceClaims, type TeeKind } from '../evidence.js'

/**
 * What a node's key is bound to: the statement whose digest the hardware signs. Every field is part of the digest, so a
 * key registered for one chain, registry, node, model or set of GPUs is worth nothing for another.
 */
export interface KeyBinding {
  readonly v: 1
  readonly domain: typeof BINDING_DOMAIN
  readonly chainId: number
  /** Address of the signer registry, 20 bytes. */
  readonly registry: Uint8Array
  /** The node's identifier in that registry, 32 bytes. */
  readonly nodeId: Uint8Array
  /** Kind of the machine's evidence. */
  readonly kind: TeeKind
  /** secp256k1, compressed, 33 bytes: signs receipts. */
  readonly receiptKey: Uint8Array
  /** X25519, 32 bytes: opens encrypted requests. `null` where the node offers none. */
  readonly hpkeKey: Uint8Array | null
  /** SHA-256 of the TLS certificate's SubjectPublicKeyInfo, 32 bytes, or `null`. */
  readonly tlsSpki: Uint8Array | null
  /**
   * Digests of the manifests of the models it holds, 32 bytes each, in ascending order. Empty for a node that forwards: its
   * model weights are unknown.
   */
  readonly models: readonly Uint8Array[]
  /** The image of the policy that the node says it runs. */
  readonly imageId: string
  /** 16 random bytes drawn at each start. */
  readonly session: Uint8Array
  /** SHA-256 of the evidence of each device, GPUs and switches, in the order they are handed in. */
  readonly gpu: readonly Uint8Array[]
}

export const BINDING_DOMAIN = 'haca/keybinding/1'
export const BINDING_BYTES_MAX = 4096
const DEVICES_MAX = 32
const MODELS_MAX = 64
const IMAGE_ID_MAX = 128

/** A verifier's challenge: single use, short-lived. */
export interface Challenge {
  /** 32 bytes naming the verifier. */
  readonly verifierId: Uint8Array
  /** 32 random bytes. */
  readonly random: Uint8Array
  /** Unix seconds. */
  readonly expiresAt: number
}

/** The binding's bytes: core deterministic CBOR (RFC 8949 §4.2.1). Throws RangeError on fields of wrong size. */
export function encodeBinding(binding: KeyBinding): Uint8Array {
  checkSizes(binding, (why) => {
    throw new RangeError(why)
  })
  return Cbor.encode({ ...binding })
}

/** Decodes exactly what `encodeBinding` writes; any other spelling refuses with `evidence-malformed`. */
export function decodeBinding(bytes: Uint8Array): KeyBinding {
  if (bytes.length > BINDING_BYTES_MAX) malformed(`${bytes.length} bytes`)
  const map = Cbor.decode(bytes)
  if (!(map instanceof Map)) return malformed('not a map')
  const binding = Object.fromEntries(map) as unknown as KeyBinding
  const known = map.size === FIELDS.length && FIELDS.every((name) => map.has(name))
  if (!known) malformed('fields')
  if (binding.v !== 1 || binding.domain !== BINDING_DOMAIN) malformed('version or domain')
  if (!Array.isArray(binding.gpu)) malformed('gpu')
  if (!Array.isArray(binding.models)) malformed('models')
  checkSizes(binding, malformed)
  if (!equal(Cbor.encode({ ...binding }), bytes)) malformed('not in canonical form')
  return binding
}

const FIELDS: readonly (keyof KeyBinding)[] = [
  'v',
  'domain',
  'chainId',
  'registry',
  'nodeId',
  'kind',
  'receiptKey',
  'hpkeKey',
  'tlsSpki',
  'models',
  'imageId',
  'session',
  'gpu',
]

function checkSizes(binding: KeyBinding, refuse: (why: string) => never): void {
  const sized = (value: unknown, size: number) => value instanceof Uint8Array && value.length === size
  const optional = (value: unknown, size: number) => value === null || sized(value, size)
  if (!Number.isSafeInteger(binding.chainId) || binding.chainId <= 0) refuse('chainId')
  if (!sized(binding.registry, 20)) refuse('registry')
  if (!sized(binding.nodeId, 32)) refuse('nodeId')
  if (!TEE_KINDS.includes(binding.kind)) refuse('kind')
  if (!sized(binding.receiptKey, 33) || !secp256k1.utils.isValidPublicKey(binding.receiptKey, true))
    refuse('receiptKey')
  if (!optional(binding.hpkeKey, 32)) refuse('hpkeKey')
  if (!optional(binding.tlsSpki, 32)) refuse('tlsSpki')
  if (!isAscending(binding.models, MODELS_MAX)) refuse('models')
  if (typeof binding.imageId !== 'string' || binding.imageId.length > IMAGE_ID_MAX) refuse('imageId')
  if (!sized(binding.session, 16)) refuse('session')
  if (binding.gpu.length > DEVICES_MAX || !binding.gpu.every((digest) => sized(digest, 32))) refuse('gpu')
}

/** Digests in ascending order, none twice: one spelling per set. */
function isAscending(digests: readonly Uint8Array[], most: number): boolean {
  const sized = digests.every((digest) => digest instanceof Uint8Array && digest.length === 32)
  return sized && digests.length <= most && digests.every((digest, i) => i === 0 || compare(digests[i - 1]!, digest) < 0)
}

/** SHA-256 of the binding's bytes. */
export function bindingHash(binding: KeyBinding): Uint8Array {
  return sha256(encodeBinding(binding))
}

/** SHA-256("challenge/1" ‖ verifierId:32 ‖ random:32 ‖ expiresAt:8, big-endian). */
export function challengeHash({ verifierId, random, expiresAt }: Challenge): Uint8Array {
  if (verifierId.length !== 32 || random.length !== 32) throw new RangeError('verifierId and random have 32 bytes')
  if (!Number.isSafeInteger(expiresAt) || expiresAt < 0) throw new RangeError('expiresAt is in whole seconds')
  const expiry = new Uint8Array(8)
  new DataView(expiry.buffer).setBigUint64(0, BigInt(expiresAt))
  return sha256(concat(utf8('challenge/1'), verifierId, random, expiry))
}

/**
 * The nonce for every device: SHA-256("gpu/1" ‖ challenge ‖ receiptKey). Devices are asked first, and the digests
 * of what they answer enter the machine's own evidence, so that a borrowed device cannot be added later.
 */
export function deviceNonce(challenge: Challenge, receiptKey: Uint8Array): Uint8Array {
  return sha256(concat(utf8('gpu/1'), challengeHash(challenge), receiptKey))
}

/** What a machine must put into its evidence. */
export interface BoundFields {
  readonly userData: Uint8Array
  readonly nonce?: Uint8Array
  readonly publicKey?: Uint8Array
}

/**
 * TDX, SGX and SEV-SNP have 64 bytes of report data: bindingHash ‖ challenge.
 * Nitro, and the simulator with it: user_data = bindingHash, nonce = challenge, public_key = receiptKey.
 */
export function boundFields(binding: KeyBinding, challenge: Challenge): BoundFields {
  const [hash, challenged] = [bindingHash(binding), challengeHash(challenge)]
  switch (binding.kind) {
    case 'tdx':
    case 'sgx':
    case 'sev-snp':
      return { userData: concat(hash, challenged) }
    case 'nitro':
    case 'simulated':
      return { userData: hash, nonce: challenged, publicKey: binding.receiptKey }
    case 'nvidia-gpu':
    case 'nvidia-switch':
      throw new RangeError(`${binding.kind} evidence binds no key`)
  }
}

/** Which of the fields a machine had to fill hold what they must; a field that its kind does not use is not listed. */
export function checkBoundFields(
  claims: EvidenceClaims,
  binding: KeyBinding,
  challenge: Challenge,
): { readonly field: keyof BoundFields; readonly ok: boolean }[] {
  const expected = boundFields(binding, challenge)
  const fields = ['userData', 'nonce', 'publicKey'] as const
  return fields.flatMap((field) => {
    const value = expected[field]
    const actual = claims[field]
    return value ? [{ field, ok: actual !== undefined && equal(actual, value) }] : []
  })
}

function malformed(why: string): never {
  throw new AttestationError('evidence-malformed', `key binding: ${why}`)
}
