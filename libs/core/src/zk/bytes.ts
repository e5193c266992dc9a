/** A growing little-endian buffer. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #view: DataView
  #length = 0

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    const at = this.reserve(1)
    this.#view.setUint8(at, value)
  }

  u32(value: number): void {
    const at = this.reserve(4)
    this.#view.setUint32(at, value, true)
  }

  u64(value: bigint): void {
    const at = this.reserve(8)
    this.#view.setBigUint64(at, value, true)
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** Makes room for `length` zero bytes and answers where they start. Ask for `view` only afterwards. */
  reserve(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }

  get view(): DataView {
    return this.#view
  }

  /** The bytes so far, not copied. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
}
