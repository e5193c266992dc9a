import { AppError } from '../errors.js'
import * as Hex from '../hex.js'
import { decimals } from './groth16/snarkjs-json.js'

/** A proof with what it shows, for one receipt: what the object store keeps, the ledger takes and the client checks. */
export interface ProofDocument {
  v: 1
  receiptHash: Hex.Hex
  vkId: Hex.Hex
  /** A ‖ B ‖ C, 256 bytes. */
  proof: Hex.Hex
  /** Public signals as decimal text; the last is the request's context. */
  signals: readonly string[]
  /** What made it, in words. */
  engine: string
  /** Milliseconds of proving alone. */
  provedInMs: number
  /** How the caller wants it shown to the chain, where the request says so: `batch`, `single` or `dispute`. */
  settlement?: string
}

export const encodeProofDocument = (document: ProofDocument): Uint8Array => new TextEncoder().encode(JSON.stringify(document))

/** Reads a document, and not what it proves. Throws `proof.malformed`. */
export function decodeProofDocument(bytes: Uint8Array): ProofDocument {
  let source: ProofDocument
  try {
    source = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as ProofDocument
  } catch (cause) {
    throw new AppError('proof.malformed', { detail: 'the document is not UTF-8 JSON', cause })
  }
  const whole = source.v === 1 && Hex.is(source.receiptHash, 32) && Hex.is(source.vkId, 32) && Hex.is(source.proof, 256) && decimals(source.signals) !== undefined
  if (!whole) throw new AppError('proof.malformed', { detail: 'a field of the proof is missing or malformed' })
  return source
}
