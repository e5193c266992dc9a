import { compare, concat, fromUtf8, utf8 } from './bytes.js'
import { AttestationError } from './error.js'

/**
 * The part of CBOR (RFC 8949) that attestation documents use, decoded strictly: shortest-form heads, text keys or
 * integer keys, no duplicate keys, no tags, no floats, no `undefined`, no trailing bytes. Of the indefinite-length
 * items only maps are taken, because AWS Nitro has written its payload as one since 2025.
 */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap
export type CborKey = number | string
export type CborMap = ReadonlyMap<CborKey, CborValue>

export const CBOR_DEPTH_MAX = 8

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, simple: 7 } as const
const INDEFINITE = 31
const BREAK = 0xff

/** Decodes exactly one item spanning all of `bytes`; refuses with `cbor-malformed`. */
export function decode(bytes: Uint8Array): CborValue {
  const reader = new Reader(bytes)
  const value = reader.item(0)
  if (!reader.atEnd) malformed(`${bytes.length - reader.position} bytes after the item`)
  return value
}

class Reader {
  #at = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get position(): number {
    return this.#at
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  item(depth: number): CborValue {
    if (depth > CBOR_DEPTH_MAX) malformed(`nested deeper than ${CBOR_DEPTH_MAX}`)
    const head = this.#byte()
    const major = head >> 5
    const info = head & 31
    switch (major) {
      case MAJOR.unsigned:
        return this.#argument(info)
      case MAJOR.negative:
        return -1 - this.#argument(info)
      case MAJOR.bytes:
        return this.#take(this.#argument(info))
      case MAJOR.text:
        return fromUtf8(this.#take(this.#argument(info))) ?? malformed('text is not UTF-8')
      case MAJOR.array:
        return this.#array(this.#argument(info), depth)
      case MAJOR.map:
        return info === INDEFINITE ? this.#indefiniteMap(depth) : this.#map(this.#argument(info), depth)
      case MAJOR.simple:
        return simple(info)
      default:
        return malformed('tags are not accepted')
    }
  }

  #array(length: number, depth: number): CborValue[] {
    // Every item takes at least one byte, so a longer claim is false; checking first keeps the allocation honest.
    if (length > this.#bytes.length - this.#at) malformed('array longer than the input')
    const items: CborValue[] = []
    for (let i = 0; i < length; i++) items.push(this.item(depth + 1))
    return items
  }

  #map(entries: number, depth: number): CborMap {
    if (entries > (this.#bytes.length - this.#at) / 2) malformed('map longer than the input')
    const map = new Map<CborKey, CborValue>()
    for (let i = 0; i < entries; i++) this.#entry(map, depth)
    return map
  }

  #indefiniteMap(depth: number): CborMap {
    const map = new Map<CborKey, CborValue>()
    while (this.#peek() !== BREAK) this.#entry(map, depth)
    this.#at++
    return map
  }

  #entry(map: Map<CborKey, CborValue>, depth: number): void {
    const key = this.item(depth + 1)
    if (typeof key !== 'number' && typeof key !== 'string') malformed('map key is neither integer nor text')
    if (map.has(key)) malformed(`duplicate map key ${key}`)
    map.set(key, this.item(depth + 1))
  }

  /** The argument of a head, in its shortest form (RFC 8949 §4.2.1) and at most 2^53 - 1. */
  #argument(info: number): number {
    if (info < 24) return info
    if (info > 27) return malformed('reserved or indefinite length')
    const width = 1 << (info - 24)
    let value = 0
    for (const byte of this.#take(width)) value = value * 256 + byte
    const smallest = width === 1 ? 24 : 2 ** (4 * width)
    if (value < smallest) malformed('argument not in shortest form')
    if (!Number.isSafeInteger(value)) malformed('integer beyond 2^53 - 1')
    return value
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) malformed('truncated')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  #byte(): number {
    return this.#take(1)[0]!
  }

  #peek(): number {
    return this.#bytes[this.#at] ?? malformed('truncated')
  }
}

function simple(info: number): boolean | null {
  if (info === 20) return false
  if (info === 21) return true
  if (info === 22) return null
  return malformed('floats and other simple values are not accepted')
}

function malformed(why: string): never {
  throw new AttestationError('cbor-malformed', why)
}

/** What `encode` takes: the same values, with plain objects standing for maps with text keys. */
export type CborInput =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborInput[]
  | ReadonlyMap<CborKey, CborInput>
  | { readonly [key: string]: CborInput }

/** Core deterministic encoding (RFC 8949 §4.2.1): shortest heads, definite lengths, keys in bytewise order. */
export function encode(value: CborInput): Uint8Array {
  if (value === null) return Uint8Array.of(0xf6)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4)
  if (typeof value === 'number') return encodeInteger(value)
  if (typeof value === 'string') {
    const text = utf8(value)
    return concat(head(MAJOR.text, text.length), text)
  }
  if (value instanceof Uint8Array) return concat(head(MAJOR.bytes, value.length), value)
  if (Array.isArray(value)) return concat(head(MAJOR.array, value.length), ...value.map(encode))
  return encodeMap(value instanceof Map ? [...value] : Object.entries(value))
}

function encodeMap(entries: readonly (readonly [CborKey, CborInput])[]): Uint8Array {
  const encoded = entries.map(([key, value]) => ({ key: encode(key), value: encode(value) }))
  encoded.sort((a, b) => compare(a.key, b.key))
  return concat(head(MAJOR.map, encoded.length), ...encoded.flatMap(({ key, value }) => [key, value]))
}

function encodeInteger(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError(`CBOR integer out of range: ${value}`)
  return value < 0 ? head(MAJOR.negative, -1 - value) : head(MAJOR.unsigned, value)
}

function head(major: number, argument: number): Uint8Array {
  const lead = major << 5
  if (argument < 24) return Uint8Array.of(lead | argument)
  const width = argument < 0x100 ? 1 : argument < 0x10000 ? 2 : argument < 0x100000000 ? 4 : 8
  const bytes = new Uint8Array(1 + width)
  bytes[0] = lead | (24 + Math.log2(width))
  let rest = argument
  for (let i = width; i > 0; i--) {
    bytes[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return bytes
}
