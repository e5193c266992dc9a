import { ByteWriter } from './bytes.js'
import { refusal } from './error.js'
import * as Field from './field.js'

/**
 * The container of iden3's binary files (`.r1cs`, `.wtns`, `.zkey`): four letters, version, number of sections, and
 * sections of type:4, length:8, content, all little-endian (github.com/iden3/r1csfile/blob/master/doc/r1cs_bin_format.md).
 */
export interface Section {
  type: number
  content: Uint8Array
}

/** Writes a file of sections in the given order. */
export function write(magic: string, version: number, sections: readonly Section[]): Uint8Array {
  const out = new ByteWriter(12 + sections.reduce((total, { content }) => total + 12 + content.length, 0))
  out.raw(new TextEncoder().encode(magic))
  out.u32(version)
  out.u32(sections.length)
  for (const { type, content } of sections) {
    out.u32(type)
    out.u64(BigInt(content.length))
    out.raw(content)
  }
  return out.finish()
}

/** Sections by type. Each type stands once and nothing follows the last section; else `zk.file-malformed`. */
export function read(bytes: Uint8Array, magic: string, version: number): ReadonlyMap<number, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 4)) !== magic) throw malformed(`not a .${magic} file`)
  if (view.getUint32(4, true) !== version) throw malformed(`version ${view.getUint32(4, true)} of .${magic} is not known`)
  const sections = new Map<number, Uint8Array>()
  const count = view.getUint32(8, true)
  let at = 12
  for (let i = 0; i < count; i++) {
    if (at + 12 > bytes.length) throw malformed('truncated section header')
    const type = view.getUint32(at, true)
    const length = Number(view.getBigUint64(at + 4, true))
    at += 12
    if (length > bytes.length - at) throw malformed(`section ${type} is longer than the file`)
    if (sections.has(type)) throw malformed(`section ${type} stands twice`)
    sections.set(type, bytes.subarray(at, at + length))
    at += length
  }
  if (at !== bytes.length) throw malformed('bytes after the last section')
  return sections
}

/** A reader over one section that refuses to run past its end. */
export class SectionReader {
  readonly #view: DataView
  #at = 0

  constructor(content: Uint8Array | undefined) {
    if (!content) throw malformed('a section is missing')
    this.#view = new DataView(content.buffer, content.byteOffset, content.byteLength)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  u64(): number {
    const value = Number(this.#view.getBigUint64(this.#take(8), true))
    if (!Number.isSafeInteger(value)) throw malformed('a count beyond 2^53')
    return value
  }

  /** 32 bytes, not reduced. */
  word(): bigint {
    return Field.read(this.#view, this.#take(Field.FIELD_BYTES))
  }

  /** An element of the scalar field in its canonical form. */
  element(): bigint {
    const value = this.word()
    if (value >= Field.r) throw malformed('a field element is not canonical')
    return value
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length)
  }

  get remaining(): number {
    return this.#view.byteLength - this.#at
  }

  end(): void {
    if (this.remaining !== 0) throw malformed(`${this.remaining} bytes too many in a section`)
  }

  #take(length: number): number {
    if (length > this.remaining) throw malformed('truncated section')
    this.#at += length
    return this.#at - length
  }
}

export const malformed = (why: string) => refusal('zk.file-malformed', why)
