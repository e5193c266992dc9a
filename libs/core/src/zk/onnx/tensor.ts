import { type Field, malformed, packedFloats, packedIntegers, view } from './wire.js'
import { refusal } from '../error.js'

/** TensorProto.DataType of the types we read. */
export const DataType = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
} as const

/** A constant tensor, row-major. 64-bit integers are bigints; every other type is exact in a double. */
export interface Tensor {
  name: string
  type: number
  shape: readonly number[]
  values: Float64Array | BigInt64Array
}

/** Most elements in one constant; 2^26 floats are 256 MiB. */
export const TENSOR_ELEMENTS_MAX = 2 ** 26
/** Most elements that may stand one by one instead of in `raw_data`. */
const TYPED_ELEMENTS_MAX = 2 ** 22

const WIDTH: Readonly<Record<number, number>> = {
  [DataType.FLOAT]: 4,
  [DataType.UINT8]: 1,
  [DataType.INT8]: 1,
  [DataType.UINT16]: 2,
  [DataType.INT16]: 2,
  [DataType.INT32]: 4,
  [DataType.INT64]: 8,
  [DataType.BOOL]: 1,
  [DataType.FLOAT16]: 2,
  [DataType.DOUBLE]: 8,
  [DataType.UINT32]: 4,
  [DataType.UINT64]: 8,
  [DataType.BFLOAT16]: 2,
}

/** The pieces of a TensorProto before its type says which of them counts. */
export interface TensorParts {
  name: string
  type: number
  dims: number[]
  raw: Uint8Array | undefined
  floats: number[]
  doubles: number[]
  int32s: bigint[]
  int64s: bigint[]
  uint64s: bigint[]
}

/** Takes one typed-data field of a TensorProto into its parts; answers whether the field was one. */
export function takeData(parts: TensorParts, field: Field): boolean {
  const push = <T>(to: T[], from: Iterable<T>) => {
    for (const value of from) to.push(value)
    if (to.length > TYPED_ELEMENTS_MAX) throw refusal('zk.onnx-too-large', `constant "${parts.name}" lists more than ${TYPED_ELEMENTS_MAX} numbers; large constants go into raw_data`)
    return true
  }
  switch (field.number) {
    case 4:
      return push(parts.floats, packedFloats(field, 4, TYPED_ELEMENTS_MAX))
    case 5:
      return push(parts.int32s, packedIntegers(field, TYPED_ELEMENTS_MAX))
    case 7:
      return push(parts.int64s, packedIntegers(field, TYPED_ELEMENTS_MAX))
    case 10:
      return push(parts.doubles, packedFloats(field, 8, TYPED_ELEMENTS_MAX))
    case 11:
      return push(parts.uint64s, packedIntegers(field, TYPED_ELEMENTS_MAX))
    default:
      return false
  }
}

/** Values of a tensor whose parts are all read. */
export function assemble(parts: TensorParts): Tensor {
  const width = WIDTH[parts.type]
  if (width === undefined) throw refusal('zk.model-invalid', `constant "${parts.name}" has data type ${parts.type}, which is not numeric`)
  const size = parts.dims.reduce((product, dim) => product * dim, 1)
  if (!(size <= TENSOR_ELEMENTS_MAX)) throw refusal('zk.onnx-too-large', `constant "${parts.name}" has more than ${TENSOR_ELEMENTS_MAX} elements`)
  const values = parts.raw ? fromRaw(parts.raw, parts.type, width, size, parts.name) : fromTyped(parts, size)
  return { name: parts.name, type: parts.type, shape: parts.dims, values }
}

