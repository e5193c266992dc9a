export { decode, MODEL_BYTES_MAX, NODES_MAX } from './decode.js'
export { encode } from './encode.js'
export type { Attribute, AttributeValues, Graph, Model, Node, ValueInfo } from './model.js'
export { DataType, type Tensor } from './tensor.js'
