/** Tells a person what is being done, once something takes longer than two seconds, and how long it took. */
export interface Progress {
  step<T>(what: string, work: () => Promise<T>): Promise<T>
  note(text: string): void
}

const patienceMs = 2_000

export function consoleProgress(write: (line: string) => void): Progress {
  return {
    note: write,
    async step(what, work) {
      const began = performance.now()
      const seconds = (): string => ((performance.now() - began) / 1000).toFixed(1)
      let spoke = false
      const timer = setInterval(() => {
        spoke = true
        write(`   … ${what} (${seconds()} s)`)
      }, patienceMs)
      try {
        const result = await work()
        if (spoke) write(`   ✓ ${what} (${seconds()} s)`)
        return result
      } finally {
        clearInterval(timer)
      }
    },
  }
}

export const silent: Progress = { step: (_what, work) => work(), note: () => undefined }
