import type { Tensor } from './tensor.js'

/** The part of ONNX's ModelProto that inference graphs use (onnx.proto, IR version 8 and neighbours). */
export interface Model {
  irVersion: number
  opsets: readonly { domain: string; version: number }[]
  producer: string
  graph: Graph
}

export interface Graph {
  name: string
  nodes: readonly Node[]
  initializers: readonly Tensor[]
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
}

export interface Node {
  name: string
  operator: string
  /** Empty is the default domain `ai.onnx`. */
  domain: string
  /** An omitted optional input is the empty name. */
  inputs: readonly string[]
  outputs: readonly string[]
  attributes: ReadonlyMap<string, Attribute>
}

/** What an attribute of each kind holds. */
export interface AttributeValues {
  float: number
  int: number
  string: string
  tensor: Tensor
  floats: readonly number[]
  ints: readonly number[]
  strings: readonly string[]
}

export type Attribute =
  | { [K in keyof AttributeValues]: { kind: K; value: AttributeValues[K] } }[keyof AttributeValues]
  /** Subgraphs, sparse tensors, types: read past, refused by whoever looks. */
  | { kind: 'unsupported' }

export interface ValueInfo {
  name: string
  /** Element type; undefined where the model leaves it open. */
  type?: number
  /** A text is a free dimension, undefined an unnamed one; the whole is undefined where the rank is open. */
  shape?: readonly (number | string | undefined)[]
}
