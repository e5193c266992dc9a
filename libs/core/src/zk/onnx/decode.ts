import { refusal } from '../error.js'
import type { Attribute, Graph, Model, Node, ValueInfo } from './model.js'
import { assemble, takeData, type Tensor, type TensorParts } from './tensor.js'
import { BYTES, type Field, fields, FIXED32, malformed, packedFloats, packedIntegers, VARINT, view } from './wire.js'

/** Largest model read, in bytes. */
export const MODEL_BYTES_MAX = 256 * 2 ** 20
/** Most nodes in a graph. */
export const NODES_MAX = 2 ** 16
/** Most constants, inputs or outputs of a graph, and most inputs or outputs of a node. */
const LISTED_MAX = 2 ** 16
const NODE_VALUES_MAX = 2 ** 12
/** Most axes of a constant, and most numbers in one list of an attribute: trees have that many. */
const AXES_MAX = 16
const LIST_MAX = 2 ** 22
/** Most attributes of a node. */
const ATTRIBUTES_MAX = 2 ** 8

/**
 * Reads a ModelProto. Field numbers are those of onnx.proto. Stricter than protobuf where two readers could see two
 * models: a singular field that stands twice is refused, and so are external data, sparse tensors and local functions.
 * Throws `zk.onnx-malformed`, `zk.onnx-too-large`, `zk.model-invalid`.
 */
export function decode(bytes: Uint8Array): Model {
  if (bytes.length > MODEL_BYTES_MAX) throw refusal('zk.onnx-too-large', `a model is at most ${MODEL_BYTES_MAX} bytes`)
  const opsets: { domain: string; version: number }[] = []
  let graph: Graph | undefined
  let irVersion = 0
  let producer = ''
  const once = singular('model')
  for (const field of fields(bytes)) {
    if (field.number === 1) irVersion = integer(once(field))
    else if (field.number === 2) producer = text(once(field))
    else if (field.number === 7) graph = decodeGraph(message(once(field)))
    else if (field.number === 8) opsets.push(decodeOpset(message(field)))
    else if (field.number === 20) throw refusal('zk.model-invalid', 'the model carries training information; export it for inference')
    else if (field.number === 25) throw refusal('zk.model-invalid', 'the model defines local functions; export it with them inlined')
  }
  if (!graph) throw malformed('no graph')
  return { irVersion, opsets, producer, graph }
}

function decodeOpset(bytes: Uint8Array): { domain: string; version: number } {
  const once = singular('opset')
  const opset = { domain: '', version: 0 }
  for (const field of fields(bytes)) {
    if (field.number === 1) opset.domain = text(once(field))
    else if (field.number === 2) opset.version = integer(once(field))
  }
  return opset
}

function decodeGraph(bytes: Uint8Array): Graph {
  const once = singular('graph')
  const nodes: Node[] = []
  const initializers: Tensor[] = []
  const inputs: ValueInfo[] = []
  const outputs: ValueInfo[] = []
  let name = ''
  for (const field of fields(bytes)) {
    if (field.number === 1) nodes.push(decodeNode(message(field)))
    else if (field.number === 2) name = text(once(field))
    else if (field.number === 5) initializers.push(decodeTensor(message(field)))
    else if (field.number === 11) inputs.push(decodeValueInfo(message(field)))
    else if (field.number === 12) outputs.push(decodeValueInfo(message(field)))
    else if (field.number === 15) throw refusal('zk.model-invalid', 'sparse initialisers are not supported; export dense ones')
    if (nodes.length > NODES_MAX) throw refusal('zk.onnx-too-large', `a graph has at most ${NODES_MAX} nodes`)
    if (initializers.length > LISTED_MAX || inputs.length > LISTED_MAX || outputs.length > LISTED_MAX) throw refusal('zk.onnx-too-large', `a graph has at most ${LISTED_MAX} constants, inputs and outputs each`)
  }
  return { name, nodes, initializers, inputs, outputs }
}

function decodeNode(bytes: Uint8Array): Node {
  const once = singular('node')
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes = new Map<string, Attribute>()
  const node = { name: '', operator: '', domain: '', inputs, outputs, attributes }
  for (const field of fields(bytes)) {
    if (field.number === 1) inputs.push(text(field))
    else if (field.number === 2) outputs.push(text(field))
    else if (field.number === 3) node.name = text(once(field))
    else if (field.number === 4) node.operator = text(once(field))
    else if (field.number === 5) {
      const [name, attribute] = decodeAttribute(message(field))
      if (attributes.has(name)) throw malformed(`node "${node.name}" has attribute "${name}" twice`)
      attributes.set(name, attribute)
    } else if (field.number === 7) node.domain = text(once(field))
    if (inputs.length > NODE_VALUES_MAX || outputs.length > NODE_VALUES_MAX) throw refusal('zk.onnx-too-large', `node "${node.name}" has more than ${NODE_VALUES_MAX} inputs or outputs`)
    if (attributes.size > ATTRIBUTES_MAX) throw refusal('zk.onnx-too-large', `node "${node.name}" has more than ${ATTRIBUTES_MAX} attributes`)
  }
  // "ai.onnx" is another name of the default domain (onnx/docs/IR.md).
  if (node.domain === 'ai.onnx') node.domain = ''
  return node
}

/** AttributeProto.AttributeType of those we read. */
const AttributeType = { FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, FLOATS: 6, INTS: 7, STRINGS: 8 } as const

