import { AppError, Digest, Errors, Hex, Manifest, Receipt, Tensor, type EvidenceVerdict } from '@haca/core'
import { Groth16, witness, type IdentifiedCircuit, type Program } from '@haca/core/zk'
import type { InferenceCompleted } from '@haca/proto'
import type { Blobs } from '@haca/platform/blobs'
import { keepProof, proofBegun, readProof, type Circuits, type StoredProof } from '@haca/platform/circuits'
import type { Native } from '@haca/platform/crypto'
import { readBody, renderAnswer } from '@haca/platform/wire'
import { selfChecked, type Prover } from '../proving/index.js'
import { proofMade } from '../events.js'
import { isHopeless } from './open-prover.js'
import type { KeyFiles } from './key-files.js'

export interface Proving {
  circuits: Pick<Circuits, 'of' | 'program'>
  keyFiles: Pick<KeyFiles, 'of'>
  prover: Prover
  blobs: Blobs
  scope: Receipt.Scope
  primitives: Native
}

/** What proving adds to a receipt's appraisal. */
export interface Proven {
  rules: EvidenceVerdict.Rule[]
  /** Digest of the stored proof; absent when there is none. */
  evidenceId: Hex.Hex | undefined
}

export const kind = 'groth16-bn254'

/**
 * Proves what a receipt promises: that the circuit of its model gives this answer to this request. Every proof is verified
 * here before it is stored, and stored once for ever, so that a second run of the same chore gives the same evidence.
 * A receipt whose statement is not what its own bytes lead to is contraindicated, with the rule that says so.
 */
export async function proveReceipt(completed: InferenceCompleted, { receipt }: Receipt.Signed, proving: Proving, signal?: AbortSignal): Promise<Proven> {
  const circuit = await proving.circuits.of(receipt.modelHash)
  const bound = circuit !== undefined && (receipt.mode !== Receipt.modes.zkml || receipt.evidenceId === circuit.vkId)
  const rules = [rule('circuit-bound', bound, circuit ? `the model is bound to ${circuit.vkId}, ${Groth16.describeSetup(circuit.registered.setup)}` : 'the model is bound to no circuit that counts here')]
  if (!circuit || !bound) return { rules, evidenceId: undefined }
  const statement = await stateAgain(completed, receipt, circuit, proving)
  rules.push(rule('statement-agrees', 'wtns' in statement, 'wtns' in statement ? 'request and answer lead to the signed statement' : statement.wrong))
  if (!('wtns' in statement)) return { rules, evidenceId: undefined }
  const receiptHash = Receipt.hash(receipt, proving.scope, proving.primitives.keccak256)
  try {
    const known = await readProof(proving.blobs, receiptHash)
    const proof = known ? holding(known, statement, circuit) : await prove(statement, { circuit, receiptHash, proving, signal })
    rules.push(rule('proof-verified', true, `a Groth16 proof by ${proof.document.engine} verifies under ${circuit.vkId}`))
    return { rules, evidenceId: proof.evidenceId }
  } catch (error) {
    if (!isHopeless(error)) throw error
    rules.push(rule('proof-verified', false, `no proof can be made: ${Errors.find(error)?.code}`))
    return { rules, evidenceId: undefined }
  }
}

type Statement = { wtns: Uint8Array; publicSignals: readonly bigint[]; settlement: string | undefined } | { wrong: string }

/** The witness from the caller's own bytes; nothing that a node says is taken for granted but its signature. */
async function stateAgain(completed: InferenceCompleted, receipt: Receipt.Receipt, circuit: IdentifiedCircuit, proving: Proving): Promise<Statement> {
  const { sha256 } = proving.primitives
  if (Digest.requestHash(completed.salt, completed.body, sha256) !== receipt.requestHash) return { wrong: 'the request is not the one that was signed' }
  if (Digest.outputHash(completed.salt, completed.answer, sha256) !== receipt.outputHash) return { wrong: 'the answer is not the one that was signed' }
  const { manifest } = await manifestOf(receipt.modelHash, proving.blobs)
  const body = readBody(completed.encoding, completed.body)
  const conformed = body.ok ? Tensor.conform(body.value.inputs, manifest.inputs, 1) : body
  if (!conformed.ok) return { wrong: `the request does not fit the model: ${conformed.reason}` }
  const program = await proving.circuits.program(circuit)
  const made = witnessOf(program, conformed.value.tensors, Groth16.context({ chainId: proving.scope.chainId, settlementLog: proving.scope.log, requestId: receipt.requestId, modelHash: receipt.modelHash }))
  if (!made) return { wrong: 'the circuit takes no such input' }
  const rendered = renderAnswer(completed.encoding, `${manifest.name}@${manifest.version}`, made.outputs.map(({ name, shape, values }) => typed(name, shape, values, manifest)))
  if (Buffer.compare(rendered, completed.answer) !== 0) return { wrong: 'the answer is not what the circuit gives' }
  if (Groth16.statementHash(made.publicSignals) !== receipt.statementHash) return { wrong: 'the signed statement is another' }
  return { ...made, settlement: body.ok ? body.value.wish.proofSettlement : undefined }
}

