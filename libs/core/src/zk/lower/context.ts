import type { Encoder, EncodeStep } from '../encode/encoder.js'
import { refusal } from '../error.js'
import type { CheckedGraph } from '../graph/graph.js'
import { isFloat } from '../graph/graph.js'
import { Builder, type Tensor } from '../ir/builder.js'
import { MAGNITUDE_MAX, range } from '../ir/bounds.js'
import { DataType } from '../onnx/index.js'
import { asFraction, floorLog2, isPowerOfTwo, lowestExponent, round } from './number.js'
import type { Node } from '../onnx/index.js'
import { describe, type NodeReader } from './node-reader.js'
import { type Shape, sizeOf, spread } from './shape.js'
import { type Constant, type Quantity, type Raw, settled, type Value } from './value.js'

/** Smallest and largest value of each float tensor over calibration samples, by the tensor's name. */
export interface Calibration {
  ranges: Readonly<Record<string, readonly [min: number, max: number]>>
}

/**
 * How real numbers become integers.
 *
 * - `exact`: nothing is rounded that the model itself does not round; refused where that is impossible
 * - `int8`: activations saturate to signed bytes of a power-of-two unit, weights to `weightBits`
 */
export type Arithmetic = 'exact' | 'int8'

export interface Settings {
  arithmetic: Arithmetic
  /** Whether weights are in the circuit, or a private input under a commitment. */
  weights: 'public' | 'private'
  /** Signed bits of an activation. */
  activationBits: number
  /** Signed bits of a weight. */
  weightBits: number
  calibration: Calibration | undefined
}

/** Bits of multipliers where a ratio of scales is not a power of two. */
const MULTIPLIER_BITS = 10
/** Widest integer that an initialiser may need to be taken as it is. */
export const EXACT_WEIGHT_MAX = 2 ** 15

/** Most elements that all values of a graph may have together: what a model of a few bytes may make us hold. */
const ELEMENTS_TOTAL_MAX = 2 ** 23
/** Most products of numbers that all matrix products may take together; a minute's work. */
const PRODUCTS_TOTAL_MAX = 2 ** 30
/** Up to here float32 holds every integer. */
const FLOAT_INTEGER_MAX = 2 ** 24
/** Most operations on an input before it enters the circuit. */
const ENCODER_STEPS_MAX = 256

/** State of lowering one graph, and the few ways in which values change their representation. */
export class Context {
  readonly builder = new Builder()
  readonly graph: CheckedGraph
  readonly settings: Settings
  readonly values = new Map<string, Value>()
  readonly inputs: { encoder: Encoder; tensor: Tensor }[] = []
  readonly weights: { tensor: Tensor; values: Float64Array }[] = []
  /** What is approximated and how, for the manifest. */
  readonly notes: string[] = []
  /** Scale of each value that entered the circuit, for the manifest. */
  readonly scales = new Map<string, number>()
  reader!: NodeReader
  readonly #outputs: ReadonlySet<string>
  readonly #readers = new Map<string, Node>()
  #elements = 0
  #products = 0

