import { loadavg } from 'node:os'

/** One measured number. */
export interface Figure {
  metric: string
  value: number
  unit: string
  /** What it has to reach, and whether more or less is better. */
  bar?: { at: number; is: 'at least' | 'at most' }
}

export const holds = ({ value, bar }: Figure): boolean | undefined => bar && (bar.is === 'at least' ? value >= bar.at : value <= bar.at)

const rounded = (value: number): string => (Number.isInteger(value) ? value.toLocaleString('en-US') : value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0 }))

/** Prints a bench: a table for people, or with `json` one object per line. Answers whether every bar held. */
export function report(bench: string, figures: readonly Figure[], json: boolean): boolean {
  const all: Figure[] = [...figures, { metric: 'load average of the last minute', value: loadavg()[0] ?? 0, unit: 'runnable' }]
  if (json) {
    for (const figure of all) {
      const { metric, value, unit, bar } = figure
      process.stdout.write(`${JSON.stringify({ bench, metric, value, unit, bar: bar ? `${bar.is} ${bar.at}` : null, ok: holds(figure) ?? null })}\n`)
    }
  } else {
    const width = Math.max(...all.map((f) => f.metric.length))
    const numbers = all.map((f) => rounded(f.value))
    const numberWidth = Math.max(...numbers.map((n) => n.length))
    process.stdout.write(`\n${bench}\n`)
    for (const [i, figure] of all.entries()) {
      const verdict = figure.bar ? `   ${holds(figure) ? 'holds' : 'MISSED'}: ${figure.bar.is} ${figure.bar.at}` : ''
      process.stdout.write(`  ${figure.metric.padEnd(width)}  ${(numbers[i] as string).padStart(numberWidth)} ${figure.unit}${verdict}\n`)
    }
  }
  return all.every((figure) => holds(figure) !== false)
}

/** Tells of progress on the error stream, so that the output stays clean. */
export const say = (text: string): void => void process.stderr.write(`   ${text}\n`)

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

/** The value below which the share `q` of the values lies. */
export const quantile = (values: readonly number[], q: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? NaN