function witnessOf(program: Program, tensors: readonly Tensor.Tensor[], context: bigint) {
  try {
    return witness(program, { inputs: Object.fromEntries(tensors.map((tensor) => [tensor.name, Tensor.toNumbers(tensor)])), context })
  } catch (error) {
    if (Errors.find(error)?.code === 'zk.input-invalid') return undefined
    throw error
  }
}

function typed(name: string, shape: readonly number[], values: Float64Array, manifest: Manifest.Manifest): Tensor.Tensor {
  const datatype = manifest.outputs.find((spec) => spec.name === name)?.datatype ?? 'FP32'
  return Tensor.ofNumbers({ name, datatype, shape }, values)
}

async function prove(statement: { wtns: Uint8Array; publicSignals: readonly bigint[]; settlement: string | undefined }, { circuit, receiptHash, proving, signal }: { circuit: IdentifiedCircuit; receiptHash: Hex.Hex; proving: Proving; signal: AbortSignal | undefined }): Promise<StoredProof> {
  await proofBegun(proving.blobs, receiptHash)
  const checked = selfChecked(proving.prover, () => preparedKey(circuit))
  const { proof, publicSignals, provedInMs } = await checked.prove(await proving.keyFiles.of(circuit), statement.wtns, signal ? { signal } : {})
  const document = {
    v: 1 as const,
    receiptHash,
    vkId: circuit.vkId,
    proof: Hex.fromBytes(Groth16.encodeProof(proof)),
    signals: Groth16.signalsToJson(publicSignals),
    engine: checked.engine,
    provedInMs,
    ...(statement.settlement ? { settlement: statement.settlement } : {}),
  }
  proofMade(provedInMs)
  const kept = await keepProof(proving.blobs, document)
  return kept.document.proof === document.proof ? kept : holding(kept, statement, circuit)
}

/** A proof that somebody stored before us, if it shows this statement: a verdict rests on no other hand that can write there. */
function holding(stored: StoredProof, { publicSignals }: { publicSignals: readonly bigint[] }, circuit: IdentifiedCircuit): StoredProof {
  const { vkId, proof, signals } = stored.document
  const points = Groth16.decodeProof(Hex.toBytes(proof))
  const stated = vkId === circuit.vkId && signals.join() === Groth16.signalsToJson(publicSignals).join()
  if (stated && points.ok && Groth16.verify(preparedKey(circuit), publicSignals, points.value).ok) return stored
  throw new AppError('proof.malformed', { detail: 'the stored proof does not show the statement of its receipt' })
}

const prepared = new WeakMap<IdentifiedCircuit, Groth16.PreparedKey>()

function preparedKey(circuit: IdentifiedCircuit): Groth16.PreparedKey {
  const known = prepared.get(circuit)
  if (known) return known
  const key = Groth16.prepare(circuit.registered.key)
  if (!key.ok) throw new AppError('prover.key-invalid', { detail: `${key.reason}: ${key.detail ?? ''}` })
  prepared.set(circuit, key.value)
  return key.value
}

async function manifestOf(modelHash: Hex.Hex, blobs: Blobs): Promise<Manifest.Identified> {
  const bytes = await blobs.get(`manifests/${modelHash.slice(2)}`)
  if (!bytes || Digest.content(bytes) !== modelHash) throw new AppError('manifest.missing', { retryable: true, detail: `no manifest ${modelHash} in the object store` })
  return Manifest.read(bytes)
}

const rule = (name: string, ok: boolean, detail: string): EvidenceVerdict.Rule => ({ rule: name, ok, detail })
