import { type Attribute, DataType, encode, type Node, type Tensor, type ValueInfo } from '../onnx/index.js'

/** Builds small ONNX models for tests. */
export class ModelBuilder {
  readonly #nodes: Node[] = []
  readonly #initializers: Tensor[] = []
  readonly #inputs: ValueInfo[] = []
  readonly #outputs: ValueInfo[] = []

  input(name: string, shape: readonly (number | string)[], type: number = DataType.FLOAT): string {
    this.#inputs.push({ name, type, shape })
    return name
  }

  /** A float input that the graph itself rounds and clips to integers, so that arithmetic can be exact. */
  integerInput(name: string, shape: readonly (number | string)[], lo: number, hi: number): string {
    this.input(name, shape)
    const [least, most] = [this.floats([lo], []), this.floats([hi], [])]
    return this.node('Clip', [this.node('Round', [name]), least, most])
  }

  floats(values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    return this.#constant(DataType.FLOAT, Float64Array.from(values, Math.fround), shape)
  }

  int64s(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#constant(DataType.INT64, BigInt64Array.from(values, BigInt), shape)
  }

  constant(type: number, values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#constant(type, Float64Array.from(values), shape)
  }

  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, number | string | readonly number[] | Attribute>> = {}, outputs: number | string = 1, domain = ''): string {
    const names = typeof outputs === 'string' ? [outputs] : Array.from({ length: outputs }, (_, i) => `v${this.#nodes.length}_${i}`)
    const read = Object.entries(attributes).map(([name, value]) => [name, attribute(value)] as const)
    this.#nodes.push({ name: `${operator}_${this.#nodes.length}`, operator, domain, inputs, outputs: names, attributes: new Map(read) })
    return names[0] as string
  }

  /** Name of another output of the node that made a value. */
  sibling(name: string, i: number): string {
    return name.replace(/_\d+$/, `_${i}`)
  }

  output(name: string): this {
    this.#outputs.push({ name })
    return this
  }

  build(opset = 17): Uint8Array {
    return encode({
      irVersion: 8,
      opsets: [{ domain: '', version: opset }, { domain: 'ai.onnx.ml', version: 3 }],
      producer: 'test',
      graph: { name: 'test', nodes: this.#nodes, initializers: this.#initializers, inputs: this.#inputs, outputs: this.#outputs },
    })
  }

  #constant(type: number, values: Float64Array | BigInt64Array, shape: readonly number[]): string {
    const name = `k${this.#initializers.length}`
    this.#initializers.push({ name, type, shape, values })
    return name
  }
}

/** An integer is an int, a fraction a float, a list of integers ints; anything else says what it is. */
function attribute(value: number | string | readonly number[] | Attribute): Attribute {
  if (typeof value === 'number') return Number.isInteger(value) ? { kind: 'int', value } : { kind: 'float', value }
  if (typeof value === 'string') return { kind: 'string', value }
  if (Array.isArray(value)) return { kind: 'ints', value }
  return value as Attribute
}

export const float = (value: number): Attribute => ({ kind: 'float', value })

/** A small deterministic generator (mulberry32); uniform in 0..1. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
