import { accept, refuse, type Refused, type Verdict } from '../verdict.js'
import * as Tensor from './tensor.js'

/** Largest body of a request in bytes: it travels in one Kafka record. */
export const bytesMax = 1 << 20

/** What the caller wishes of the router. */
export interface Wish {
  verification: Verification
  /** Atomic units that depend on the answer. */
  valueAtRisk: bigint
  /** Milliseconds the caller will wait; 0 is no wish. */
  deadlineMs: number
  /** Most the caller will pay; `undefined` is no limit. */
  budget: bigint | undefined
  /** How the chain is shown the proof, where one is bought; the settler's own way when the caller does not say. */
  proofSettlement?: ProofSettlement
}

/** Together with others, alone, or not before somebody disputes the receipt. */
export const proofSettlements = ['batch', 'single', 'dispute'] as const
export type ProofSettlement = (typeof proofSettlements)[number]

export const verifications = ['auto', 'tee', 'zkml', 'tee+zkml'] as const
export type Verification = (typeof verifications)[number]

/** A request body of `POST /v1/inference`, read but not yet held against a model. */
export interface Body {
  model: string
  inputs: Tensor.Loose[]
  wish: Wish
}

const known = new Set(['model', 'inputs', 'verification', 'valueAtRisk', 'deadlineMs', 'budget', 'proofSettlement'])
const knownInput = new Set(['name', 'datatype', 'shape', 'data'])

/**
 * Reads the JSON body. Gateway and node read the same bytes with the same function, so they cannot disagree about
 * what was asked. Unknown fields are refused: a typo must not change what is bought.
 */
export function parse(bytes: Uint8Array): Verdict<Body, 'body.malformed'> {
  let source: Record<string, unknown>
  try {
    source = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<string, unknown>
  } catch {
    return malformed('body', 'the body is not UTF-8 JSON')
  }
  if (typeof source !== 'object' || source === null || Array.isArray(source)) return malformed('body', 'the body is not a JSON object')
  return read(source)
}

/** Reads a body that is an object already. */
export function read(source: Record<string, unknown>): Verdict<Body, 'body.malformed'> {
  for (const name of Object.keys(source)) if (!known.has(name)) return malformed(name, `unknown field; known are ${[...known].join(', ')}`)
  if (typeof source.model !== 'string' || source.model.length < 1 || source.model.length > 200) return malformed('model', 'a model name, name@version or 0x-digest')
  if (!Array.isArray(source.inputs) || source.inputs.length < 1 || source.inputs.length > 64) return malformed('inputs', 'a list of 1 to 64 tensors')
  const inputs: Tensor.Loose[] = []
  for (const [at, input] of (source.inputs as unknown[]).entries()) {
    const read = parseInput(input, `inputs[${at}]`)
    if (!read.ok) return read
    inputs.push(read.value)
  }
  const wish = parseWish(source)
  return wish.ok ? accept({ model: source.model, inputs, wish: wish.value }) : wish
}

function parseInput(input: unknown, field: string): Verdict<Tensor.Loose, 'body.malformed'> {
  if (typeof input !== 'object' || input === null) return malformed(field, 'a tensor: {"name", "shape", "data"}')
  const source = input as Record<string, unknown>
  for (const name of Object.keys(source)) if (!knownInput.has(name)) return malformed(`${field}.${name}`, 'unknown field; known are name, datatype, shape, data')
  if (typeof source.name !== 'string') return malformed(`${field}.name`, 'the name of a model input')
  if (source.datatype !== undefined && typeof source.datatype !== 'string') return malformed(`${field}.datatype`, Tensor.datatypes.join(', '))
  if (!Array.isArray(source.shape) || source.shape.length > 8) return malformed(`${field}.shape`, 'a list of at most 8 sizes')
  if (!Array.isArray(source.data)) return malformed(`${field}.data`, 'a flat list of values in row-major order')
  return accept({ name: source.name, datatype: source.datatype as string | undefined, shape: source.shape as number[], data: source.data })
}

/** Reads the routing wish out of a body's fields. */
export function parseWish(source: Record<string, unknown>): Verdict<Wish, 'body.malformed'> {
  const verification = source.verification ?? 'auto'
  if (!verifications.includes(verification as Verification)) return malformed('verification', `one of ${verifications.join(', ')}`)
  const deadlineMs = source.deadlineMs ?? 0
  if (!Number.isInteger(deadlineMs) || (deadlineMs as number) < 0 || (deadlineMs as number) > 86_400_000) return malformed('deadlineMs', 'milliseconds, 0 to 86,400,000')
  const valueAtRisk = amount(source.valueAtRisk ?? '0')
  if (valueAtRisk === undefined) return malformed('valueAtRisk', 'a decimal string in atomic units')
  const budget = source.budget === undefined ? undefined : amount(source.budget)
  if (source.budget !== undefined && budget === undefined) return malformed('budget', 'a decimal string in atomic units')
  const { proofSettlement } = source
  if (proofSettlement !== undefined && !proofSettlements.includes(proofSettlement as ProofSettlement)) return malformed('proofSettlement', `one of ${proofSettlements.join(', ')}`)
  return accept({ verification: verification as Verification, deadlineMs: deadlineMs as number, valueAtRisk, budget, ...(proofSettlement ? { proofSettlement: proofSettlement as ProofSettlement } : {}) })
}

function amount(value: unknown): bigint | undefined {
  return typeof value === 'string' && /^(0|[1-9][0-9]{0,37})$/.test(value) ? BigInt(value) : undefined
}

/** Renders an answer as JSON bytes; the node hashes and everybody relays exactly these. */
export function renderAnswer(model: string, outputs: readonly Tensor.Tensor[]): Uint8Array {
  const answer = {
    model,
    outputs: outputs.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape,
      data: Tensor.toValues(tensor),
    })),
  }
  return new TextEncoder().encode(JSON.stringify(answer))
}

const malformed = (field: string, detail: string): Refused<'body.malformed'> => refuse('body.malformed', detail, field)
