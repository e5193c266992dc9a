import type { Attribute, Node, ValueInfo } from '../onnx/index.js'
import { DataType, type Tensor } from '../onnx/index.js'

/** Collects the nodes and constants of an integer ONNX graph. Every value has one integer type, int32 or int64. */
export class TwinGraph {
  readonly nodes: Node[] = []
  readonly initializers: Tensor[] = []
  readonly inputs: ValueInfo[] = []
  readonly outputs: ValueInfo[] = []
  readonly #type: number
  readonly #constants = new Map<string, string>()
  #names = 0

  constructor(type: typeof DataType.INT32 | typeof DataType.INT64) {
    this.#type = type
  }

  get type(): number {
    return this.#type
  }

  /** Adds a node with one output and answers the output's name. */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, output = this.fresh()): string {
    this.nodes.push({ name: `n${this.nodes.length}`, operator, domain: '', inputs, outputs: [output], attributes: new Map(Object.entries(attributes)) })
    return output
  }

  fresh(): string {
    return `t${this.#names++}`
  }

  /** A constant of the graph's integer type; shape [] for one number. */
  integers(values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    return this.#constant(this.#type, values, shape)
  }

  integer(value: number): string {
    return this.integers([value], [])
  }

  /** A constant of 64-bit integers: shapes, axes and indices. */
  indices(values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    return this.#constant(DataType.INT64, values, shape)
  }

  floats(values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    return this.#constant(DataType.FLOAT, values, shape)
  }

  reshape(input: string, shape: readonly number[]): string {
    return this.node('Reshape', [input, this.indices(shape)])
  }

  cast(input: string, type: number = this.#type): string {
    return this.node('Cast', [input], { to: { kind: 'int', value: type } })
  }

  #constant(type: number, values: ArrayLike<number>, shape: readonly number[]): string {
    const key = values.length <= 16 && type !== DataType.FLOAT ? `${type}:${shape.join()}:${Array.from(values).join()}` : undefined
    const known = key === undefined ? undefined : this.#constants.get(key)
    if (known !== undefined) return known
    const name = `c${this.initializers.length}`
    const exact = type === DataType.INT64 ? BigInt64Array.from(Array.from(values, BigInt)) : Float64Array.from(values)
    this.initializers.push({ name, type, shape, values: exact })
    if (key !== undefined) this.#constants.set(key, name)
    return name
  }
}
