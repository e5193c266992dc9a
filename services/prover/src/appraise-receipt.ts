import { create } from '@bufbuild/protobuf'
import { AppError, EvidenceVerdict, Hex, Receipt } from '@haca/core'
import { EvidenceProducedSchema, RuleResultSchema, Verdict, type EvidenceProduced, type InferenceCompleted } from '@haca/proto'
import { AppraisalRecord, Removals } from '@haca/core/tee'
import type { Blobs } from '@haca/platform/blobs'
import { registryLagSeconds } from '@haca/platform/chain'
import type { Native } from '@haca/platform/crypto'
import { Wire } from '@haca/platform/wire'
import type { KeyHistories } from './key-histories.js'
import type { Keys } from './ports.js'

export interface Appraiser {
  blobs: Blobs
  histories: Pick<KeyHistories, 'of'>
  keys: Keys
  /** What guardians removed, as the policy in force has it. Throws a retryable error while none is in sight. */
  removed(): readonly Removals.Removal[]
  scope: Receipt.Scope
  primitives: Native
  /** Signs verdicts. */
  evidenceKey: Uint8Array
  /** Whether simulated keys may count, which only development allows. */
  simulatedAllowed: boolean
  now(): number
}

/** How the proof is made that a receipt promises; asked only when everything else holds. */
export interface Proof {
  kind: string
  prove(signed: Receipt.Signed): Promise<{ rules: EvidenceVerdict.Rule[]; evidenceId: Hex.Hex | undefined }>
}

/**
 * Turns a completed request into evidence: every rule with its verdict and reason. Throws a retryable error when a rule
 * could not be asked, because "not known now" is neither yes nor no.
 */
export async function appraiseReceipt(completed: InferenceCompleted, appraiser: Appraiser, proof?: Proof): Promise<EvidenceProduced> {
  const signed = Wire.toSignedReceipt(completed.receipt)
  const { receipt } = signed
  const rules = [
    signature(signed, appraiser),
    await keyValid(receipt, appraiser),
    kindAllowed(receipt, appraiser),
    // A zkml receipt claims no hardware, and names its verification key in the place of its key's evidence.
    ...(receipt.mode === Receipt.modes.zkml ? [] : await appraisalRules(receipt, appraiser)),
  ]
  const proven = proof && rules.every((r) => r.ok) ? await proof.prove(signed) : undefined
  rules.push(...(proven?.rules ?? []))
  const verdict: EvidenceVerdict.EvidenceVerdict = {
    requestId: receipt.requestId,
    receiptHash: Receipt.hash(receipt, appraiser.scope, appraiser.primitives.keccak256),
    affirming: rules.every((r) => r.ok),
    evidenceId: proven?.evidenceId ?? receipt.evidenceId,
    kind: proof?.kind ?? kindName(receipt.keyKind),
    rules,
  }
  return create(EvidenceProducedSchema, {
    requestId: completed.requestId,
    receiptHash: Hex.toBytes(verdict.receiptHash),
    verdict: verdict.affirming ? Verdict.AFFIRMING : Verdict.CONTRAINDICATED,
    rules: rules.map((r) => create(RuleResultSchema, r)),
    evidenceId: Hex.toBytes(verdict.evidenceId),
    kind: verdict.kind,
    producedAtMs: BigInt(appraiser.now()),
    signature: EvidenceVerdict.sign(verdict, appraiser.scope, appraiser.evidenceKey, appraiser.primitives),
  })
}

function signature(signed: Receipt.Signed, { scope, primitives }: Appraiser): EvidenceVerdict.Rule {
  const ok = Receipt.isSigned(signed, scope, primitives)
  return rule('receipt-signature', ok, ok ? `signed by ${signed.receipt.node} under "${Receipt.domainName(signed.receipt.keyKind)}"` : 'the signature is not the node\'s')
}

async function keyValid({ node, keyKind, issuedAt }: Receipt.Receipt, { keys, now }: Appraiser): Promise<EvidenceVerdict.Rule> {
  const validity = await keys.validity(node, keyKind, issuedAt).catch((cause: unknown) => {
    throw new AppError('registry.unreachable', { retryable: true, cause })
  })
  if (validity === 'unknown') {
    // A node signs as soon as it sees its registration; a reader that does not see it yet is behind, and must not judge for a moment.
    if (now() / 1000 - issuedAt < registryLagSeconds) throw new AppError('registry.behind', { retryable: true, detail: 'the key is not registered as far as this reader can see' })
    throw new AppError('completion.forged', { detail: `the key ${node} was never registered` })
  }
  return rule('key-valid', validity === 'valid', `the registry says the key was ${validity} at ${issuedAt}`)
}

