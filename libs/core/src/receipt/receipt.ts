import * as Abi from '../abi.js'
import * as Eip712 from '../eip712.js'
import { AppError } from '../errors.js'
import * as Hex from '../hex.js'
import * as Money from '../money.js'
import { portable, sign as signDigest, type Primitives } from '../secp256k1.js'

/** Verification that was delivered (receipt) or bought (offer). */
export const modes = { none: 0, tee: 1, zkml: 2, 'tee+zkml': 3 } as const
export type Mode = keyof typeof modes

/** Where the signing key lives. `simulated` is a kind of its own and never stands for hardware. */
export const keyKinds = { node: 0, nitro: 1, tdx: 2, 'sev-snp': 3, sgx: 4, simulated: 255 } as const
export type KeyKind = keyof typeof keyKinds

/** One inference, one receipt, for ever. Numbers are seconds or counts within 2^53. */
export interface Receipt {
  requestId: Hex.Hex
  offerHash: Hex.Hex
  /** SHA-256 of the model's manifest file. */
  modelHash: Hex.Hex
  requestHash: Hex.Hex
  outputHash: Hex.Hex
  /** Digest of the key's appraised evidence (TEE modes) or verification-key id (zkml). */
  evidenceId: Hex.Hex
  /** zk modes: keccak256 of the proof's public signals; else zero. */
  statementHash: Hex.Hex
  paymentId: Hex.Hex
  node: Hex.Hex
  payer: Hex.Hex
  token: Hex.Hex
  /** min(ceiling, units × unit price), in atomic units. */
  price: Money.Atomic
  policyEpoch: number
  /** Unix seconds, as the node claims. */
  issuedAt: number
  /** issuedAt + 10 minutes: anchored more than 20 minutes later, the receipt is void. */
  settleBy: number
  /** Rises by one per key. */
  seq: number
  mode: number
  keyKind: number
}

/** A receipt with its node's signature (r ‖ s ‖ v, 65 bytes). */
export interface Signed {
  receipt: Receipt
  signature: Hex.Hex
}

/** What a node is asked to put its name under; the rest of the receipt it fills in itself. */
export type Terms = Omit<Receipt, 'node' | 'evidenceId' | 'keyKind' | 'issuedAt' | 'settleBy' | 'seq'> & {
  /** Verification-key id of a zkml receipt, in the place of the key's own evidence. */
  evidenceId?: Hex.Hex
}

export const settleWithinSeconds = 600
export const voidAfterSettleBySeconds = 1200

export const typeString =
  'InferenceReceipt(bytes32 requestId,bytes32 offerHash,bytes32 modelHash,bytes32 requestHash,bytes32 outputHash,' +
  'bytes32 evidenceId,bytes32 statementHash,bytes32 paymentId,address node,address payer,address token,uint128 price,' +
  'uint64 policyEpoch,uint64 issuedAt,uint64 settleBy,uint64 seq,uint8 mode,uint8 keyKind)'

const typeHash = Eip712.hashText(typeString)

const fields32 = ['requestId', 'offerHash', 'modelHash', 'requestHash', 'outputHash', 'evidenceId', 'statementHash', 'paymentId'] as const
const fields20 = ['node', 'payer', 'token'] as const
const fields64 = ['policyEpoch', 'issuedAt', 'settleBy', 'seq'] as const

/** Bytes of one receipt in a leaf file: the fields of the type string in order, without padding. */
export const packedBytes = 8 * 32 + 3 * 20 + 16 + 4 * 8 + 2

/** Where receipts of a deployment are signed under. */
export interface Scope {
  chainId: number
  /** SettlementLog, the verifying contract. */
  log: Hex.Hex
}

/** Domain name for a kind of key: simulated keys sign under another name and nothing else. */
export const domainName = (keyKind: number): string => (keyKind === keyKinds.simulated ? 'HACA Simulated Receipt' : 'HACA Receipt')

export const domain = (scope: Scope, keyKind: number): Eip712.Domain => ({
  name: domainName(keyKind),
  version: '1',
  chainId: scope.chainId,
  verifyingContract: scope.log,
})

/** EIP-712 digest of a receipt under its domain: the `receiptHash` of leaves and disputes (32 bytes). */
export function hash(receipt: Receipt, scope: Scope, keccak256: Primitives['keccak256'] = portable.keccak256): Hex.Hex {
  return Hex.fromBytes(digest(receipt, scope, keccak256))
}

/** Signs a receipt. The key's address must be the receipt's node. */
export function sign(receipt: Receipt, scope: Scope, privateKey: Uint8Array, signing: Signing = { ...portable, sign: signDigest }): Signed {
  return { receipt, signature: Hex.fromBytes(signing.sign(digest(receipt, scope, signing.keccak256), privateKey)) }
}

