import { Receipt, type Hex } from '@haca/core'
import { decodeForm, Groth16, type IdentifiedCircuit, type StatementForm } from '@haca/core/zk'
import type { Blobs } from '@haca/platform/blobs'
import { readCircuitFile, readProof, readPublished } from '@haca/platform/circuits'

/** A receipt's proof with everything it takes to check it: no server of ours is asked again. */
export interface ProofBundle {
  vkId: Hex.Hex
  /** The registered key's bytes; their keccak256 is `vkId`, trust label included. */
  key: Hex.Hex
  /** The same label in words: `dev`, or `ceremony(n, beacon)`. */
  setup: string
  proof: Hex.Hex
  /** Public signals, decimal. */
  signals: readonly string[]
  /** How the signals say what was asked and answered. */
  form: StatementForm
  /** What made the proof, and how long that took. */
  engine: string
  provedInMs: number
}

/** Whether a receipt promises a proof. */
export const promisesProof = ({ mode }: Receipt.Receipt): boolean => mode === Receipt.modes.zkml || mode === Receipt.modes['tee+zkml']

/** The proof of a receipt with its circuit; null: none was promised, or there is none yet. */
export async function proofBundle(receipt: Receipt.Receipt, receiptHash: Hex.Hex, blobs: Blobs): Promise<ProofBundle | null> {
  const stored = promisesProof(receipt) ? await readProof(blobs, receiptHash) : undefined
  const circuit = stored && (await readPublished(blobs, stored.document.vkId))
  if (!stored || !circuit) return null
  const { vkId, proof, signals, engine, provedInMs } = stored.document
  return { vkId, key: circuit.key, setup: Groth16.describeSetup(circuit.registered.setup), proof, signals, form: await formOf(circuit, blobs), engine, provedInMs }
}

/** The form as plain JSON: typed arrays as lists. */
async function formOf(circuit: IdentifiedCircuit, blobs: Blobs): Promise<StatementForm> {
  const bytes = await readCircuitFile(blobs, circuit, 'form')
  decodeForm(bytes)
  return JSON.parse(new TextDecoder().decode(bytes)) as StatementForm
}
