import { Hex, Receipt } from '@haca/core'
import { EvidenceProducedSchema, Verdict, type InferenceCompleted } from '@haca/proto'
import type { Worker } from '@haca/platform/jobs'
import { appraiseReceipt, type Appraiser } from '../appraise-receipt.js'
import type { Line } from '../consumer.js'
import { proofsOldestAge, proofsWaiting, receiptAppraised } from '../events.js'
import * as Chores from '../jobs.js'
import { Pending } from '../pending.js'
import { kind, proveReceipt, type Proving } from './prove-receipt.js'

/** Whether a completion's receipt promises a proof. */
export const promisesProof = ({ receipt }: InferenceCompleted): boolean => receipt?.receipt?.mode === Receipt.modes.zkml || receipt?.receipt?.mode === Receipt.modes['tee+zkml']

export interface ProofLine {
  /** Gives up the proof of a request, waiting or in an engine: its payment failed, and nobody is owed it. */
  cancel(requestId: Hex.Hex): void
  /** Resolves when this completion's proof is published, or its refusal. */
  run(receiptHash: string, message: InferenceCompleted): Promise<void>
  worker: Worker
}

/** Receipts that promise a proof: one chore each, the earliest deadline first, so that a short promise is not kept waiting by a long one. */
export async function openProofLine(line: Line, appraiser: Appraiser, proving: Proving, recall: (requestId: Hex.Hex, receiptHash: string) => Promise<InferenceCompleted | undefined>): Promise<ProofLine> {
  const began = new Map<string, number>()
  /** Proofs in an engine, by request. */
  const running = new Map<string, AbortController>()
  const given = new Cancelled()
  const pending = new Pending<InferenceCompleted>(
    (id, message) => line.jobs.add(Chores.prove, id, { requestId: Hex.fromBytes(message.requestId) }, { priority: priorityOf(message) }),
    (id) => line.jobs.outcome(Chores.prove.name, id),
  )
  const worker = await line.jobs.work(Chores.prove, {
    concurrency: line.provingConcurrency,
    handler: async ({ id, data }) => {
      const message = pending.message(id) ?? (await recall(data.requestId as Hex.Hex, id))
      if (!message) return // its record comes again
      if (given.has(data.requestId)) return pending.finished(id)
      const stop = new AbortController()
      running.set(data.requestId, stop)
      const evidence = await appraiseReceipt(message, appraiser, { kind, prove: (signed) => proveReceipt(message, signed, proving, stop.signal) })
        .catch((error: unknown) => {
          if (!stop.signal.aborted) throw error
          return undefined
        })
        .finally(() => running.delete(data.requestId))
      if (!evidence) return pending.finished(id)
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
  const gauge = (): void => {
    proofsWaiting.set(began.size)
    proofsOldestAge.set(began.size === 0 ? 0 : (appraiser.now() - Math.min(...began.values())) / 1000)
  }
  const timer = setInterval(gauge, 1_000)
  return {
    async run(id, message) {
      began.set(id, Number(message.completedAtMs))
      try {
        await pending.run(id, message)
      } finally {
        began.delete(id)
        gauge()
      }
    },
    cancel(requestId) {
      given.add(requestId)
      running.get(requestId)?.abort()
      line.logger.info({ requestId, inHand: running.has(requestId) }, 'proof given up: its payment failed')
    },
    worker: { stop: async () => (clearInterval(timer), worker.stop()) },
  }
}

/** Requests whose proofs were given up lately; the oldest are forgotten, and would be proven for nothing. */
class Cancelled {
  readonly #ids = new Set<string>()

  add(requestId: string): void {
    if (this.#ids.size >= 10_000) this.#ids.delete(this.#ids.values().next().value as string)
    this.#ids.add(requestId)
  }

  has(requestId: string): boolean {
    return this.#ids.has(requestId)
  }
}

/** Lower is sooner. BullMQ takes up to 2^21, so that the order wraps every 23 days, for the minutes that a queue is long. */
const priorityOf = ({ acceptedAtMs, offer }: InferenceCompleted): number => 1 + ((Math.floor(Number(acceptedAtMs) / 1000) + (offer?.deadlineSeconds ?? 0)) % 2_000_000)
