import type { Attribute, Graph, Model, Node, ValueInfo } from './model.js'
import { type Tensor, toRaw } from './tensor.js'
import { MessageWriter } from './wire.js'

/** Writes a ModelProto, fields in ascending order, constants as raw data: the same model gives the same bytes. */
export function encode(model: Model): Uint8Array {
  const out = new MessageWriter().integer(1, model.irVersion).text(2, model.producer).message(7, encodeGraph(model.graph))
  for (const { domain, version } of model.opsets) out.message(8, new MessageWriter().text(1, domain).integer(2, version))
  return out.finish()
}

function encodeGraph(graph: Graph): MessageWriter {
  const out = new MessageWriter()
  for (const node of graph.nodes) out.message(1, encodeNode(node))
  out.text(2, graph.name)
  for (const tensor of graph.initializers) out.message(5, encodeTensor(tensor))
  for (const value of graph.inputs) out.message(11, encodeValueInfo(value))
  for (const value of graph.outputs) out.message(12, encodeValueInfo(value))
  return out
}

function encodeNode(node: Node): MessageWriter {
  const out = new MessageWriter()
  for (const name of node.inputs) out.text(1, name)
  for (const name of node.outputs) out.text(2, name)
  out.text(3, node.name).text(4, node.operator)
  for (const [name, attribute] of node.attributes) out.message(5, encodeAttribute(name, attribute))
  if (node.domain !== '') out.text(7, node.domain)
  return out
}

function encodeAttribute(name: string, attribute: Attribute): MessageWriter {
  const out = new MessageWriter().text(1, name)
  switch (attribute.kind) {
    case 'float':
      return out.float(2, attribute.value).integer(20, 1)
    case 'int':
      return out.integer(3, attribute.value).integer(20, 2)
    case 'string':
      return out.text(4, attribute.value).integer(20, 3)
    case 'tensor':
      return out.message(5, encodeTensor(attribute.value)).integer(20, 4)
    case 'floats':
      for (const value of attribute.value) out.float(7, value)
      return out.integer(20, 6)
    case 'ints':
      for (const value of attribute.value) out.integer(8, value)
      return out.integer(20, 7)
    case 'strings':
      for (const value of attribute.value) out.text(9, value)
      return out.integer(20, 8)
    case 'unsupported':
      throw new TypeError(`attribute "${name}" cannot be written`)
  }
}

function encodeTensor(tensor: Tensor): MessageWriter {
  const out = new MessageWriter()
  for (const dim of tensor.shape) out.integer(1, dim)
  return out.integer(2, tensor.type).text(8, tensor.name).bytes(9, toRaw(tensor))
}

function encodeValueInfo(value: ValueInfo): MessageWriter {
  const out = new MessageWriter().text(1, value.name)
  if (value.type === undefined) return out
  const tensorType = new MessageWriter().integer(1, value.type)
  if (value.shape) {
    const shape = new MessageWriter()
    for (const dim of value.shape) {
      const size = new MessageWriter()
      if (typeof dim === 'number') size.integer(1, dim)
      else if (dim !== undefined) size.text(2, dim)
      shape.message(1, size)
    }
    tensorType.message(2, shape)
  }
  return out.message(2, new MessageWriter().message(1, tensorType))
}