function fromRaw(raw: Uint8Array, type: number, width: number, size: number, name: string): Float64Array | BigInt64Array {
  if (raw.length !== size * width) throw malformed(`constant "${name}" has ${raw.length} bytes where its shape needs ${size * width}`)
  const at = view(raw)
  switch (type) {
    case DataType.FLOAT:
      return Float64Array.from({ length: size }, (_, i) => at.getFloat32(4 * i, true))
    case DataType.DOUBLE:
      return Float64Array.from({ length: size }, (_, i) => at.getFloat64(8 * i, true))
    case DataType.FLOAT16:
      return Float64Array.from({ length: size }, (_, i) => float16(at.getUint16(2 * i, true)))
    case DataType.BFLOAT16:
      return Float64Array.from({ length: size }, (_, i) => bfloat16(at.getUint16(2 * i, true)))
    case DataType.UINT8:
      return Float64Array.from(raw)
    case DataType.BOOL:
      return Float64Array.from(raw, (byte) => boolean(byte, name))
    case DataType.INT8:
      return Float64Array.from({ length: size }, (_, i) => at.getInt8(i))
    case DataType.UINT16:
      return Float64Array.from({ length: size }, (_, i) => at.getUint16(2 * i, true))
    case DataType.INT16:
      return Float64Array.from({ length: size }, (_, i) => at.getInt16(2 * i, true))
    case DataType.INT32:
      return Float64Array.from({ length: size }, (_, i) => at.getInt32(4 * i, true))
    case DataType.UINT32:
      return Float64Array.from({ length: size }, (_, i) => at.getUint32(4 * i, true))
    case DataType.UINT64:
      return signed64(Array.from({ length: size }, (_, i) => at.getBigUint64(8 * i, true)), name)
    default:
      return BigInt64Array.from({ length: size }, (_, i) => at.getBigInt64(8 * i, true))
  }
}

function fromTyped(parts: TensorParts, size: number): Float64Array | BigInt64Array {
  const { type, name } = parts
  const whole = <T>(values: readonly T[]): readonly T[] => {
    if (values.length !== size) throw malformed(`constant "${name}" has ${values.length} values where its shape needs ${size}`)
    return values
  }
  if (type === DataType.FLOAT) return Float64Array.from(whole(parts.floats))
  if (type === DataType.DOUBLE) return Float64Array.from(whole(parts.doubles))
  if (type === DataType.INT64) return BigInt64Array.from(whole(parts.int64s))
  if (type === DataType.UINT64) return signed64(whole(parts.uint64s).map((v) => BigInt.asUintN(64, v)), name)
  if (type === DataType.UINT32) return Float64Array.from(whole(parts.uint64s), (v) => inRange(BigInt.asUintN(64, v), 0, 2 ** 32 - 1, name))
  const low = (least: number, most: number) => Float64Array.from(whole(parts.int32s), (v) => inRange(v, least, most, name))
  switch (type) {
    case DataType.FLOAT16:
      return low(0, 0xffff).map(float16)
    case DataType.BFLOAT16:
      return low(0, 0xffff).map(bfloat16)
    case DataType.BOOL:
      return low(0, 1)
    case DataType.UINT8:
      return low(0, 255)
    case DataType.INT8:
      return low(-128, 127)
    case DataType.UINT16:
      return low(0, 0xffff)
    case DataType.INT16:
      return low(-0x8000, 0x7fff)
    default:
      return low(-(2 ** 31), 2 ** 31 - 1)
  }
}

function inRange(value: bigint, least: number, most: number, name: string): number {
  const number = Number(value)
  if (number < least || number > most) throw malformed(`constant "${name}" holds ${value}, which its type does not`)
  return number
}

function signed64(values: readonly bigint[], name: string): BigInt64Array {
  if (values.some((v) => v >= 2n ** 63n)) throw refusal('zk.model-invalid', `constant "${name}" holds an unsigned integer of 2^63 or more`)
  return BigInt64Array.from(values)
}

function boolean(byte: number, name: string): number {
  if (byte > 1) throw malformed(`constant "${name}" holds a boolean that is neither 0 nor 1`)
  return byte
}

/** IEEE 754 binary16. */
export function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The upper half of an IEEE 754 binary32. */
export function bfloat16(bits: number): number {
  const at = new DataView(new ArrayBuffer(4))
  at.setUint32(0, bits << 16)
  return at.getFloat32(0)
}

/** Little-endian bytes of a tensor's values, the inverse of reading `raw_data`; for the types a twin uses. */
export function toRaw(tensor: Tensor): Uint8Array {
  const width = WIDTH[tensor.type] as number
  const raw = new Uint8Array(tensor.values.length * width)
  const at = view(raw)
  for (let i = 0; i < tensor.values.length; i++) {
    const value = tensor.values[i] as number | bigint
    if (tensor.type === DataType.INT64) at.setBigInt64(8 * i, BigInt(value), true)
    else if (tensor.type === DataType.FLOAT) at.setFloat32(4 * i, Number(value), true)
    else if (tensor.type === DataType.INT32) at.setInt32(4 * i, Number(value), true)
    else if (tensor.type === DataType.INT8) at.setInt8(i, Number(value))
    else if (tensor.type === DataType.UINT8 || tensor.type === DataType.BOOL) at.setUint8(i, Number(value))
    else throw new TypeError(`no writer for data type ${tensor.type}`)
  }
  return raw
}
