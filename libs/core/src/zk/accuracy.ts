import { refusal } from './error.js'
import type { Accuracy } from './manifest.js'
import type { Program } from './witness/program.js'
import { infer } from './witness/witness.js'

export interface Sample {
  inputs: Readonly<Record<string, ArrayLike<number>>>
  /** The float model's numbers for the output that is measured. */
  float: ArrayLike<number | bigint>
  /** The truth, where it is known. */
  label?: number
}

/** Runs the integer model on samples and compares it with the float model's answers and the truth. */
export function measureAccuracy(program: Program, output: string, samples: readonly Sample[], weights?: readonly Float64Array[]): Accuracy {
  let [integerCorrect, floatCorrect, agreement, largestError, totalError, count] = [0, 0, 0, 0, 0, 0]
  for (const { inputs, float, label } of samples) {
    const found = infer(program, { inputs, ...(weights ? { weights } : {}) }).find(({ name }) => name === output)
    if (!found) throw refusal('zk.input-invalid', `the program has no output "${output}"`)
    const [ours, theirs] = [labelOf(found.values), labelOf(float)]
    if (ours === label) integerCorrect++
    if (theirs === label) floatCorrect++
    if (ours === theirs) agreement++
    for (let i = 0; i < found.values.length; i++) {
      const error = Math.abs(found.values[i]! - Number(float[i]))
      largestError = Math.max(largestError, error)
      totalError += error
      count++
    }
  }
  const labelled = samples.length > 0 && samples.every(({ label }) => label !== undefined)
  return {
    output,
    samples: samples.length,
    integerCorrect: labelled ? integerCorrect : null,
    floatCorrect: labelled ? floatCorrect : null,
    agreement,
    largestError,
    meanError: count === 0 ? 0 : totalError / count,
  }
}

/** A single number is the label itself; of several the first largest one's index is. */
function labelOf(values: ArrayLike<number | bigint>): number {
  if (values.length === 1) return Number(values[0])
  let best = 0
  for (let i = 1; i < values.length; i++) if (Number(values[i]) > Number(values[best])) best = i
  return best
}
