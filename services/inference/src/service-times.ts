/** Quantiles of the last service times: a ring of the newest thousand within a minute. */
export class ServiceTimes {
  readonly #ring: { ms: number; atMs: number }[] = []

  constructor(readonly now: () => number) {}

  record(ms: number): void {
    this.#ring.push({ ms, atMs: this.now() })
    if (this.#ring.length > 1_000) this.#ring.shift()
  }

  /** Milliseconds; zero when nothing ran within the last minute. */
  quantiles(): { p50: number; p99: number } {
    const since = this.now() - 60_000
    const recent = this.#ring.filter((entry) => entry.atMs >= since).map((entry) => entry.ms).sort((a, b) => a - b)
    const at = (q: number): number => Math.ceil(recent[Math.min(recent.length - 1, Math.floor(recent.length * q))] ?? 0)
    return { p50: at(0.5), p99: at(0.99) }
  }
}
