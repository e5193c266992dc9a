import type { Hex } from '@haca/core'
import type { Waiters } from './await-outcome.js'
import { getRequest, type RequestStatus, type StatusReader } from './get-request.js'
import { Refusal } from './refusal.js'

export interface Watching extends StatusReader {
  waiters: Waiters
  /** Requests watched at once by this replica. */
  watched: { count: number }
  /** Aborted when this replica stops: a stream held open would keep its edges from closing, and with them everything behind. */
  stopping: AbortSignal
  now(): number
}

/** Longest a caller is told of a request in one stream; whoever still cares asks again. */
const watchMaxMs = 15 * 60_000
const watchersMax = 2_000
/** A change that happens on another replica is seen this late. */
const lookEveryMs = 1_000

/**
 * Every state of a request from now until nothing more will happen to it: it is anchored and proven if a proof was bought, or
 * void; ends early where this replica stops. States may be skipped, and are never repeated. Throws `request.unknown`, or `watch.busy` where too many are watched.
 */
export async function* watchRequest(requestId: Hex.Hex, watching: Watching, signal: AbortSignal): AsyncGenerator<RequestStatus> {
  if (watching.watched.count >= watchersMax) throw new Refusal('unavailable', 'watch.busy', 'too many requests are watched here; ask for its status instead', undefined, 5)
  watching.watched.count++
  try {
    let last = ''
    for (const until = watching.now() + watchMaxMs; watching.now() < until && !signal.aborted && !watching.stopping.aborted; ) {
      const next = await watching.waiters.until(requestId, () => changed(requestId, last, watching), { timeoutMs: lookEveryMs, everyMs: lookEveryMs })
      if (next === undefined) continue
      last = JSON.stringify(next)
      yield next
      if (isOver(next)) return
    }
  } finally {
    watching.watched.count--
  }
}

async function changed(requestId: Hex.Hex, last: string, watching: Watching): Promise<RequestStatus | undefined> {
  const status = await getRequest(requestId, watching)
  return JSON.stringify(status) === last ? undefined : status
}

const isOver = ({ state, proof }: RequestStatus): boolean => state === 'void' || state === 'unpaid' || (state === 'anchored' && (proof === null || proof === 'proven'))
