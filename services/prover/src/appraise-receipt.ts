import { create } from '@bufbuild/protobuf'
import { AppError, EvidenceVerdict, Hex, Receipt } from '@haca/core'
import { EvidenceProducedSchema, RuleResultSchema, Verdict, type EvidenceProduced, type InferenceCompleted } from '@haca/proto'
import type { Blobs } from '@haca/platform/blobs'
import { registryLagSeconds } from '@haca/platform/chain'
import type { Native } from '@haca/platform/crypto'
import { Wire } from '@haca/platform/wire'
import type { Keys } from './ports.js'

export interface Appraiser {
  blobs: Blobs
  keys: Keys
  scope: Receipt.Scope
  primitives: Native
  /** Signs verdicts. */
  evidenceKey: Uint8Array
  /** Whether simulated keys may count, which only development allows. */
  simulatedAllowed: boolean
  now(): number
}

/**
 * Turns a completed request into evidence: every rule with its verdict and reason. Throws a retryable error when a rule
 * could not be asked, because "not known now" is neither yes nor no.
 */
export async function appraiseReceipt(completed: InferenceCompleted, appraiser: Appraiser): Promise<EvidenceProduced> {
  const signed = Wire.toSignedReceipt(completed.receipt)
  const { receipt } = signed
  const rules = [
    signature(signed, appraiser),
    await keyValid(receipt, appraiser),
    await evidenceArchived(receipt, appraiser),
    kindAllowed(receipt, appraiser),
  ]
  const verdict: EvidenceVerdict.EvidenceVerdict = {
    requestId: receipt.requestId,
    receiptHash: Receipt.hash(receipt, appraiser.scope, appraiser.primitives.keccak256),
    affirming: rules.every((r) => r.ok),
    evidenceId: receipt.evidenceId,
    kind: kindName(receipt.keyKind),
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

async function evidenceArchived({ node, evidenceId }: Receipt.Receipt, { keys, blobs }: Appraiser): Promise<EvidenceVerdict.Rule> {
  const registered = (await keys.record(node))?.evidenceId
  const archived = (await blobs.get(`evidence/${evidenceId.slice(2)}`)) !== undefined
  const ok = registered === evidenceId && archived
  return rule('evidence-archived', ok, ok ? 'the evidence the key was registered with is archived' : `registered with ${registered ?? 'nothing'}, archived: ${archived}`)
}

function kindAllowed({ keyKind }: Receipt.Receipt, { simulatedAllowed }: Appraiser): EvidenceVerdict.Rule {
  if (keyKind !== Receipt.keyKinds.simulated) return rule('kind-allowed', true, `the key is of kind ${kindName(keyKind)}`)
  return rule('kind-allowed', simulatedAllowed, 'SIMULATED: no hardware vouches for this key; allowed in development only')
}

const rule = (name: string, ok: boolean, detail: string): EvidenceVerdict.Rule => ({ rule: name, ok, detail })

export const kindName = (keyKind: number): string => Object.entries(Receipt.keyKinds).find(([, value]) => value === keyKind)?.[0] ?? `kind ${keyKind}`
