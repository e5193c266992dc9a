import type { WireSink } from '../ir/operation.js'
import { nowhere } from '../ir/operation.js'
import * as Poseidon from '../poseidon/hash.js'
import type { ConstraintSystem } from '../r1cs/constraint-system.js'
import type { LinearCombination } from '../r1cs/linear-combination.js'
import { blocks, pack, packLinear, type Packing } from './packing.js'

/**
 * How a part of the statement shows in the public signals.
 *
 * - `packed`: the integers themselves
 * - `hashed`: one Poseidon digest; whoever has the integers can check it, and whoever can guess them too
 * - `hidden`: one Poseidon digest with a secret random salt; says nothing to others
 */
export type Visibility = 'packed' | 'hashed' | 'hidden'

export const VISIBILITIES: readonly Visibility[] = ['packed', 'hashed', 'hidden']

/** Parts of a statement in the order of their signals. After them comes one more: the request context. */
export type Part = 'output' | 'input' | 'model'

/** What a digest is of; the hash's tag is this times 2^64, plus the number of elements hashed. */
const KIND: Record<Part, bigint> = { input: 1n, output: 2n, model: 3n }

/** A part with its integers' packing. `model` stands only where weights are private, and is always hidden. */
export interface PartLayout {
  part: Part
  visibility: Visibility
  packing: Packing
}

/** Number of public signals of a part. */
export const signalCount = ({ visibility, packing }: PartLayout): number => (visibility === 'packed' ? blocks(packing).length : 1)

/** The public signals of all parts and the context, by name and count, in order. */
export function signals(parts: readonly PartLayout[]): { name: Part | 'context'; count: number }[] {
  return [...parts.map((layout) => ({ name: layout.part, count: signalCount(layout) })), { name: 'context', count: 1 }]
}

const tag = (part: Part, elements: number): bigint => KIND[part] * 2n ** 64n + BigInt(elements)

/** Public signals of one part. `salt` is needed exactly for a hidden one. */
export function reveal({ part, visibility, packing }: PartLayout, values: ArrayLike<number>, salt: bigint | undefined, wires: WireSink = nowhere): bigint[] {
  const packed = pack(packing, values)
  if (visibility === 'packed') return packed
  const hashed = visibility === 'hidden' ? [salt!, ...packed] : packed
  return [Poseidon.hash(tag(part, hashed.length), hashed, wires)]
}

/** The same in constraints: one for each signal, and the hash. */
export function constrainReveal(system: ConstraintSystem, { part, visibility, packing }: PartLayout, values: readonly LinearCombination[], salt: LinearCombination | undefined, at: readonly LinearCombination[]): void {
  const packed = packLinear(packing, values)
  const hashed = visibility === 'hidden' ? [salt!, ...packed] : packed
  const shown = visibility === 'packed' ? packed : [Poseidon.constrainHash(system, tag(part, hashed.length), hashed)]
  for (const [i, value] of shown.entries()) system.equal(value, at[i]!)
}
