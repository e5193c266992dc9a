import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from '../abi.js'
import { AppError } from '../errors.js'
import * as Hex from '../hex.js'
import type * as Money from '../money.js'
import * as Receipt from '../receipt/receipt.js'

/** One row of a batch. */
export interface Row extends Receipt.Signed {
  /** What was collected in atomic units; 0 means void. */
  collected: Money.Atomic
  /** Digest of the evidence record the verdict rests on; zero when none came in time. */
  evidenceDigest: Hex.Hex
}

/** A leaf file: everything needed to rebuild a batch's tree, without prompts or answers. */
export interface LeafFile {
  scope: Receipt.Scope
  token: Hex.Hex
  rows: Row[]
}

const magic = utf8ToBytes('haca-leaves/1\n')
const rowBytes = Receipt.packedBytes + 65 + 16 + 32
const headBytes = magic.length + 32 + 20 + 20 + 4

/**
 * Canonical bytes; their SHA-256 is the header's `daRef`.
 * "haca-leaves/1\n" ‖ chainId:32 ‖ log:20 ‖ token:20 ‖ count:4 ‖ rows, each receipt ‖ signature:65 ‖ collected:16 ‖ evidenceDigest:32.
 */
export function encode(file: LeafFile): Uint8Array {
  const out = new Uint8Array(headBytes + file.rows.length * rowBytes)
  out.set(
    Abi.concat([
      magic,
      Abi.word(file.scope.chainId),
      Hex.toBytes(file.scope.log, 20),
      Hex.toBytes(file.token, 20),
      Abi.uint(file.rows.length, 4),
    ]),
    0,
  )
  file.rows.forEach((row, i) => {
    out.set(
      Abi.concat([
        Receipt.pack(row.receipt),
        Hex.toBytes(row.signature, 65),
        Abi.uint(row.collected, 16),
        Hex.toBytes(row.evidenceDigest, 32),
      ]),
      headBytes + i * rowBytes,
    )
  })
  return out
}

/** Inverse of `encode`. Throws `leaf-file.malformed` on any other bytes. */
export function decode(bytes: Uint8Array): LeafFile {
  const count = countOf(bytes)
  const take = taker(bytes, magic.length)
  const chainId = Number(BigInt(Hex.fromBytes(take(32))))
  const log = Hex.checksum(Hex.fromBytes(take(20)))
  const token = Hex.checksum(Hex.fromBytes(take(20)))
  return { scope: { chainId, log }, token, rows: Array.from({ length: count }, (_, index) => rowAt(bytes, index)) }
}

/** One row of a leaf file, if it has so many: to read all of a full batch takes half a second. */
export function row(bytes: Uint8Array, index: number): Row | undefined {
  return index < countOf(bytes) ? rowAt(bytes, index) : undefined
}

function countOf(bytes: Uint8Array): number {
  if (bytes.length < headBytes || !magic.every((b, i) => bytes[i] === b)) throw malformed('unknown format')
  const count = Number(BigInt(Hex.fromBytes(bytes.subarray(headBytes - 4, headBytes))))
  if (bytes.length !== headBytes + count * rowBytes) throw malformed('length differs from the stated count')
  return count
}

function rowAt(bytes: Uint8Array, index: number): Row {
  const take = taker(bytes, headBytes + index * rowBytes)
  const receipt = Receipt.unpack(take(Receipt.packedBytes))
  const signature = Hex.fromBytes(take(65))
  return { receipt, signature, collected: BigInt(Hex.fromBytes(take(16))), evidenceDigest: Hex.fromBytes(take(32)) }
}

const taker =
  (bytes: Uint8Array, at: number) =>
  (width: number): Uint8Array =>
    bytes.subarray(at, (at += width))

const malformed = (detail: string): AppError => new AppError('leaf-file.malformed', { detail })
