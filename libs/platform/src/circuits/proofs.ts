import { AppError, Digest, type Hex } from '@haca/core'
import { decodeProofDocument, encodeProofDocument, type ProofDocument } from '@haca/core/zk'
import type { Blobs } from '../blobs/index.js'

const proofKey = (receiptHash: Hex.Hex): string => `proofs/${receiptHash.slice(2, 4)}/${receiptHash.slice(2)}`

/** A receipt's proof with the digest it is also kept under as evidence. */
export interface StoredProof {
  document: ProofDocument
  evidenceId: Hex.Hex
}

/** The proof of a receipt, if there is one. */
export async function readProof(blobs: Blobs, receiptHash: Hex.Hex): Promise<StoredProof | undefined> {
  const bytes = await blobs.get(proofKey(receiptHash))
  return bytes && identified(bytes, receiptHash)
}

/** How far a promised proof is: waiting for its turn, in an engine, or there. */
export type ProofStage = 'pending' | 'proving' | 'proven'

/** Says that an engine has a receipt's proof in hand. Of no consequence but to whoever waits: a prover that dies leaves it standing, and the next one proves. */
export const proofBegun = (blobs: Blobs, receiptHash: Hex.Hex): Promise<void> => blobs.put(begunKey(receiptHash), new Uint8Array())

export async function proofStage(blobs: Blobs, receiptHash: Hex.Hex): Promise<ProofStage> {
  if (await readProof(blobs, receiptHash)) return 'proven'
  return (await blobs.get(begunKey(receiptHash))) ? 'proving' : 'pending'
}

const begunKey = (receiptHash: Hex.Hex): string => `proofs-begun/${receiptHash.slice(2)}`

/** Keeps the first proof of a receipt, for ever: proofs are random, and a second one would be another evidence of one result. */
export async function keepProof(blobs: Blobs, document: ProofDocument): Promise<StoredProof> {
  const { bytes } = await blobs.putOnce(proofKey(document.receiptHash), encodeProofDocument(document))
  const kept = identified(bytes, document.receiptHash)
  await blobs.putOnce(`evidence/${kept.evidenceId.slice(2)}`, bytes)
  return kept
}

function identified(bytes: Uint8Array, receiptHash: Hex.Hex): StoredProof {
  const document = decodeProofDocument(bytes)
  if (document.receiptHash !== receiptHash) throw new AppError('proof.malformed', { detail: 'the stored proof is of another receipt' })
  return { document, evidenceId: Digest.content(bytes) }
}
