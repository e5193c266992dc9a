import { refusal } from '../error.js'
import type { Bounds } from './bounds.js'
import type { Operation } from './operation.js'
import { isZero, planStep, step } from './ops/compare.js'
import { constant, gather } from './ops/gather.js'
import { input } from './ops/input.js'
import { type Affine, affine, combine, dense, type Dense, type Groups, sum } from './ops/linear.js'
import { argMax, maximum, planArgMax, planMaximum } from './ops/maximum.js'
import { type MatMul, matmul, multiply, rewire } from './ops/product.js'
import { planRequantise, type Requantise, requantise, type Rescale } from './ops/requantise.js'
import { planRoundEven, roundEven } from './ops/round-even.js'
import { divide, planDivide, table } from './ops/table.js'
import { thermometer } from './ops/thermometer.js'
import { type Trees, trees } from './ops/trees.js'

/** A flat tensor of integers: one instruction's result. */
export interface Tensor {
  readonly id: number
  readonly size: number
  readonly bounds: Bounds
  /** Whether elements may be combinations of many wires, which are dear as factors. */
  readonly long: boolean
}

export interface Instruction {
  // An operation and its attributes belong together; only the operation reads them.
  readonly operation: Operation<unknown>
  readonly attributes: unknown
  readonly inputs: readonly Tensor[]
  readonly result: Tensor
}

/** Most terms of a combination that may stand as a factor without being made a wire first. */
const SHORT = 4

/** Writes instructions, and keeps the exact bounds of every tensor as it goes. */
export class Builder {
  readonly instructions: Instruction[] = []

  input(lo: Float64Array, hi: Float64Array): Tensor {
    return this.#emit(input, { lo, hi }, [], false)
  }

  thermometer(levels: Float64Array): Tensor {
    return this.#emit(thermometer, { levels }, [], false)
  }

  constant(values: Float64Array): Tensor {
    return this.#emit(constant, { values }, [], false)
  }

  gather(inputs: readonly Tensor[], index: Int32Array, fill = 0): Tensor {
    const count = inputs.reduce((total, { size }) => total + size, 0)
    if (index.some((at) => at < -1 || at >= count)) throw refusal('zk.model-invalid', 'takes an element that its input does not have')
    const [only] = inputs
    if (inputs.length === 1 && index.length === only!.size && index.every((at, i) => at === i)) return only!
    return this.#emit(gather, { index, fill }, inputs, inputs.some((x) => x.long))
  }

  dense(x: Tensor, attributes: Dense): Tensor {
    return this.#emit(dense, attributes, [attributes.columns > 1 ? this.#short(x) : x], attributes.inner > SHORT)
  }

  affine(x: Tensor, attributes: Affine): Tensor {
    const same = attributes.multiplier.every((m) => m === 1) && attributes.offset.every((b) => b === 0)
    return same ? x : this.#emit(affine, attributes, [x], x.long)
  }

  combine(alpha: number, x: Tensor, beta: number, y: Tensor): Tensor {
    return this.#emit(combine, { alpha, beta }, [x, y], x.long || y.long)
  }

  sum(x: Tensor, groups: Groups): Tensor {
    return this.#emit(sum, groups, [x], x.long || groups.group > SHORT)
  }

  requantise(x: Tensor, rescale: Rescale): Tensor {
    return this.#emit(requantise, planRequantise(rescale, x.bounds), [x], false)
  }

  roundEven(x: Tensor, shift: number): Tensor {
    return this.#emit(roundEven, planRoundEven(shift, x.bounds), [x], false)
  }

  step(x: Tensor): Tensor {
    return this.#emit(step, planStep(x.bounds), [x], false)
  }

  isZero(x: Tensor): Tensor {
    return this.#emit(isZero, null, [this.#short(x)], false)
  }

  multiply(x: Tensor, y: Tensor): Tensor {
    return this.#emit(multiply, null, [this.#short(x), this.#short(y)], false)
  }

  matmul(x: Tensor, y: Tensor, attributes: MatMul): Tensor {
    return this.#emit(matmul, attributes, [this.#short(x), this.#short(y)], attributes.inner > SHORT)
  }

  maximum(x: Tensor, groups: Groups): Tensor {
    return this.#emit(maximum, planMaximum(groups, x.bounds), [x], true)
  }

  argMax(x: Tensor, shape: { rows: number; columns: number; last: number }): Tensor {
    return this.#emit(argMax, planArgMax(shape, x.bounds), [x], shape.columns > SHORT)
  }

  table(x: Tensor, first: number, values: Float64Array): Tensor {
    return this.#emit(table, { first, table: values }, [this.#short(x)], true)
  }

  divide(n: Tensor, d: Tensor, known: { divisorLeast: number; quotientMost: number }): Tensor {
    return this.#emit(divide, planDivide(n.bounds, d.bounds, known), [n, this.#short(d)], false)
  }

  trees(bits: Tensor, attributes: Trees): Tensor {
    return this.#emit(trees, attributes, [bits], true)
  }

  /** The rescale that made a tensor, with what it was made from; undefined for any other tensor. */
  rescaleOf(x: Tensor): { source: Tensor; rescale: Requantise } | undefined {
    const instruction = this.instructions[x.id]!
    return instruction.operation === requantise ? { source: instruction.inputs[0]!, rescale: instruction.attributes as Requantise } : undefined
  }

  #short(x: Tensor): Tensor {
    return x.long ? this.#emit(rewire, null, [x], false) : x
  }

  #emit<A>(operation: Operation<A>, attributes: A, inputs: readonly Tensor[], long: boolean): Tensor {
    const bounds = operation.bound(attributes, inputs.map((x) => x.bounds))
    const size = operation.size(attributes, inputs.map((x) => x.size))
    if (size < 1) throw refusal('zk.model-invalid', 'a tensor of no elements')
    const result = { id: this.instructions.length, size, bounds, long }
    this.instructions.push({ operation: operation as Operation<unknown>, attributes, inputs, result })
    return result
  }
}
