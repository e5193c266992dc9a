import type { PartLayout, Visibility, Part } from '../circuit/statement.js'
import { signalCount, VISIBILITIES } from '../circuit/statement.js'
import { type Encoder as InputEncoder, readEncoder, sizeOf, writeEncoder } from '../encode/encoder.js'
import { Decoder, Encoder, malformedProgram } from '../ir/codec.js'
import { decodeSteps, encodeSteps, isExternal, type Step } from '../ir/program.js'

/** An output of the model: integers of one step, with what makes them the model's numbers again. */
export interface Output {
  name: string
  /** ONNX element type that the original model gives. */
  type: number
  shape: readonly number[]
  /** One integer unit; the number is fround(fround(integer)·fround(scale)) for a float output. */
  scale: number
  /** Step whose result it is. */
  place: number
}

/** Everything that is needed to make a witness; a compact file. Read-only once decoded, and good for any number of witnesses. */
export interface Program {
  wireCount: number
  encoders: readonly InputEncoder[]
  steps: readonly Step[]
  outputs: readonly Output[]
  /** In the order of the public signals: output, input, and model where weights are private. */
  parts: readonly PartLayout[]
}

const MAGIC = 'haca/zk-program/1'
const PARTS: readonly Part[] = ['output', 'input', 'model']

export function encodeProgram({ wireCount, encoders, steps, outputs, parts }: Program): Uint8Array {
  const out = new Encoder()
  out.text(MAGIC)
  out.uint(wireCount)
  out.uint(encoders.length)
  for (const encoder of encoders) writeEncoder(out, encoder)
  encodeSteps(out, steps)
  out.uint(outputs.length)
  for (const { name, type, shape, scale, place } of outputs) {
    out.text(name)
    out.uint(type)
    out.ints(shape)
    out.float(scale)
    out.uint(place)
  }
  out.uint(parts.length)
  for (const { part, visibility, packing } of parts) {
    out.uint(PARTS.indexOf(part))
    out.uint(VISIBILITIES.indexOf(visibility))
    out.runs(packing.lo)
    out.runs(packing.bits)
  }
  return out.finish()
}

/** Reads a program file. Throws `zk.program-malformed`. */
export function decodeProgram(bytes: Uint8Array): Program {
  const from = new Decoder(bytes)
  if (from.text() !== MAGIC) throw malformedProgram('not a witness program of this version')
  const wireCount = from.uint()
  const encoders = repeat(from, () => readEncoder(from))
  const steps = decodeSteps(from)
  const outputs = repeat(from, () => ({ name: from.text(), type: from.uint(), shape: [...from.ints()], scale: from.float(), place: from.uint() }))
  const parts = repeat(from, () => readPart(from))
  from.end()
  const program = { wireCount, encoders, steps, outputs, parts }
  check(program)
  return program
}

function readPart(from: Decoder): PartLayout {
  const part: Part | undefined = PARTS[from.uint()]
  const visibility: Visibility | undefined = VISIBILITIES[from.uint()]
  const packing = { lo: from.runs(), bits: from.runs() }
  if (!part || !visibility || packing.lo.length !== packing.bits.length || packing.bits.some((bits) => bits < 0 || bits > 64)) throw malformedProgram('a part that nobody wrote')
  return { part, visibility, packing }
}

/** What the witness generator takes for granted. */
function check({ wireCount, encoders, steps, outputs, parts }: Program): void {
  const [output, input, model, ...more] = parts
  const externals = steps.filter(({ operation }) => isExternal(operation)).length
  const sound =
    output?.part === 'output' && input?.part === 'input' && (!model || model.part === 'model') && more.length === 0 &&
    encoders.length >= 1 && externals >= encoders.length && (model !== undefined || externals === encoders.length) &&
    outputs.every(({ place, shape }) => place < steps.length && sizeOf(shape) === steps[place]!.size) &&
    output.packing.bits.length === outputs.reduce((total, { place }) => total + steps[place]!.size, 0) &&
    wireCount <= 2 ** 28 && wireCount > parts.reduce((total, part) => total + signalCount(part), 1)
  if (!sound) throw malformedProgram('the parts of the program do not fit together')
}

function repeat<T>(from: Decoder, read: () => T): T[] {
  const out: T[] = []
  for (let left = from.uint(); left > 0; left--) out.push(read())
  return out
}
