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

export type Attribute =
  | { kind: 'float'; value: number }
  | { kind: 'int'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'tensor'; value: Tensor }
  | { kind: 'floats'; value: readonly number[] }
  | { kind: 'ints'; value: readonly number[] }
  | { kind: 'strings'; value: readonly string[] }
  /** Subgraphs, sparse tensors, types: read past, refused by whoever looks. */
  | { kind: 'unsupported' }

export interface ValueInfo {
  name: string
  /** Element type; undefined where the model leaves it open. */
  type?: number
  /** A text is a free dimension, undefined an unnamed one; the whole is undefined where the rank is open. */
  shape?: readonly (number | string | undefined)[]
}
