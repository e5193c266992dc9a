import { modelsDirectory } from '../stack/index.js'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Sample {
  values: number[]
  label: number
  predicted: number
}

const json = <T>(model: string, file: string): T => JSON.parse(readFileSync(join(modelsDirectory, model, file), 'utf8')) as T

const read = (model: string): Sample[] => json<{ samples: Sample[] }>(model, 'samples.json').samples

/** A model's held-out samples, with the name and shape of the input they are for, one row of it. */
export function samplesOf(model: string): { input: string; shape: number[]; samples: Sample[] } {
  const [input] = json<{ inputs: { name: string; shape: number[] }[] }>(model, 'manifest.json').inputs
  if (!input) throw new Error(`${model} takes no input`)
  return { input: input.name, shape: input.shape.slice(1), samples: read(model) }
}

/** Real held-out samples, with the label the model gives them. */
export const digits = read('digits')

/** The request body for one digit. Every number gives the same bytes each time. */
export const digitBody = (index: number): string => {
  const sample = digits[index % digits.length] as Sample
  return JSON.stringify({ model: 'digits', inputs: [{ name: 'pixels', shape: [1, 64], data: sample.values }] })
}

export const expectedLabel = (index: number): number => (digits[index % digits.length] as Sample).predicted

/** The label an answer gives. */
export const labelOf = (answer: string): number => (JSON.parse(answer) as { outputs: { name: string; data: number[] }[] }).outputs.find((o) => o.name === 'label')?.data[0] ?? -1
