import { assignFloorClamp, constrainFloorClamp, type FloorClamp } from '../../gadgets/floor-clamp.js'
import { type LinearCombination, add, combine, constant, shiftRight } from '../../r1cs/linear-combination.js'
import type { TwinGraph } from '../../twin/twin-graph.js'
import { type Bounds, bitLength, bounds, signedWidth, TWOS_MAX, twosOf } from '../bounds.js'
import { type Decoder, type Encoder, malformedProgram } from '../codec.js'
import type { Operation } from '../operation.js'

/** clamp(floor((multiplier·x + offset) / 2^shift), lower, upper); either end may be missing, upper only with lower. */
export interface Rescale {
  multiplier: number
  offset: number
  shift: number
  lower: number | undefined
  upper: number | undefined
}

/** A rescale with what the bounds of its input say of each element. */
export interface Requantise extends Rescale {
  /** Bits of t = multiplier·x + offset - lower·2^shift; 0 where the result is constant. */
  widths: Float64Array
  /** 1 where t may be negative. */
  signs: Float64Array
  /** How many low bits of t are known to be zero, at most `shift`. */
  drops: Float64Array
  /** 2^headroom is a multiple of 2^shift that makes multiplier·x + offset non-negative; for the twin. */
  headroom: number
}

/** Chooses each element's width from the bounds of the input. */
export function planRequantise(rescale: Rescale, x: Bounds): Requantise {
  const size = x.lo.length
  const widths = new Float64Array(size)
  const signs = new Float64Array(size)
  const drops = new Float64Array(size)
  let headroom = rescale.shift
  for (let i = 0; i < size; i++) {
    const { lo, hi } = ends(rescale, x, i)
    headroom = Math.max(headroom, bitLength(Math.max(0, base(rescale) - rescale.offset - lo)))
    if (result(rescale, lo) === result(rescale, hi)) continue
    signs[i] = lo < 0 ? 1 : 0
    drops[i] = Math.min(rescale.shift, twosOf(rescale.multiplier) + x.twos[i]!, twosOf(base(rescale)))
    // A signed width leaves a bit above the shift for the sign.
    widths[i] = lo < 0 ? Math.max(signedWidth(lo, hi), rescale.shift + 1) : bitLength(hi)
  }
  return { ...rescale, widths, signs, drops, headroom }
}

/** ReLU, clip, floor, truncation, requantisation: see gadgets/floor-clamp.ts for constraints and soundness. */
export const requantise: Operation<Requantise> = {
  name: 'requantise',
  arity: 1,
  size: (_attributes, [size]) => size!,

  bound(attributes, [x]) {
    const size = x!.lo.length
    const lo = new Float64Array(size)
    const hi = new Float64Array(size)
    const twos = new Uint8Array(size)
    let beyond = 0
    for (let i = 0; i < size; i++) {
      const t = ends(attributes, x!, i)
      lo[i] = result(attributes, t.lo)
      hi[i] = result(attributes, t.hi)
      twos[i] = lo[i] === hi[i] ? Math.min(TWOS_MAX, twosOf(lo[i]!)) : 0
      const largest = Math.max(Math.abs(x!.lo[i]!), Math.abs(x!.hi[i]!))
      beyond = Math.max(beyond, Math.abs(attributes.multiplier) * largest + Math.abs(attributes.offset) + Math.abs(base(attributes)), 2 ** attributes.shift)
    }
    const widest = attributes.widths.reduce((most, width) => Math.max(most, width), 0)
    return bounds(lo, hi, twos, Math.max(beyond + 2 ** attributes.headroom, 2 ** widest))
  },

  constrain(system, attributes, [x], bound) {
    return x!.map((term, i): LinearCombination => {
      if (attributes.widths[i] === 0) return constant(bound.lo[i]!)
      const t = combine(attributes.multiplier, term, 1, constant(base(attributes)))
      const y = constrainFloorClamp(system, shiftRight(t, attributes.drops[i]!), specification(attributes, i))
      return add(y, constant(attributes.lower ?? 0))
    })
  },

  evaluate(attributes, [x], wires) {
    const out = new Float64Array(x!.length)
    const { multiplier, widths, drops } = attributes
    const offset = base(attributes)
    const lower = attributes.lower ?? 0
    for (let i = 0; i < out.length; i++) {
      const t = multiplier * x![i]! + offset
      out[i] = widths[i] === 0 ? result(attributes, t) : lower + assignFloorClamp(wires, t / 2 ** drops[i]!, specification(attributes, i))
    }
    return out
  },

  twin(graph, attributes, [x]) {
    const { multiplier, shift, lower, upper } = attributes
    const scaled = multiplier === 1 ? x! : graph.node('Mul', [x!, graph.integer(multiplier)])
    const moved = attributes.offset === 0 ? scaled : graph.node('Add', [scaled, graph.integer(attributes.offset)])
    const floored = shift === 0 ? moved : floorTwin(graph, moved, shift, 2 ** attributes.headroom)
    const raised = lower === undefined ? floored : graph.node('Max', [floored, graph.integer(lower)])
    return upper === undefined ? raised : graph.node('Min', [raised, graph.integer(upper)])
  },

  encode(out, attributes) {
    encodeRescale(out, attributes)
    out.runs(attributes.widths)
    out.runs(attributes.signs)
    out.runs(attributes.drops)
    out.uint(attributes.headroom)
  },

  decode(from, [size]) {
    const attributes = { ...decodeRescale(from), widths: from.runs(), signs: from.runs(), drops: from.runs(), headroom: from.uint() }
    for (const { length } of [attributes.widths, attributes.signs, attributes.drops]) if (length !== size) throw malformedProgram('widths do not fit their input')
    return attributes
  },
}

