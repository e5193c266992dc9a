import { ByteWriter } from '../bytes.js'
import { refusal } from '../error.js'

/** Most elements in one array of a program. */
export const ARRAY_MAX = 2 ** 26

const CHUNK = 2 ** 7

/** Writes the pieces of a program: varints, zigzag integers up to 2^53, arrays. */
export class Encoder {
  readonly #out = new ByteWriter()

  uint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned safe integer: ${value}`)
    let rest = value
    for (; rest >= CHUNK; rest = Math.floor(rest / CHUNK)) this.#out.u8((rest % CHUNK) + CHUNK)
    this.#out.u8(rest)
  }

  int(value: number): void {
    if (Math.abs(value) >= 2 ** 52) throw new RangeError(`integer of more than 52 bits: ${value}`)
    this.uint(value < 0 ? -2 * value - 1 : 2 * value)
  }

  float(value: number): void {
    const at = this.#out.reserve(8)
    this.#out.view.setFloat64(at, value, true)
  }

  /** Doubles, eight bytes each. */
  floats(values: ArrayLike<number>): void {
    this.uint(values.length)
    for (let i = 0; i < values.length; i++) this.float(values[i]!)
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value)
    this.uint(bytes.length)
    this.#out.raw(bytes)
  }

  /** Integers one by one. */
  ints(values: ArrayLike<number>): void {
    this.uint(values.length)
    for (let i = 0; i < values.length; i++) this.int(values[i]!)
  }

  /** Integers as differences to their predecessors: short for index maps. */
  deltas(values: ArrayLike<number>): void {
    this.uint(values.length)
    for (let i = 0; i < values.length; i++) this.int(values[i]! - (i === 0 ? 0 : values[i - 1]!))
  }

  /** Integers as (count, value) runs: short where they hardly change. */
  runs(values: ArrayLike<number>): void {
    this.uint(values.length)
    for (let i = 0; i < values.length; ) {
      let next = i + 1
      while (next < values.length && values[next] === values[i]) next++
      this.uint(next - i)
      this.int(values[i]!)
      i = next
    }
  }

  finish(): Uint8Array {
    return this.#out.finish()
  }
}

/** Reads what `Encoder` wrote; anything else is `zk.program-malformed`. */
export class Decoder {
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  uint(): number {
    let value = 0
    for (let weight = 1; ; weight *= CHUNK) {
      if (this.#at >= this.#view.byteLength) throw malformedProgram('truncated')
      const byte = this.#view.getUint8(this.#at++)
      value += (byte % CHUNK) * weight
      if (!Number.isSafeInteger(value) || weight > 2 ** 49) throw malformedProgram('integer beyond 2^53')
      if (byte < CHUNK) return value
    }
  }

  int(): number {
    const value = this.uint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  float(): number {
    if (this.#at + 8 > this.#view.byteLength) throw malformedProgram('truncated')
    this.#at += 8
    return this.#view.getFloat64(this.#at - 8, true)
  }

  floats(): Float64Array {
    const values = new Float64Array(this.#count(8))
    for (let i = 0; i < values.length; i++) values[i] = this.float()
    return values
  }

  text(): string {
    const length = this.uint()
    if (length > this.#view.byteLength - this.#at) throw malformedProgram('truncated')
    this.#at += length
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#at - length, length))
  }

  ints(): Float64Array {
    const values = new Float64Array(this.#count(1))
    for (let i = 0; i < values.length; i++) values[i] = this.int()
    return values
  }

  deltas(): Int32Array {
    const values = new Int32Array(this.#count(1))
    for (let i = 0, last = 0; i < values.length; i++) values[i] = last += this.int()
    return values
  }

  runs(): Float64Array {
    const values = new Float64Array(this.#count(0))
    for (let i = 0; i < values.length; ) {
      const count = this.uint()
      if (count < 1 || count > values.length - i) throw malformedProgram('run longer than its array')
      values.fill(this.int(), i, i + count)
      i += count
    }
    return values
  }

  end(): void {
    if (this.#at !== this.#view.byteLength) throw malformedProgram('bytes after the end')
  }

  /** A count whose elements take at least `bytesEach` bytes, so that nobody makes us allocate what he did not send. */
  #count(bytesEach: number): number {
    const count = this.uint()
    if (count > ARRAY_MAX || count * bytesEach > this.#view.byteLength - this.#at) throw malformedProgram('array longer than the program')
    return count
  }
}

export const malformedProgram = (why: string) => refusal('zk.program-malformed', why)
