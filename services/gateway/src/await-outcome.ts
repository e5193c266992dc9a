import type { Hex } from '@haca/core'

/** What happened to a request, as far as somebody who waits needs to know: look again. */
export type Wake = () => void

/**
 * Requests somebody waits for in this process. A wake-up carries no news: whoever wakes looks at the outcome or the claim,
 * which are the truth, so that a lost or doubled wake-up does no harm.
 */
export class Waiters {
  readonly #waiting = new Map<Hex.Hex, Set<Wake>>()

  /** Wakes whoever waits for a request. */
  wake(requestId: Hex.Hex): void {
    for (const wake of this.#waiting.get(requestId) ?? []) wake()
  }

  /**
   * Looks, and looks again at every wake-up and every `everyMs`, until `look` gives something or the time is over. Looking first
   * and on a timer means that a wake-up before the wait began is not missed.
   */
  async until<T>(requestId: Hex.Hex, look: () => Promise<T | undefined>, { timeoutMs, everyMs }: { timeoutMs: number; everyMs: number }): Promise<T | undefined> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const woken = this.#next(requestId)
      const found = await look().catch((error: unknown) => {
        woken.cancel()
        throw error
      })
      const left = deadline - Date.now()
      if (found !== undefined || left <= 0) {
        woken.cancel()
        return found
      }
      await woken.wait(Math.min(left, everyMs))
    }
  }

  size(): number {
    return this.#waiting.size
  }

  #next(requestId: Hex.Hex): { wait(ms: number): Promise<void>; cancel(): void } {
    let wake!: Wake
    const woken = new Promise<void>((resolve) => (wake = resolve))
    let set = this.#waiting.get(requestId)
    if (!set) this.#waiting.set(requestId, (set = new Set()))
    set.add(wake)
    const cancel = (): void => {
      set.delete(wake)
      if (set.size === 0 && this.#waiting.get(requestId) === set) this.#waiting.delete(requestId)
    }
    return {
      cancel,
      wait: async (ms) => {
        const timer = setTimeout(wake, ms)
        await woken
        clearTimeout(timer)
        cancel()
      },
    }
  }
}
