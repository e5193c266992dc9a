interface Passenger<T, R> {
  item: T
  resolve(answer: R): void
  reject(error: unknown): void
}

/**
 * Asks for many at once: one question is on its way at a time, and what comes meanwhile goes with the next. Nobody waits when there is
 * nothing to wait for, and under load the cost of a question is shared by all who ask.
 */
export class Convoy<T, R> {
  readonly #waiting: Passenger<T, R>[] = []
  #underway = false

  constructor(
    /** Answers as many as it is asked, in their order. */
    readonly ask: (items: readonly T[]) => Promise<readonly R[]>,
    readonly most: number,
  ) {}

  /** The answer for one. Rejects when its convoy is not answered. */
  join(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (!this.#underway) void this.#go()
    })
  }

  async #go(): Promise<void> {
    this.#underway = true
    await new Promise(setImmediate) // what is asked in this turn of the loop goes together
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, this.most)
      try {
        const answers = await this.ask(taken.map(({ item }) => item))
        for (const [i, { resolve }] of taken.entries()) resolve(answers[i] as R)
      } catch (error) {
        for (const { reject } of taken) reject(error)
      }
    }
    this.#underway = false
  }
}