  constructor(graph: CheckedGraph, settings: Settings) {
    this.graph = graph
    this.settings = settings
    this.#outputs = new Set(graph.outputs.map(({ name }) => name))
    for (const node of graph.nodes) if (node.inputs[0] && !this.#readers.has(node.inputs[0])) this.#readers.set(node.inputs[0], node)
    for (const { name, type, shape } of graph.inputs) this.values.set(name, { kind: 'raw', name, type, shape, steps: [] })
  }

  get exact(): boolean {
    return this.settings.arithmetic === 'exact'
  }

  /** Largest activation, and one less than minus the smallest. */
  get activationMax(): number {
    return 2 ** (this.settings.activationBits - 1) - 1
  }

  input(i: number): Value {
    const value = this.optional(i)
    if (!value) throw this.reader.invalid(`input ${i} is missing`)
    return value
  }

  optional(i: number): Value | undefined {
    const name = this.reader.node.inputs[i]
    return name === undefined || name === '' ? undefined : this.values.get(name)
  }

  /** Name of an input in the graph: its range is calibrated under this name. */
  inputName(i: number): string {
    return this.reader.node.inputs[i] as string
  }

  outputName(i = 0): string {
    return this.reader.node.outputs[i] as string
  }

  isGraphOutput(name: string): boolean {
    return this.#outputs.has(name)
  }

  /** The first node that takes a value as its first input. */
  readerOf(name: string): Node | undefined {
    return this.#readers.get(name)
  }

  /** Holds a rank to what the operator is defined for. */
  ranked({ shape }: { shape: Shape }, least: number, most: number = Number.POSITIVE_INFINITY): void {
    if (shape.length < least || shape.length > most) throw this.reader.invalid(`a tensor of [${shape}] has ${shape.length} axes, which it is not defined for`)
  }

  /** Counts what the current node makes; refuses before memory or patience end. */
  spend(elements: number, products = 0): void {
    this.#elements += elements
    this.#products += products
    if (!(this.#elements <= ELEMENTS_TOTAL_MAX)) throw this.#tooLarge(`values of more than ${ELEMENTS_TOTAL_MAX} elements`)
    if (!(this.#products <= PRODUCTS_TOTAL_MAX)) throw this.#tooLarge(`more than ${PRODUCTS_TOTAL_MAX} products`)
  }

  #tooLarge(what: string): Error {
    return refusal('zk.onnx-too-large', `${describe(this.reader.node)}: the model takes ${what} up to here; a circuit of it is out of reach, serve it by TEE`)
  }

  /** A raw input after one more step of its encoder. */
  encoded(raw: Raw, ...steps: readonly EncodeStep[]): Raw {
    if (raw.steps.length + steps.length > ENCODER_STEPS_MAX) throw this.reader.refuse(`the input takes more than ${ENCODER_STEPS_MAX} steps before it is rounded; fold them when exporting`)
    return { ...raw, steps: [...raw.steps, ...steps] }
  }

  /** A constant input, for attributes that newer opsets made inputs. */
  constant(i: number, what: string): Constant | undefined {
    const value = this.optional(i)
    if (value && value.kind !== 'constant') throw this.reader.refuse(`${what} depends on the input; it must be constant`)
    return value
  }

  integers(i: number, what: string): number[] | undefined {
    const constant = this.constant(i, what)
    return constant && [...constant.values]
  }

  /** An input as integers in the circuit. */
  quantity(i: number): Quantity {
    const value = this.input(i)
    const made = this.toQuantity(value, this.inputName(i))
    if (made.zeroPoint !== undefined) throw this.reader.refuse('takes a quantised tensor; a DequantizeLinear must stand between')
    if (value.kind === 'raw') this.replace(value, made)
    return made
  }

  toQuantity(value: Value, name: string): Quantity {
    if (value.kind === 'quantity') return value
    return value.kind === 'raw' ? this.#encode(value, name) : this.#embed(value)
  }

  /** A new value of the circuit with the type of the float graph unless told otherwise. */
  make(shape: Shape, tensor: Tensor, scale: number, type: number = DataType.FLOAT): Quantity {
    if (!(scale > 0 && Number.isFinite(scale))) throw this.reader.refuse(`a scale of ${scale} came out; the model's numbers are too large or too small`)
    return { kind: 'quantity', type, shape, tensor, scale }
  }

  /** The same elements elsewhere. */
  move(x: Quantity, shape: Shape, index: Int32Array): Quantity {
    return { ...x, shape, tensor: this.builder.gather([x.tensor], index) }
  }

  /** A quantity spread to a broadcast shape. */
  spread(x: Quantity, shape: Shape): Quantity {
    if (sizeOf(x.shape) === sizeOf(shape)) return { ...x, shape }
    return this.move(x, shape, spread(x.shape, shape))
  }

  /** Saturates to the activation range, at the calibrated unit of `name`, what may exceed it. Exact arithmetic leaves it. */
  narrow(x: Quantity, name: string): Quantity {
    const { lo, hi } = range(x.tensor.bounds)
    if (this.exact || (lo >= -this.activationMax - 1 && hi <= this.activationMax)) return x
    return this.rescale(x, this.unit(name), -this.activationMax - 1, this.activationMax)
  }

  /** x in units of `scale`, rounded half up, clamped. */
  rescale(x: Quantity, scale: number, lower: number | undefined, upper: number | undefined): Quantity {
    const { multiplier, shift } = asFraction(x.scale / scale, MULTIPLIER_BITS)
    const offset = shift === 0 ? 0 : 2 ** (shift - 1)
    return { ...x, tensor: this.builder.requantise(x.tensor, { multiplier, offset, shift, lower, upper }), scale }
  }

  /** The power of two of which the activation range covers the calibrated range of a tensor. */
  unit(name: string): number {
    const [min, max] = this.calibrated(name)
    const largest = Math.max(Math.abs(min), Math.abs(max))
    return largest === 0 ? 1 : 2 ** -floorLog2(this.activationMax / largest)
  }

  calibrated(name: string): readonly [number, number] {
    const ranges = this.settings.calibration?.ranges
    const found = ranges && Object.hasOwn(ranges, name) ? ranges[name] : undefined
    if (!found || !found.every(Number.isFinite) || found[0] > found[1]) {
      throw refusal('zk.calibration-missing', `no range for tensor "${name}"; run the probe model on samples and pass what it gives`)
    }
    return found
  }

  /** Refuses what exact arithmetic cannot do. */
  inexact(why: string): Error {
    return refusal('zk.arithmetic-inexact', `${this.reader.operator} "${this.outputName()}": ${why}; compile with int8 arithmetic`)
  }

  /**
   * Two quantities in one unit: the smaller scale, or a fraction of it where the ratio is no power of two. Answers the
   * factors that bring each to it.
   */
  align(a: number, b: number): { scale: number; alpha: number; beta: number } {
    const least = Math.min(a, b)
    if (isPowerOfTwo(a / least) && isPowerOfTwo(b / least)) return { scale: least, alpha: a / least, beta: b / least }
    if (this.exact) throw this.inexact('two units whose ratio is no power of two')
    const scale = least * 2 ** -(MULTIPLIER_BITS - 2)
    return { scale, alpha: round(a / scale), beta: round(b / scale) }
  }

  /** Integers and their unit for constants, exactly; refuses where more than `most` would be needed. */
  exactIntegers(values: ArrayLike<number>, most: number): { integers: Float64Array; scale: number } {
    let exponent = Number.POSITIVE_INFINITY
    for (let i = 0; i < values.length; i++) exponent = Math.min(exponent, lowestExponent(values[i]!))
    const scale = exponent === Number.POSITIVE_INFINITY ? 1 : 2 ** exponent
    const integers = Float64Array.from(values, (value) => value / scale)
    if (integers.some((value) => !(Math.abs(value) <= most))) throw this.inexact(`constants need more than ${Math.log2(most)} bits`)
    return { integers, scale }
  }

  #encode(raw: Raw, name: string): Quantity {
    const known = settled(raw)
    if (known && Math.max(-known.lo, known.hi) > FLOAT_INTEGER_MAX) throw this.reader.refuse(`takes integers beyond 2^24 from the input "${raw.name}", and encoders count in float32; clip it before`)
    const { steps, lo, hi, scale } = known ? { steps: raw.steps, ...known, scale: 1 } : this.#quantiseInput(raw, name)
    this.#claim(raw)
    const size = sizeOf(raw.shape)
    const tensor = this.builder.input(new Float64Array(size).fill(lo), new Float64Array(size).fill(hi))
    this.inputs.push({ encoder: this.#encoder(raw, steps), tensor })
    return this.make(raw.shape, tensor, scale, raw.type)
  }

  /** Registers a feature vector whose encoder replaces values by ranks among thresholds. */
  encodeRanks(raw: Raw, thresholds: readonly Float64Array[]): Tensor {
    this.#claim(raw)
    const tensor = this.builder.thermometer(Float64Array.from(thresholds, (list) => list.length))
    this.inputs.push({ encoder: this.#encoder(raw, [...raw.steps, { kind: 'rank', thresholds }]), tensor })
    return tensor
  }

  /** Reshaping keeps the order of elements, so the encoder keeps the shape of the model's input. */
  #encoder({ name }: Raw, steps: readonly EncodeStep[]): Encoder {
    const { type, shape } = this.graph.inputs.find((input) => input.name === name)!
    return { name, type, shape, steps }
  }

  /** One model input has one encoding, or a hidden input could be two different ones. */
  #claim(raw: Raw): void {
    if (this.inputs.some(({ encoder }) => encoder.name === raw.name)) {
      throw this.reader.refuse(`the model's input "${raw.name}" is used in two ways before it is rounded; round it once and branch afterwards`)
    }
  }

  #quantiseInput(raw: Raw, name: string): { steps: readonly EncodeStep[]; lo: number; hi: number; scale: number } {
    if (this.exact) throw this.inexact(`the input "${name}" is not rounded and clipped by the model`)
    const scale = this.unit(name)
    const [lo, hi] = [-this.activationMax - 1, this.activationMax]
    const steps: EncodeStep[] = [...raw.steps, { kind: 'arithmetic', operator: 'Mul', operand: Float64Array.of(Math.fround(1 / scale)), swapped: false }, { kind: 'round' }, { kind: 'clip', lo, hi }]
    return { steps, lo, hi, scale }
  }

  /** A constant where a quantity is wanted. */
  #embed({ shape, values, type }: Constant): Quantity {
    const { integers, scale } = this.exact || !isFloat(type) ? this.exactIntegers(values, MAGNITUDE_MAX) : roundedIntegers(values)
    return this.make(shape, this.builder.constant(integers), scale, type)
  }

  /** Whoever reads the same raw value again gets the same quantity. */
  replace(raw: Value, made: Value): void {
    for (const [name, value] of this.values) if (value === raw) this.values.set(name, made)
  }
}

/** Constants in a unit fine enough for sixteen bits. */
function roundedIntegers(values: Float64Array): { integers: Float64Array; scale: number } {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const scale = largest === 0 ? 1 : 2 ** (floorLog2(largest) - 15)
  return { integers: values.map((value) => round(value / scale)), scale }
}