/** What the appraisal that counts for a receipt says of it: its key's evidence, its model, and the policy of its own epoch. */
async function appraisalRules(receipt: Receipt.Receipt, appraiser: Appraiser): Promise<EvidenceVerdict.Rule[]> {
  if (receipt.keyKind === Receipt.keyKinds.node) return [nodeKey(receipt)]
  const history = await appraiser.histories.of(receipt.node, receipt.issuedAt)
  const record = AppraisalRecord.inForce(history, receipt)
  if (!record) return [rule('key-appraised', false, `the key ${receipt.node} was not appraised by ${receipt.issuedAt}`)]
  // The key is appraised again in every epoch; until that is done for the receipt's own, nobody knows whether its hardware was still welcome.
  const newest = Math.max(...history.map(({ policyEpoch }) => policyEpoch))
  if (newest < receipt.policyEpoch && appraiser.now() / 1000 - receipt.issuedAt < appraisalLagSeconds) {
    throw new AppError('appraisal.behind', { retryable: true, detail: `the key was last appraised in epoch ${newest}, the receipt is of epoch ${receipt.policyEpoch}` })
  }
  const gone = removedInOwnEpoch(receipt, history, appraiser.removed())
  return [
    gone ? rule('key-appraised', false, Removals.describeRemoval(gone)) : keyAppraised(receipt, record),
    rule('evidence-bound', record.evidenceId === receipt.evidenceId, `the key was appraised with evidence ${record.evidenceId}`),
    modelBound(receipt, record),
  ]
}

/** A plain node key is good for proofs and voids; what was sold as hardware's answer is not its to give. */
function nodeKey({ mode }: Receipt.Receipt): EvidenceVerdict.Rule {
  const claims = mode === Receipt.modes.tee || mode === Receipt.modes['tee+zkml']
  return rule('key-appraised', !claims, `a plain node key: no hardware vouches for it, and ${claims ? 'the receipt says that some does' : 'none is claimed'}`)
}

/** The registry keeps the life a key was registered with; a later policy may have granted it less. */
function keyAppraised({ issuedAt }: Receipt.Receipt, { outcome, reasons, expiresAt, hardwareId, kind, imageId, policyEpoch }: AppraisalRecord.AppraisalRecord): EvidenceVerdict.Rule {
  const failed = reasons.filter(({ ok }) => !ok).map(({ rule: name, detail }) => `${name}: ${detail}`)
  if (outcome !== 'affirming') return rule('key-appraised', false, failed.join('; '))
  if (issuedAt > expiresAt) return rule('key-appraised', false, `the key was trusted until ${expiresAt}, the receipt is of ${issuedAt}`)
  return rule('key-appraised', true, `${hardwareId ?? kind} running ${imageId ?? 'no known image'}, by policy epoch ${policyEpoch}`)
}

/** Two removals within a moment are two epochs, and the prover may see the second alone: what it then says of the key tells which removals are about it. */
function removedInOwnEpoch({ policyEpoch }: Receipt.Receipt, history: readonly AppraisalRecord.AppraisalRecord[], removed: readonly Removals.Removal[]): Removals.Removal | undefined {
  const later = history.filter((record) => record.outcome === 'contraindicated' && record.policyEpoch > policyEpoch)
  const found = later.flatMap(({ reasons }) => reasons).filter(({ rule: name, ok }) => !ok && name.endsWith('.removed'))
  return removed.find((removal) => removal.epoch <= policyEpoch && found.some(({ detail }) => detail.includes(Removals.describeRemoval(removal))))
}

/** How long a receipt waits for its epoch's appraisal before it is judged by the newest one there is. */
const appraisalLagSeconds = 120

function modelBound({ modelHash }: Receipt.Receipt, { models }: AppraisalRecord.AppraisalRecord): EvidenceVerdict.Rule {
  if (models.length === 0) return rule('model-bound', true, 'the node forwards to another provider: model weights unknown')
  const ok = models.some((model) => Hex.equals(model, modelHash))
  return rule('model-bound', ok, ok ? 'the evidence binds the key to this model' : `the key is bound to ${models.length} other models`)
}

function kindAllowed({ keyKind }: Receipt.Receipt, { simulatedAllowed }: Appraiser): EvidenceVerdict.Rule {
  if (keyKind !== Receipt.keyKinds.simulated) return rule('kind-allowed', true, `the key is of kind ${kindName(keyKind)}`)
  return rule('kind-allowed', simulatedAllowed, 'SIMULATED: no hardware vouches for this key; allowed in development only')
}

const rule = (name: string, ok: boolean, detail: string): EvidenceVerdict.Rule => ({ rule: name, ok, detail })

export const kindName = (keyKind: number): string => Object.entries(Receipt.keyKinds).find(([, value]) => value === keyKind)?.[0] ?? `kind ${keyKind}`
