import { ByteWriter } from '../bytes.js'
import * as Field from '../field.js'
import * as Iden3 from '../iden3.js'
import { type Coefficient, type LinearCombination, constant, one, subtract, wire } from './linear-combination.js'

/**
 * Collects rank-1 constraints ⟨a,w⟩·⟨b,w⟩ = ⟨c,w⟩ and writes them as an `.r1cs` file. Wire 0 is one; the public wires
 * follow it; private wires are handed out in the order they are asked for, which is the order the witness is made in.
 */
export class ConstraintSystem {
  readonly #publicWires: number
  readonly #constraints = new ByteWriter(2 ** 16)
  #wireCount: number
  #constraintCount = 0

  /** @param publicWires number of public signals, wires 1..publicWires. */
  constructor(publicWires: number) {
    this.#publicWires = publicWires
    this.#wireCount = 1 + publicWires
  }

  get wireCount(): number {
    return this.#wireCount
  }

  get constraintCount(): number {
    return this.#constraintCount
  }

  /** The next private wire. Whoever takes one must constrain it. */
  wire(): LinearCombination {
    return wire(this.#wireCount++)
  }

  /** a·b = c. Long combinations belong into `c`: snarkjs keys hold no coefficients of that side. */
  product(a: LinearCombination, b: LinearCombination, c: LinearCombination): void {
    this.#write(a)
    this.#write(b)
    this.#write(c)
    this.#constraintCount++
  }

  /** a = b, one constraint, both on the C side. */
  equal(a: LinearCombination, b: LinearCombination): void {
    this.product(constant(0), constant(0), subtract(a, b))
  }

  /** a ∈ {0, 1}. */
  boolean(a: LinearCombination): void {
    this.product(a, subtract(a, one), constant(0))
  }

  /** The system as an `.r1cs` file (iden3 format, version 1). The same calls give the same bytes. */
  finish(): Uint8Array {
    const header = new ByteWriter(64)
    header.u32(Field.FIELD_BYTES)
    Field.write(header.view, header.reserve(Field.FIELD_BYTES), Field.r)
    header.u32(this.#wireCount)
    header.u32(this.#publicWires)
    header.u32(0)
    header.u32(this.#wireCount - 1 - this.#publicWires)
    header.u64(BigInt(this.#wireCount))
    header.u32(this.#constraintCount)
    const labels = new ByteWriter(8 * this.#wireCount)
    for (let i = 0; i < this.#wireCount; i++) labels.u64(BigInt(i))
    return Iden3.write('r1cs', 1, [
      { type: 1, content: header.finish() },
      { type: 2, content: this.#constraints.finish() },
      { type: 3, content: labels.finish() },
    ])
  }

  #write({ wires, coefficients }: LinearCombination): void {
    const at = this.#constraints.reserve(4 + wires.length * (4 + Field.FIELD_BYTES))
    const view = this.#constraints.view
    view.setUint32(at, wires.length, true)
    for (let i = 0; i < wires.length; i++) {
      const offset = at + 4 + i * (4 + Field.FIELD_BYTES)
      view.setUint32(offset, wires[i]!, true)
      writeCoefficient(view, offset + 4, coefficients[i]!)
    }
  }
}

function writeCoefficient(view: DataView, offset: number, value: Coefficient): void {
  if (typeof value === 'number' && value >= 0) {
    view.setUint32(offset, value % 2 ** 32, true)
    view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true)
  } else Field.write(view, offset, Field.mod(BigInt(value)))
}