/** floor(x / 2^shift) by a division that truncates towards zero: a multiple of 2^shift makes x non-negative first. */
export function floorTwin(graph: TwinGraph, x: string, shift: number, headroom: number): string {
  const positive = graph.node('Add', [x, graph.integer(headroom)])
  const quotient = graph.node('Div', [positive, graph.integer(2 ** shift)])
  return graph.node('Sub', [quotient, graph.integer(headroom / 2 ** shift)])
}

const base = ({ offset, lower, shift }: Rescale): number => offset - (lower ?? 0) * 2 ** shift

/** Ends of t for an element; the smaller first. */
function ends(rescale: Rescale, x: Bounds, i: number): { lo: number; hi: number } {
  const a = rescale.multiplier * x.lo[i]! + base(rescale)
  const b = rescale.multiplier * x.hi[i]! + base(rescale)
  return { lo: Math.min(a, b), hi: Math.max(a, b) }
}

/** The result for a t. */
function result({ shift, lower, upper }: Rescale, t: number): number {
  const q = Math.floor(t / 2 ** shift)
  const raised = lower === undefined ? q : Math.max(q, 0)
  return upper === undefined ? raised + (lower ?? 0) : Math.min(raised, upper - lower!) + lower!
}

function specification(attributes: Requantise, i: number): FloorClamp {
  const { lower, upper, shift, widths, signs, drops } = attributes
  return {
    width: widths[i]! - drops[i]!,
    signed: signs[i] === 1,
    shift: shift - drops[i]!,
    lower: lower !== undefined,
    most: upper === undefined ? undefined : upper - lower!,
  }
}

function encodeRescale(out: Encoder, { multiplier, offset, shift, lower, upper }: Rescale): void {
  out.int(multiplier)
  out.int(offset)
  out.uint(shift)
  out.uint((lower === undefined ? 0 : 1) + (upper === undefined ? 0 : 2))
  if (lower !== undefined) out.int(lower)
  if (upper !== undefined) out.int(upper)
}

function decodeRescale(from: Decoder): Rescale {
  const [multiplier, offset, shift, ends] = [from.int(), from.int(), from.uint(), from.uint()]
  if (shift > 50 || ends === 2 || ends > 3) throw malformedProgram('a rescale that nobody wrote')
  return { multiplier, offset, shift, lower: ends & 1 ? from.int() : undefined, upper: ends & 2 ? from.int() : undefined }
}
