import * as Digest from '../digest.js'
import { AppError } from '../errors.js'
import type { Hex } from '../hex.js'
import type { Datatype, Spec } from '../tensor/tensor.js'
import { datatypes } from '../tensor/tensor.js'

/** What a model is: every file that decides its answers. The SHA-256 of this file's bytes is the `modelHash`. */
export interface Manifest {
  v: 1
  name: string
  version: string
  description: string
  licence: string
  files: readonly { role: string; path: string; sha256: string; bytes: number }[]
  engine: { name: string; opset: number }
  inputs: readonly Spec[]
  outputs: readonly Spec[]
  /** `stack`: rows of several requests may share one run, with bit-identical results. */
  batching: 'stack' | 'single'
  /** Most rows in one request. */
  maxUnits: number
  labels?: readonly string[]
  accuracy?: { metric: string; value: number; heldOut: number; dataSet: string }
}

/** A manifest with the digest that names it. */
export interface Identified {
  manifest: Manifest
  modelHash: Hex
}

const nameForm = /^[a-z0-9][a-z0-9-]{0,62}$/
const versionForm = /^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}$/

/** Reads manifest bytes; the digest is of the bytes as they are, never of a re-serialised form. Throws `manifest.malformed` naming the field. */
export function read(bytes: Uint8Array): Identified {
  let source: Record<string, unknown>
  try {
    source = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<string, unknown>
  } catch (cause) {
    throw new AppError('manifest.malformed', { detail: 'the manifest is not UTF-8 JSON', cause })
  }
  demand(source.v === 1, 'v')
  demand(typeof source.name === 'string' && nameForm.test(source.name), 'name')
  demand(typeof source.version === 'string' && versionForm.test(source.version), 'version')
  demand(typeof source.description === 'string' && source.description.length <= 2000, 'description')
  demand(typeof source.licence === 'string', 'licence')
  demand(source.batching === 'stack' || source.batching === 'single', 'batching')
  demand(isCount(source.maxUnits, 65_536) && (source.maxUnits as number) >= 1, 'maxUnits')
  const engine = source.engine as Manifest['engine'] | undefined
  demand(typeof engine?.name === 'string' && isCount(engine.opset, 100), 'engine')
  demand(Array.isArray(source.files) && source.files.length > 0, 'files')
  for (const file of source.files as Manifest['files']) {
    demand(/^[0-9a-f]{64}$/.test(file.sha256) && isCount(file.bytes, 2 ** 40), 'files.sha256')
    demand(/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file.path), 'files.path')
  }
  for (const side of ['inputs', 'outputs'] as const) {
    demand(Array.isArray(source[side]) && (source[side] as unknown[]).length > 0, side)
    for (const spec of source[side] as Spec[]) demand(isSpec(spec), side)
  }
  const { labels, accuracy } = source
  demand(labels === undefined || (Array.isArray(labels) && labels.every(isText)), 'labels')
  demand(accuracy === undefined || isAccuracy(accuracy as Record<string, unknown> | null), 'accuracy')
  return { manifest: source as unknown as Manifest, modelHash: Digest.content(bytes) }
}

const isText = (value: unknown): value is string => typeof value === 'string'

const isAccuracy = (accuracy: Record<string, unknown> | null): boolean =>
  isText(accuracy?.metric) && Number.isFinite(accuracy.value) && isCount(accuracy.heldOut, Number.MAX_SAFE_INTEGER) && isText(accuracy.dataSet)

const isSpec = (spec: Spec): boolean =>
  typeof spec.name === 'string' &&
  spec.name.length > 0 &&
  datatypes.includes(spec.datatype as Datatype) &&
  Array.isArray(spec.shape) &&
  spec.shape.length >= 1 &&
  spec.shape.length <= 8 &&
  spec.shape.every((d) => d === -1 || isCount(d, 2 ** 31)) &&
  (spec.allowNonFinite === undefined || typeof spec.allowNonFinite === 'boolean')

const isCount = (value: unknown, most: number): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most

function demand(condition: boolean, field: string): asserts condition {
  if (!condition) throw new AppError('manifest.malformed', { detail: `manifest field ${field} is missing or malformed` })
}
