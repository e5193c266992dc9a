import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import type { LinearCombination } from '../r1cs/linear-combination.js'
import type { TwinGraph } from '../twin/twin-graph.js'
import type { Bounds } from './bounds.js'
import type { Decoder, Encoder } from './codec.js'

/** Takes the values of private wires in the order in which `constrain` asked for them. */
export interface WireSink {
  /** A wire that holds a safe integer, possibly negative. */
  small(value: number): void
  /** A wire that holds a field element. */
  element(value: bigint): void
}

/**
 * One kind of instruction on flat tensors of integers, told five times: what is known of its result, its constraints, its
 * evaluation with the values of its wires, its twin in ONNX, and its bytes in a program. `constrain` and `evaluate` must take
 * wires in the same order; the tests hold them together.
 */
export interface Operation<A> {
  readonly name: string
  /** Number of inputs; undefined for one or more. */
  readonly arity: number | undefined
  size(attributes: A, inputSizes: readonly number[]): number
  bound(attributes: A, inputs: readonly Bounds[]): Bounds
  /** `result` is what `bound` said; an element whose bounds meet needs no wire. */
  constrain(system: ConstraintSystem, attributes: A, inputs: readonly (readonly LinearCombination[])[], result: Bounds): LinearCombination[]
  evaluate(attributes: A, inputs: readonly Float64Array[], wires: WireSink): Float64Array
  /** Emits nodes that compute the same integers from the named inputs, and answers the result's name; both flat. */
  twin(graph: TwinGraph, attributes: A, inputs: readonly string[], size: number): string
  encode(out: Encoder, attributes: A): void
  decode(from: Decoder, inputSizes: readonly number[]): A
}

/** A sink for who wants only the result. */
export const nowhere: WireSink = { small: () => {}, element: () => {} }
