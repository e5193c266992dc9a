import { assert } from '../../errors.js'
import * as Field from '../field.js'
import type { WireSink } from '../ir/operation.js'

/** Bytes before the first wire of a `.wtns` file: container and section headers, field size, prime, count. */
const HEADER_BYTES = 12 + 12 + 40 + 12
const WORDS = Field.FIELD_BYTES / 4

/** 32-bit words of r, lowest first. */
const R_WORDS = Uint32Array.from({ length: WORDS }, (_, i) => Number((Field.r >> BigInt(32 * i)) & 0xffff_ffffn))

/** A `.wtns` file (iden3 format, version 2) that is filled in place. */
export class Assignment implements WireSink {
  readonly #file: Uint8Array<ArrayBuffer>
  readonly #words: Uint32Array
  readonly #view: DataView
  readonly #wireCount: number
  #next: number

  /** @param firstPrivate the wire that the first call assigns; earlier ones are set by place. */
  constructor(wireCount: number, firstPrivate: number) {
    this.#wireCount = wireCount
    this.#file = new Uint8Array(HEADER_BYTES + wireCount * Field.FIELD_BYTES)
    this.#words = new Uint32Array(this.#file.buffer, HEADER_BYTES)
    this.#view = new DataView(this.#file.buffer)
    this.#next = firstPrivate
    this.#header()
    this.#words[0] = 1
  }

  small(value: number): void {
    const at = this.#next++ * WORDS
    if (value >= 0) {
      this.#words[at] = value
      // Most wires are bits; the division is for the others.
      if (value > 0xffff_ffff) this.#words[at + 1] = Math.floor(value / 2 ** 32)
    } else this.#negative(at, -value)
  }

  element(value: bigint): void {
    this.set(this.#next++, value)
  }

  set(wire: number, value: bigint): void {
    Field.write(this.#view, HEADER_BYTES + wire * Field.FIELD_BYTES, value)
  }

  /** The file, once every wire has its value. */
  finish(): Uint8Array {
    assert(this.#next === this.#wireCount, 'the witness has as many wires as the circuit')
    return this.#file
  }

  /** r - magnitude, for a magnitude below 2^53: the subtraction borrows at most once, from the second word. */
  #negative(at: number, magnitude: number): void {
    this.#words.set(R_WORDS, at)
    const low = R_WORDS[0]! - (magnitude % 2 ** 32)
    this.#words[at] = low
    this.#words[at + 1] = R_WORDS[1]! - Math.floor(magnitude / 2 ** 32) - (low < 0 ? 1 : 0)
  }

  #header(): void {
    const view = this.#view
    for (let i = 0; i < 4; i++) view.setUint8(i, 'wtns'.charCodeAt(i))
    view.setUint32(4, 2, true)
    view.setUint32(8, 2, true)
    view.setUint32(12, 1, true)
    view.setBigUint64(16, 40n, true)
    view.setUint32(24, Field.FIELD_BYTES, true)
    Field.write(view, 28, Field.r)
    view.setUint32(60, this.#wireCount, true)
    view.setUint32(64, 2, true)
    view.setBigUint64(68, BigInt(this.#wireCount * Field.FIELD_BYTES), true)
  }
}