function decodeAttribute(bytes: Uint8Array): [string, Attribute] {
  const once = singular('attribute')
  const floats: number[] = []
  const ints: number[] = []
  const strings: string[] = []
  let name = ''
  let type = 0
  let float = 0
  let int = 0
  let string = ''
  let tensor: Tensor | undefined
  for (const field of fields(bytes)) {
    if (field.number === 1) name = text(once(field))
    else if (field.number === 2) float = float32(once(field))
    else if (field.number === 3) int = integer(once(field))
    else if (field.number === 4) string = text(once(field))
    else if (field.number === 5) tensor = decodeTensor(message(once(field)))
    else if (field.number === 7) for (const value of packedFloats(field, 4, LIST_MAX)) floats.push(value)
    else if (field.number === 8) for (const value of packedIntegers(field, LIST_MAX)) ints.push(safe(value))
    else if (field.number === 9) strings.push(text(field))
    else if (field.number === 20) type = integer(once(field))
    else if (field.number === 21) throw refusal('zk.model-invalid', `attribute "${name}" refers to a function's attribute`)
    if (floats.length > LIST_MAX || ints.length > LIST_MAX || strings.length > LIST_MAX) throw refusal('zk.onnx-too-large', `attribute "${name}" lists more than ${LIST_MAX} values`)
  }
  switch (type) {
    case AttributeType.FLOAT:
      return [name, { kind: 'float', value: float }]
    case AttributeType.INT:
      return [name, { kind: 'int', value: int }]
    case AttributeType.STRING:
      return [name, { kind: 'string', value: string }]
    case AttributeType.TENSOR:
      if (!tensor) throw malformed(`attribute "${name}" has no tensor`)
      return [name, { kind: 'tensor', value: tensor }]
    case AttributeType.FLOATS:
      return [name, { kind: 'floats', value: floats }]
    case AttributeType.INTS:
      return [name, { kind: 'ints', value: ints }]
    case AttributeType.STRINGS:
      return [name, { kind: 'strings', value: strings }]
    default:
      return [name, { kind: 'unsupported' }]
  }
}

function decodeTensor(bytes: Uint8Array): Tensor {
  const once = singular('tensor')
  const parts: TensorParts = { name: '', type: 0, dims: [], raw: undefined, floats: [], doubles: [], int32s: [], int64s: [], uint64s: [] }
  for (const field of fields(bytes)) {
    if (takeData(parts, field)) continue
    if (field.number === 1) for (const dim of packedIntegers(field, AXES_MAX)) parts.dims.push(dimension(dim))
    else if (field.number === 2) parts.type = integer(once(field))
    else if (field.number === 3) throw refusal('zk.model-invalid', `constant "${parts.name}" is stored in segments`)
    else if (field.number === 8) parts.name = text(once(field))
    else if (field.number === 9) parts.raw = message(once(field))
    else if (field.number === 13 || (field.number === 14 && field.bits !== 0n)) {
      throw refusal('zk.model-invalid', `constant "${parts.name}" is stored outside the model; save it in one file`)
    }
    if (parts.dims.length > AXES_MAX) throw refusal('zk.onnx-too-large', `constant "${parts.name}" has more than ${AXES_MAX} axes`)
  }
  return assemble(parts)
}

function decodeValueInfo(bytes: Uint8Array): ValueInfo {
  const once = singular('value')
  let name = ''
  let type: Uint8Array | undefined
  for (const field of fields(bytes)) {
    if (field.number === 1) name = text(once(field))
    else if (field.number === 2) type = message(once(field))
  }
  const tensorType = type && only(type, 1)
  if (!tensorType) return { name }
  let elementType = 0
  let shape: (number | string | undefined)[] | undefined
  const onceType = singular('type')
  for (const field of fields(tensorType)) {
    if (field.number === 1) elementType = integer(onceType(field))
    else if (field.number === 2) shape = decodeShape(message(onceType(field)))
  }
  return { name, type: elementType, ...(shape ? { shape } : {}) }
}

function decodeShape(bytes: Uint8Array): (number | string | undefined)[] {
  const shape: (number | string | undefined)[] = []
  for (const field of fields(bytes)) {
    if (field.number !== 1) continue
    let dim: number | string | undefined
    for (const part of fields(message(field))) {
      if (part.number === 1) dim = dimension(BigInt.asIntN(64, part.bits))
      else if (part.number === 2) dim = text(part)
    }
    shape.push(dim)
    if (shape.length > AXES_MAX) throw refusal('zk.onnx-too-large', `a shape has more than ${AXES_MAX} axes`)
  }
  return shape
}

/** The one submessage with this number, if there is any. */
function only(bytes: Uint8Array, number: number): Uint8Array | undefined {
  const once = singular('type')
  let found: Uint8Array | undefined
  for (const field of fields(bytes)) if (field.number === number) found = message(once(field))
  return found
}

/** Passes each field number once and refuses it the second time. */
function singular(what: string): (field: Field) => Field {
  const seen = new Set<number>()
  return (field) => {
    if (seen.has(field.number)) throw malformed(`${what} field ${field.number} stands twice`)
    seen.add(field.number)
    return field
  }
}

function message(field: Field): Uint8Array {
  if (field.type !== BYTES) throw malformed(`field ${field.number} is not length-delimited`)
  return field.bytes
}

function text(field: Field): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message(field))
  } catch (cause) {
    throw cause instanceof TypeError ? malformed(`field ${field.number} is not UTF-8`) : cause
  }
}

function integer(field: Field): number {
  if (field.type !== VARINT) throw malformed(`field ${field.number} is not an integer`)
  return safe(BigInt.asIntN(64, field.bits))
}

function safe(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw refusal('zk.model-invalid', `an attribute holds ${value}, beyond 2^53`)
  return number
}

function dimension(value: bigint): number {
  if (value < 0n || value > 2n ** 31n) throw refusal('zk.model-invalid', `a dimension is ${value}`)
  return Number(value)
}

function float32(field: Field): number {
  if (field.type !== FIXED32) throw malformed(`field ${field.number} is not a float`)
  return view(field.bytes).getFloat32(0, true)
}
