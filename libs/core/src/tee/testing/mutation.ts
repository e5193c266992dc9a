import { AttestationError, type AttestationErrorCode } from '../error.js'

/** `HACA_TEE_SWEEP=full` visits every byte and every length; otherwise strides keep the suite short. */
export const FULL_SWEEP = process.env['HACA_TEE_SWEEP'] === 'full'

export interface Sweep {
  readonly tried: number
  readonly refused: Readonly<Partial<Record<AttestationErrorCode, number>>>
  readonly accepted: readonly number[]
}

/** Runs `attempt` for every index; anything but acceptance or an AttestationError is thrown on. */
export async function sweep(indices: readonly number[], attempt: (index: number) => Promise<unknown>): Promise<Sweep> {
  const refused: Partial<Record<AttestationErrorCode, number>> = {}
  const accepted: number[] = []
  for (const index of indices) {
    try {
      await attempt(index)
      accepted.push(index)
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error
      refused[error.code] = (refused[error.code] ?? 0) + 1
    }
  }
  return { tried: indices.length, refused, accepted }
}

/** `from`, `from + stride`, … below `to`; every index in a full sweep. The last one is always visited. */
export function indices(from: number, to: number, stride: number): number[] {
  const step = FULL_SWEEP ? 1 : stride
  const list: number[] = []
  for (let i = from; i < to; i += step) list.push(i)
  if (list.at(-1) !== to - 1 && to > from) list.push(to - 1)
  return list
}

/** A copy with one byte changed; which bit depends on the index, so that strides meet all eight. */
export function flipped(bytes: Uint8Array, index: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[index]! ^= 1 << (index % 8)
  return copy
}

export function report(name: string, { tried, refused, accepted }: Sweep): void {
  const codes = Object.entries(refused).map(([code, count]) => `${code} ${count}`)
  process.stdout.write(`${name}: ${tried} tried, ${accepted.length} accepted; ${codes.join(', ')}\n`)
}
