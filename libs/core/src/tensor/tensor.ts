import { accept, refuse, type Verdict } from '../verdict.js'

/** Datatypes of the Open Inference Protocol v2 that our engines run. */
export const datatypes = ['BOOL', 'INT8', 'UINT8', 'INT32', 'INT64', 'FP32', 'FP64', 'BYTES'] as const
export type Datatype = (typeof datatypes)[number]

/** What a model expects or gives. A dimension of -1 is free; the first one counts rows. */
export interface Spec {
  name: string
  datatype: Datatype
  shape: readonly number[]
  /** NaN and infinities are refused unless true. */
  allowNonFinite?: boolean
}

export type Data = Uint8Array | Int8Array | Int32Array | BigInt64Array | Float32Array | Float64Array | string[]

/** A named tensor, row-major. */
export interface Tensor {
  name: string
  datatype: Datatype
  shape: readonly number[]
  data: Data
}

export type Reason =
  | 'tensor.unknown'
  | 'tensor.missing'
  | 'tensor.duplicate'
  | 'tensor.datatype'
  | 'tensor.shape'
  | 'tensor.length'
  | 'tensor.value'
  | 'tensor.not-finite'
  | 'tensor.too-many-rows'

/** Most elements in one tensor; a body of 1 MiB cannot name more. */
export const elementsMax = 1 << 20

/** A tensor as it came in: values not yet held against a datatype. */
export interface Loose {
  name: string
  datatype?: string | undefined
  shape: readonly number[]
  data: readonly unknown[]
}

/** Holds loose inputs against a model's specification and gives typed tensors in the specification's order, with the number of rows. */
export function conform(
  inputs: readonly Loose[],
  specs: readonly Spec[],
  maxUnits: number,
): Verdict<{ tensors: Tensor[]; units: number }, Reason> {
  const byName = new Map<string, { loose: Loose; at: number }>()
  for (const [at, loose] of inputs.entries()) {
    if (!specs.some((spec) => spec.name === loose.name)) {
      return refuse('tensor.unknown', `the model has no input "${loose.name}"; it takes ${specs.map((s) => `"${s.name}"`).join(', ')}`, `inputs[${at}].name`)
    }
    if (byName.has(loose.name)) return refuse('tensor.duplicate', `input "${loose.name}" is given twice`, `inputs[${at}].name`)
    byName.set(loose.name, { loose, at })
  }
  const tensors: Tensor[] = []
  let units: number | undefined
  for (const spec of specs) {
    const found = byName.get(spec.name)
    if (!found) return refuse('tensor.missing', `input "${spec.name}" is required`, 'inputs')
    const field = `inputs[${found.at}]`
    const typed = type(found.loose, spec, field)
    if (!typed.ok) return typed
    const rows = spec.shape[0] === -1 ? (typed.value.shape[0] as number) : 1
    if (units !== undefined && rows !== units) {
      return refuse('tensor.shape', `all inputs must have the same number of rows; "${spec.name}" has ${rows}, not ${units}`, `${field}.shape[0]`)
    }
    units = rows
    tensors.push(typed.value)
  }
  if ((units as number) < 1) return refuse('tensor.shape', 'at least one row is required', 'inputs[0].shape[0]')
  if ((units as number) > maxUnits) return refuse('tensor.too-many-rows', `at most ${maxUnits} rows in one request`, 'inputs[0].shape[0]')
  return accept({ tensors, units: units as number })
}

function type(loose: Loose, spec: Spec, field: string): Verdict<Tensor, Reason> {
  if (loose.datatype !== undefined && loose.datatype !== spec.datatype) {
    return refuse('tensor.datatype', `"${spec.name}" takes ${spec.datatype}, not ${loose.datatype}`, `${field}.datatype`)
  }
  if (loose.shape.length !== spec.shape.length) {
    return refuse('tensor.shape', `"${spec.name}" takes shape [${spec.shape.join(', ')}], with -1 for any`, `${field}.shape`)
  }
  for (const [axis, size] of loose.shape.entries()) {
    const wanted = spec.shape[axis]
    if (!Number.isInteger(size) || size < 0 || (wanted !== -1 && size !== wanted)) {
      return refuse('tensor.shape', `"${spec.name}" takes shape [${spec.shape.join(', ')}], with -1 for any`, `${field}.shape[${axis}]`)
    }
  }
  const length = loose.shape.reduce((product, size) => product * size, 1)
  if (length > elementsMax) return refuse('tensor.shape', `at most ${elementsMax} elements in one tensor`, `${field}.shape`)
  if (loose.data.length !== length) {
    return refuse('tensor.length', `shape [${loose.shape.join(', ')}] needs ${length} values, not ${loose.data.length}`, `${field}.data`)
  }
  return fill(loose.data, spec, field, (data) => ({ name: spec.name, datatype: spec.datatype, shape: loose.shape, data }))
}

