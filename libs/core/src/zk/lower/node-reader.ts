import { refusal } from '../error.js'
import type { AttributeValues, Node, Tensor } from '../onnx/index.js'

/** Reads a node's attributes, and afterwards tells which nobody read: those are not understood, so the node is refused. */
export class NodeReader {
  readonly node: Node
  readonly #unread: Set<string>

  constructor(node: Node) {
    this.node = node
    this.#unread = new Set(node.attributes.keys())
  }

  get operator(): string {
    return this.node.operator
  }

  int(name: string, otherwise: number): number {
    return this.#read(name, 'int') ?? otherwise
  }

  float(name: string, otherwise: number): number {
    return this.#read(name, 'float') ?? otherwise
  }

  string(name: string, otherwise: string): string {
    return this.#read(name, 'string') ?? otherwise
  }

  ints(name: string): readonly number[] | undefined {
    return this.#read(name, 'ints')
  }

  floats(name: string): readonly number[] | undefined {
    return this.#read(name, 'floats')
  }

  strings(name: string): readonly string[] | undefined {
    return this.#read(name, 'strings')
  }

  tensor(name: string): Tensor | undefined {
    return this.#read(name, 'tensor')
  }

  /** Marks attributes that change nothing here. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#unread.delete(name)
  }

  has(name: string): boolean {
    return this.node.attributes.has(name)
  }

  get unread(): string[] {
    return [...this.#unread]
  }

  /** The refusal of this node: what it is, what is wrong, what to do. */
  refuse(why: string): Error {
    return refusal('zk.operator-unsupported', `${describe(this.node)}: ${why}`)
  }

  /** The refusal of a node that breaks the rules of ONNX. */
  invalid(why: string): Error {
    return refusal('zk.model-invalid', `${describe(this.node)}: ${why}`)
  }

  #read<K extends string & keyof AttributeValues>(name: string, kind: K): AttributeValues[K] | undefined {
    this.#unread.delete(name)
    const attribute = this.node.attributes.get(name)
    if (!attribute) return undefined
    if (attribute.kind !== kind) throw this.invalid(`attribute "${name}" is not of kind ${kind}`)
    const { value }: { value: unknown } = attribute
    return value as AttributeValues[K]
  }
}

export const describe = ({ operator, name, outputs }: Node): string => `${operator} "${name === '' ? outputs[0] : name}"`
