import { AppError, Hex, Receipt } from '@haca/core'
import { EvidenceProducedSchema, InferenceCompletedSchema, PaymentFailedSchema, Verdict, type InferenceCompleted } from '@haca/proto'
import { Outcome } from '@haca/platform/blobs'
import type { Bus, Consumption } from '@haca/platform/bus'
import type { Jobs, Worker } from '@haca/platform/jobs'
import type { Logger } from '@haca/platform/log'
import { Fact, Wire } from '@haca/platform/wire'
import { randomUUID } from 'node:crypto'
import { appraiseReceipt, type Appraiser } from './appraise-receipt.js'
import { receiptAppraised } from './events.js'
import * as Chores from './jobs.js'
import { Pending } from './pending.js'
import { openProofLine, promisesProof } from './zk/consume-proofs.js'
import type { Proving } from './zk/prove-receipt.js'

export interface Line {
  /** Settlers whose word of failed payments counts. */
  factSigners: readonly Hex.Hex[]
  bus: Bus
  jobs: Jobs
  logger: Logger
  concurrency: number
  inFlightMax: number
  /** Proofs in hand at once; each uses every core the engine may. */
  provingConcurrency: number
}

/** Completed requests in, evidence out: one chore per receipt, so that a forged one never stands in a genuine one's place. */
export async function consumeCompletions(line: Line, appraiser: Appraiser, proving: Proving): Promise<(Consumption | Worker)[]> {
  const pending = new Pending<InferenceCompleted>(
    (id, message) => line.jobs.add(Chores.appraise, id, { requestId: Hex.fromBytes(message.requestId) }),
    (id) => line.jobs.outcome(Chores.appraise.name, id),
  )
  const worker = await line.jobs.work(Chores.appraise, {
    concurrency: line.concurrency,
    handler: async ({ id, data }) => {
      const message = pending.message(id) ?? (await stored(data.requestId as Hex.Hex, id, appraiser))
      if (!message) return // its record comes again
      const evidence = await appraiseReceipt(message, appraiser)
      await line.bus.publish(EvidenceProducedSchema, evidence)
      receiptAppraised(line.logger, {
        requestId: data.requestId,
        verdict: evidence.verdict === Verdict.AFFIRMING ? 'affirming' : 'contraindicated',
        kind: evidence.kind,
        failed: evidence.rules.filter((r) => !r.ok).map((r) => r.rule),
      })
      pending.finished(id)
    },
    exhausted: async ({ id }, error) => pending.failed(id, error),
  })
  const proofs = await openProofLine(line, appraiser, proving, (requestId, receiptHash) => stored(requestId, receiptHash, appraiser))
  const failures = await line.bus.consume({
    group: `prover-cancel-${randomUUID()}`, // every replica may hold the proof
    schema: PaymentFailedSchema,
    from: 'latest',
    gatherMs: 100,
    inFlightMax: 100,
    handler: async (fact) => {
      const by = Fact.signer(PaymentFailedSchema, fact, appraiser.primitives)
      if (!by || !line.factSigners.some((known) => Hex.equals(known, by))) throw new AppError('fact.forged', { detail: 'no settler of ours signed this' })
      proofs.cancel(Wire.hex(fact.requestId, 32, 'request_id'))
    },
  })
  const consumption = await line.bus.consume({
    group: 'prover',
    schema: InferenceCompletedSchema,
    gatherMs: 100, // evidence is waited for by nobody but the next batch
    inFlightMax: line.inFlightMax,
    handler: (message) => (promisesProof(message) ? proofs : pending).run(receiptOf(message, appraiser), message),
  })
  return [consumption, failures, worker, proofs.worker]
}

/** The outcome of a request, if it is by this receipt. */
async function stored(requestId: Hex.Hex, receiptHash: string, appraiser: Appraiser): Promise<InferenceCompleted | undefined> {
  const outcome = await Outcome.read(appraiser.blobs, requestId)
  return outcome?.case === 'completed' && receiptOf(outcome.value, appraiser) === receiptHash ? outcome.value : undefined
}

/** Hash of a completion's receipt. Throws `completion.forged` for what no node can have published. */
function receiptOf(message: InferenceCompleted, { scope, primitives }: Appraiser): Hex.Hex {
  const signed = Wire.toSignedReceipt(message.receipt)
  if (signed.receipt.requestId !== Wire.hex(message.requestId, 32, 'request_id')) throw new AppError('completion.forged', { detail: 'the receipt is of another request' })
  if (!Receipt.isSigned(signed, scope, primitives)) throw new AppError('completion.forged', { detail: 'the receipt is not signed by its node' })
  return Receipt.hash(signed.receipt, scope, primitives.keccak256)
}