const integerRange: Partial<Record<Datatype, readonly [number, number]>> = {
  BOOL: [0, 1],
  INT8: [-128, 127],
  UINT8: [0, 255],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
}

/** Turns loose values into the datatype's array, or names the first value that does not fit. */
function fill(values: readonly unknown[], spec: Spec, field: string, make: (data: Data) => Tensor): Verdict<Tensor, Reason> {
  const wrong = (at: number, what: string) => refuse('tensor.value' as const, `"${spec.name}" takes ${what}`, `${field}.data[${at}]`)
  if (spec.datatype === 'BYTES') {
    const at = values.findIndex((value) => typeof value !== 'string')
    return at < 0 ? accept(make(values as string[])) : wrong(at, 'texts')
  }
  if (spec.datatype === 'INT64') {
    const out = new BigInt64Array(values.length)
    for (let i = 0; i < values.length; i++) {
      const value = int64(values[i])
      if (value === undefined) return wrong(i, 'integers of 64 bits (beyond 2^53 as decimal strings)')
      out[i] = value
    }
    return accept(make(out))
  }
  const range = integerRange[spec.datatype]
  if (range) {
    const out = spec.datatype === 'INT8' ? new Int8Array(values.length) : spec.datatype === 'INT32' ? new Int32Array(values.length) : new Uint8Array(values.length)
    for (let i = 0; i < values.length; i++) {
      const value = typeof values[i] === 'boolean' && spec.datatype === 'BOOL' ? Number(values[i]) : values[i]
      if (!Number.isInteger(value) || (value as number) < range[0] || (value as number) > range[1]) return wrong(i, `integers from ${range[0]} to ${range[1]}`)
      out[i] = value as number
    }
    return accept(make(out))
  }
  const out = spec.datatype === 'FP64' ? new Float64Array(values.length) : new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = float(values[i])
    if (value === undefined) return wrong(i, 'numbers')
    out[i] = value
    if (!Number.isFinite(out[i])) {
      // A finite number that the datatype cannot hold is the caller's mistake even where infinities are welcome.
      if (Number.isFinite(value)) return wrong(i, `numbers that fit ${spec.datatype}`)
      if (!spec.allowNonFinite) return refuse('tensor.not-finite', `"${spec.name}" takes no NaN or infinity`, `${field}.data[${i}]`)
    }
  }
  return accept(make(out))
}

/** JSON has no NaN; the protobuf JSON mapping writes these three as strings, and so do we. */
const nonFinite: ReadonlyMap<string, number> = new Map([['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity]])

function float(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' ? nonFinite.get(value) : undefined
}

function int64(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? value : undefined
  if (typeof value !== 'string' || !/^-?(0|[1-9][0-9]{0,18})$/.test(value)) return undefined
  const parsed = BigInt(value)
  return BigInt.asIntN(64, parsed) === parsed ? parsed : undefined
}

/** JSON values of a tensor: the inverse of what `conform` reads. */
export function toValues(tensor: Tensor): unknown[] {
  if (tensor.data instanceof BigInt64Array) {
    return Array.from(tensor.data, (v) => (BigInt.asIntN(54, v) === v ? Number(v) : v.toString()))
  }
  if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array) {
    return Array.from(tensor.data, (v) => (Number.isFinite(v) ? v : Number.isNaN(v) ? 'NaN' : v > 0 ? 'Infinity' : '-Infinity'))
  }
  return Array.from(tensor.data as ArrayLike<unknown>)
}

/** A tensor of numbers in a specification's datatype; booleans are 0 and 1. */
export function ofNumbers({ name, datatype, shape }: Spec, values: ArrayLike<number>): Tensor {
  const arrays = { BOOL: Uint8Array, INT8: Int8Array, UINT8: Uint8Array, INT32: Int32Array, FP32: Float32Array, FP64: Float64Array } as const
  const data = datatype === 'INT64' ? BigInt64Array.from(Array.from(values, BigInt)) : datatype === 'BYTES' ? Array.from(values, String) : arrays[datatype].from(values)
  return { name, datatype, shape, data }
}

/** A tensor's values as numbers. */
export const toNumbers = ({ data }: Tensor): ArrayLike<number> => (data instanceof BigInt64Array || Array.isArray(data) ? Array.from(data as ArrayLike<bigint | string>, Number) : data)
