import { Body, Errors, Hex, Receipt } from '@haca/core'
import { decodeForm, Groth16, stateSignals, type StatementForm } from '@haca/core/zk'
import { claim, refuted, unknown, type Claim } from './claims.js'

/** A receipt's proof as a bundle carries it, with its key and the form of its statement. */
export interface ProofBundle {
  vkId: Hex.Hex
  key: Hex.Hex
  setup: string
  proof: Hex.Hex
  signals: readonly string[]
  form: StatementForm
  engine: string
  provedInMs: number
}

export interface ZkSubject {
  proof: ProofBundle | null | undefined
  receipt: Receipt.Receipt
  scope: Receipt.Scope
  /** The exact texts that were sent and came back, where the caller has them. */
  request: string | undefined
  answer: string | undefined
  /** Verification key the chain binds the model to; absent when the chain is not asked. */
  circuitOf: ((modelHash: Hex.Hex) => Promise<Hex.Hex>) | undefined
  /** False: the registry that is asked was itself named by the gateway. */
  pinned: boolean
}

/**
 * `zk_proof`: checks a proof by mathematics alone, here, and everything that ties it to this receipt: the key it names, the
 * statement it signs, the request it is for, and, where they are given, the very request and answer.
 */
export async function zkClaim({ proof, receipt, scope, request, answer, circuitOf, pinned }: ZkSubject): Promise<Claim> {
  if (receipt.mode !== Receipt.modes.zkml && receipt.mode !== Receipt.modes['tee+zkml']) return unknown('no proof was bought')
  if (!proof) return unknown('the proof that was bought is not there yet')
  const key = Hex.toBytes(proof.key)
  const vkId = Groth16.registeredKeyId(key)
  if (receipt.mode === Receipt.modes.zkml && receipt.evidenceId !== vkId) return refuted('the proof is under another verification key than the receipt names')
  const registered = Groth16.decodeRegisteredKey(key)
  if (!registered.ok) return refuted(`the verification key is unusable: ${registered.reason}`)
  const signals = Groth16.signalsFromJson(proof.signals)
  const points = Groth16.decodeProof(Hex.toBytes(proof.proof))
  if (!signals.ok || !points.ok) return refuted('the proof cannot be read')
  if (Groth16.statementHash(signals.value) !== receipt.statementHash) return refuted('the proof shows another statement than the receipt is signed for')
  const context = Groth16.context({ chainId: scope.chainId, settlementLog: scope.log, requestId: receipt.requestId, modelHash: receipt.modelHash })
  if (signals.value.at(-1) !== context) return refuted('the proof is for another request, model, log or chain')
  const prepared = Groth16.prepare(registered.value.key)
  if (!prepared.ok) return refuted(`the verification key is unusable: ${prepared.reason}`)
  const verdict = Groth16.verify(prepared.value, signals.value, points.value)
  if (!verdict.ok) return refuted(`the proof does not verify: ${verdict.reason}`)
  const said = request === undefined || answer === undefined ? undefined : agrees(signals.value, proof.form, { request, answer, context })
  if (said?.ok === false) return refuted(said.reason)
  const bound = await circuitOf?.(receipt.modelHash)
  if (bound !== undefined && bound !== vkId) return refuted(`the chain binds the model to ${bound}, and the proof is under ${vkId}`)
  const label = Groth16.describeSetup(registered.value.setup)
  const what = said ? 'of exactly the request and answer given' : '; request and answer were not given, so only their commitments are proven'
  const model = bound === undefined ? 'that its circuit is this model’s is the gateway’s word' : 'the chain binds the model to its circuit'
  const reason = `a zero-knowledge proof under key ${vkId}, ${label}, was verified here ${what}; ${model}`
  const form = said ? '; and whoever gave the bundle, that its form reads the signals as the circuit means them, which anybody checks by compiling the model' : ''
  const named = bound !== undefined && pinned ? 'chain' : receipt.mode === Receipt.modes.zkml ? 'node' : 'bundle'
  // Whoever makes a key can prove anything under it: mathematics says nothing where the key is the bundle's alone.
  if (named === 'bundle') return claim('asserted', reason, `whoever gave the bundle: neither the receipt nor a chain that was pinned names this key, and who made it can forge proofs${form}`)
  return claim('proof-verified', reason, `${trustIn(registered.value.setup, named)}${form}`)
}

/** What a proof rests on besides mathematics: that nobody kept the secrets its key was made with, and who says that the key is the model's. */
function trustIn(setup: Groth16.Setup, named: 'chain' | 'node'): string {
  const publisher = named === 'chain' ? 'the publisher' : 'the node that signed, for no pinned chain was asked,'
  const circuit = `and ${publisher} that its circuit is the model’s, which anybody checks by compiling it`
  return setup.kind === 'dev'
    ? `DEVELOPMENT KEY (dev): whoever made it can forge proofs; ${circuit}`
    : `one honest party of the ${setup.contributors} in the ceremony closed by beacon ${setup.beacon}; ${circuit}, and that this ceremony took place, which verify-setup checks`
}

/** Whether the proof's public signals are those of this request and this answer. */
function agrees(signals: readonly bigint[], form: StatementForm, { request, answer, context }: { request: string; answer: string; context: bigint }): { ok: true } | { ok: false; reason: string } | undefined {
  const body = Body.parse(new TextEncoder().encode(request))
  if (!body.ok) return undefined // a protobuf body; its bytes are bound by the receipt's hash alone
  try {
    const read = decodeForm(new TextEncoder().encode(JSON.stringify(form)))
    const { outputs } = JSON.parse(answer) as { outputs: { name: string; data: number[] }[] }
    const inputs = Object.fromEntries(body.value.inputs.map(({ name, data }) => [name, data.map(Number)]))
    const expected = stateSignals(read, { inputs, outputs: Object.fromEntries(outputs.map(({ name, data }) => [name, data])), context })
    const same = expected.length === signals.length && expected.every((signal, i) => signal === signals[i])
    return same ? { ok: true } : { ok: false, reason: 'the proof is of another request or another answer' }
  } catch (error) {
    const known = Errors.find(error)
    return { ok: false, reason: `request and answer cannot be what the circuit speaks of: ${known?.message ?? (error as Error).message}` }
  }
}
