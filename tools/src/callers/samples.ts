import { modelsDirectory } from '../stack/index.js'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Sample {
  values: number[]
  label: number
  predicted: number
}

const read = (model: string): Sample[] => (JSON.parse(readFileSync(join(modelsDirectory, model, 'samples.json'), 'utf8')) as { samples: Sample[] }).samples

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
