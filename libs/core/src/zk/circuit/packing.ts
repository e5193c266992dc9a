import { type LinearCombination, constant, sum, subtract } from '../r1cs/linear-combination.js'

/**
 * How a list of bounded integers is written into field elements: each as (value - lo) in its own number of bits, lowest
 * first, as many as fit into 253 bits, none split. 2^253 < r, so a packed element has one reading.
 */
export interface Packing {
  lo: ArrayLike<number>
  bits: ArrayLike<number>
}

export const PACKED_BITS = 253

/** For each packed element, the range of values in it. */
export function blocks({ bits }: Packing): { from: number; to: number }[] {
  const out: { from: number; to: number }[] = []
  let used = PACKED_BITS + 1
  for (let i = 0; i < bits.length; i++) {
    if (used + bits[i]! > PACKED_BITS) {
      out.push({ from: i, to: i })
      used = 0
    }
    used += bits[i]!
    out.at(-1)!.to = i + 1
  }
  return out
}

/** Packs values, each of which must be within its bits. */
export function pack(packing: Packing, values: ArrayLike<number>): bigint[] {
  return blocks(packing).map(({ from, to }) => {
    let packed = 0n
    for (let i = to - 1; i >= from; i--) packed = (packed << BigInt(packing.bits[i]!)) | BigInt(values[i]! - packing.lo[i]!)
    return packed
  })
}

/** The same for combinations of wires; their producers prove that they are within their bits. */
export function packLinear(packing: Packing, values: readonly LinearCombination[]): LinearCombination[] {
  return blocks(packing).map(({ from, to }) => {
    const terms: [bigint, LinearCombination][] = []
    let weight = 1n
    for (let i = from; i < to; i++) {
      terms.push([weight, subtract(values[i]!, constant(packing.lo[i]!))])
      weight <<= BigInt(packing.bits[i]!)
    }
    return sum(terms)
  })
}

/** The values of packed elements; undefined where an element holds more than its bits, or there are too many or few. */
export function unpack(packing: Packing, packed: readonly bigint[]): number[] | undefined {
  const parts = blocks(packing)
  if (packed.length !== parts.length) return undefined
  const values: number[] = []
  for (const [block, { from, to }] of parts.entries()) {
    let rest = packed[block]!
    for (let i = from; i < to; i++) {
      const width = BigInt(packing.bits[i]!)
      values.push(Number(rest & ((1n << width) - 1n)) + packing.lo[i]!)
      rest >>= width
    }
    if (rest !== 0n) return undefined
  }
  return values
}
