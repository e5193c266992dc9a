import { toBinary } from '@bufbuild/protobuf'
import { AppError, EvidenceVerdict, Hex } from '@haca/core'
import { EvidenceProducedSchema, InferenceCompletedSchema, InferenceVoidedSchema, PaymentRequestedSchema, type EvidenceProduced, type InferenceVoided } from '@haca/proto'
import type { Bus, Consumption } from '@haca/platform/bus'
import { Wire } from '@haca/platform/wire'
import { settleCompletion, type Settlement } from './settle-completion.js'
import { settleUpfront, type UpfrontSettlement } from './settle-upfront.js'
import { verifyVoid } from './verify-completion.js'

/** Batches are sealed in seconds: completions, voids and verdicts may gather. A payment that comes before its work may not. */
const gatherMs = 100

/** The settler's inputs. Records are committed when their effect is durable: a receipt sealed, a payment ended. */
export async function consumeAll(bus: Bus, settlement: Settlement & UpfrontSettlement, inFlightMax: number): Promise<Consumption[]> {
  return Promise.all([
    bus.consume({ group: 'settler-completions', schema: InferenceCompletedSchema, inFlightMax, gatherMs, handler: (m) => settleCompletion(m, settlement) }),
    bus.consume({ group: 'settler-upfront', schema: PaymentRequestedSchema, inFlightMax, handler: (m) => settleUpfront(m, settlement) }),
    bus.consume({ group: 'settler-evidence', schema: EvidenceProducedSchema, inFlightMax, gatherMs, handler: (m) => takeEvidence(m, settlement) }),
    bus.consume({ group: 'settler-voids', schema: InferenceVoidedSchema, inFlightMax, gatherMs, handler: (m) => takeVoid(m, settlement) }),
  ])
}

/** A verdict counts only when a prover we know signed it: it can void a receipt, and with it move money. */
function takeEvidence(message: EvidenceProduced, { trust, receipts }: Settlement): Promise<void> {
  const verdict = Wire.toVerdict(message)
  const by = EvidenceVerdict.signer(verdict, message.signature, trust.scope, trust.primitives)
  if (!by || !trust.evidenceSigners.some((known) => Hex.equals(known, by))) throw new AppError('evidence.forged', { detail: 'the verdict is not signed by a prover we know' })
  return receipts.evidence({ ...verdict, bytes: toBinary(EvidenceProducedSchema, message) })
}

/** A void with a receipt is anchored like any other receipt: its leaf of nothing collected is the payer's proof. */
async function takeVoid(message: InferenceVoided, { trust, receipts }: Settlement): Promise<void> {
  if (message.receipt) await receipts.add(await verifyVoid(message, trust))
}