/** Primitives of signing, portable by default. */
export interface Signing extends Pick<Primitives, 'keccak256' | 'sha256'> {
  /** r ‖ s ‖ v over a 32-byte digest. */
  sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array
}

/** Address that signed, or `undefined` when nobody can have. The caller compares it with `receipt.node`. */
export function signer(signed: Signed, scope: Scope, primitives: Primitives = portable): Hex.Hex | undefined {
  const address = primitives.recover(digest(signed.receipt, scope, primitives.keccak256), Hex.toBytes(signed.signature))
  return address && Hex.fromBytes(address)
}

/** Whether the receipt's own node signed it, under the domain its kind of key demands. */
export function isSigned(signed: Signed, scope: Scope, primitives: Primitives = portable): boolean {
  const by = signer(signed, scope, primitives)
  return by !== undefined && Hex.equals(by, signed.receipt.node)
}

/** Fixed-width bytes of a receipt, `packedBytes` long: leaf files hold these. */
export function pack(receipt: Receipt): Uint8Array {
  return Abi.concat([
    ...fields32.map((name) => Hex.toBytes(receipt[name], 32)),
    ...fields20.map((name) => Hex.toBytes(receipt[name], 20)),
    Abi.uint(receipt.price, 16),
    ...fields64.map((name) => Abi.uint(receipt[name], 8)),
    Uint8Array.of(receipt.mode, receipt.keyKind),
  ])
}

/** Inverse of `pack`. Throws `receipt.malformed`. */
export function unpack(bytes: Uint8Array): Receipt {
  if (bytes.length !== packedBytes) throw new AppError('receipt.malformed', { detail: `expected ${packedBytes} bytes` })
  let at = 0
  const take = (width: number): Hex.Hex => Hex.fromBytes(bytes.subarray(at, (at += width)))
  const out: Record<string, unknown> = {}
  for (const name of fields32) out[name] = take(32)
  for (const name of fields20) out[name] = take(20)
  out.price = BigInt(take(16))
  for (const name of fields64) out[name] = safe(BigInt(take(8)), name)
  out.mode = bytes[at]
  out.keyKind = bytes[at + 1]
  return out as unknown as Receipt
}

/** JSON form: hexadecimal as it is, `price` as a decimal string, the rest numbers. */
export type Json = Omit<Receipt, 'price'> & { price: string }

export const toJson = (receipt: Receipt): Json => ({ ...receipt, price: receipt.price.toString() })

/** Reads the JSON form and nothing else: an unknown, missing or out-of-range field throws `receipt.malformed` naming it. */
export function fromJson(json: unknown): Receipt {
  if (typeof json !== 'object' || json === null) throw malformed('receipt')
  const source = json as Record<string, unknown>
  const known = new Set<string>([...fields32, ...fields20, ...fields64, 'price', 'mode', 'keyKind'])
  for (const name of Object.keys(source)) if (!known.has(name)) throw malformed(name)
  for (const name of fields32) if (!Hex.is(source[name], 32)) throw malformed(name)
  for (const name of fields20) if (!Hex.is(source[name], 20)) throw malformed(name)
  for (const name of fields64) if (!isCount(source[name], Number.MAX_SAFE_INTEGER)) throw malformed(name)
  for (const name of ['mode', 'keyKind'] as const) if (!isCount(source[name], 255)) throw malformed(name)
  if (typeof source.price !== 'string') throw malformed('price')
  return { ...(source as unknown as Receipt), price: Money.parse(source.price) }
}

function digest(receipt: Receipt, scope: Scope, keccak256: Primitives['keccak256']): Uint8Array {
  const words = new Uint8Array(19 * 32)
  words.set(typeHash, 0)
  let at = 32
  const put = (bytes: Uint8Array): void => {
    words.set(bytes, at + 32 - bytes.length)
    at += 32
  }
  for (const name of fields32) Hex.put(receipt[name], 32, words, (at += 32) - 32)
  for (const name of fields20) Hex.put(receipt[name], 20, words, (at += 32) - 20)
  put(Abi.uint(receipt.price, 16))
  for (const name of fields64) put(Abi.uint(receipt[name], 8))
  put(Uint8Array.of(receipt.mode))
  put(Uint8Array.of(receipt.keyKind))
  return Eip712.digest(Eip712.separator(domain(scope, receipt.keyKind)), keccak256(words), keccak256)
}

const isCount = (value: unknown, max: number): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
const malformed = (field: string): AppError => new AppError('receipt.malformed', { detail: `receipt field ${field} is missing or malformed` })
function safe(value: bigint, name: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(name)
  return Number(value)
}
