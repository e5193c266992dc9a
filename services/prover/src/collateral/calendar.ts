import type { Entry } from './library.js'

const hour = 3_600_000

/** How often, at the latest, a vendor is asked for a successor of each kind, in milliseconds. Endorsement keys have none until they end. */
const intervals: Readonly<Record<string, number>> = { 'amd/vcek': Number.POSITIVE_INFINITY, 'amd/issuer': 24 * hour, 'nvidia/rim': 24 * hour }
const intervalDefault = 6 * hour

/** Before its end, a statement is renewed by a quarter of its life or a day, whichever is less. */
const marginMax = 24 * hour
/** Nothing is asked for more often, however near its end. */
const restMs = 5 * 60_000
/** A tenth is drawn off, by the entry's own name, so that many provers do not ask at once and one prover does not change its mind. */
const jitterShare = 0.1

/** When to ask for a successor of what was last asked for at `askedAt` (unix milliseconds). */
export function dueAt(entry: Pick<Entry, 'subject' | 'standing' | 'notBefore' | 'notAfter'>, askedAt: number): number {
  const interval = intervals[entry.subject.split('/').slice(0, 2).join('/')] ?? intervalDefault
  const margin = Math.min(marginMax, (entry.notAfter - entry.notBefore) / 4)
  const planned = Math.min(interval * (1 - jitterShare * fraction(`${entry.subject}${entry.standing}`)), entry.notAfter - margin - askedAt)
  return askedAt + Math.max(planned, restMs)
}

/** A number in [0, 1) out of a name (FNV-1a). */
function fraction(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0
  return hash / 2 ** 32
}
