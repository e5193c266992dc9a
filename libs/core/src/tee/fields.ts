import { fromHex } from './bytes.js'
import type { JsonObject, JsonValue } from './json.js'

/** Says no in the caller's words; `why` names the field. */
export type Complain = (why: string) => never

/**
 * Reads the fields of one JSON object by name and type, remembering which were read, so that `end` can refuse the
 * ones nobody asked for. `where` is the object's path, for messages.
 */
export class Fields {
  readonly #object: JsonObject
  readonly #where: string
  readonly #complain: Complain
  readonly #read = new Set<string>()

  constructor(value: JsonValue | undefined, where: string, complain: Complain) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) complain(`${where} is not an object`)
    this.#object = value as JsonObject
    this.#where = where
    this.#complain = complain
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name)
  }

  names(): string[] {
    return Object.keys(this.#object)
  }

  any(name: string): JsonValue {
    this.#read.add(name)
    return this.has(name) ? this.#object[name]! : this.#wrong(name, 'is missing')
  }

  text(name: string): string {
    const value = this.any(name)
    return typeof value === 'string' ? value : this.#wrong(name, 'is not text')
  }

  /** One of a closed set of words. */
  word<Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.text(name)
    return words.find((word) => word === value) ?? this.#wrong(name, `is none of ${words.join(', ')}`)
  }

  /** A non-negative integer of at most 2^53 - 1. */
  integer(name: string): number {
    const value = this.any(name)
    const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    return fits ? value : this.#wrong(name, 'is not a non-negative integer')
  }

  /** Hexadecimal of exactly `length` bytes, either case. */
  hex(name: string, length: number): Uint8Array {
    const bytes = fromHex(this.text(name))
    return bytes?.length === length ? bytes : this.#wrong(name, `is not ${length} bytes of hexadecimal`)
  }

  /** `YYYY-MM-DDTHH:MM:SSZ`, as milliseconds since 1970. */
  instant(name: string): number {
    const text = this.text(name)
    const at = Date.parse(text)
    const same =
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) && new Date(at).toISOString() === `${text.slice(0, -1)}.000Z`
    return same ? at : this.#wrong(name, 'is not a time of the form YYYY-MM-DDTHH:MM:SSZ')
  }

  list(name: string): readonly JsonValue[] {
    const value = this.any(name)
    return Array.isArray(value) ? value : this.#wrong(name, 'is not a list')
  }

  texts(name: string): string[] {
    return this.list(name).map((item) =>
      typeof item === 'string' ? item : this.#wrong(name, 'holds something not text'),
    )
  }

  object(name: string): Fields {
    return new Fields(this.any(name), `${this.#where}.${name}`, this.#complain)
  }

  objects(name: string): Fields[] {
    return this.list(name).map((item, i) => new Fields(item, `${this.#where}.${name}[${i}]`, this.#complain))
  }

  /** `read(name)` if the field is there. */
  optional<Value>(name: string, read: (name: string) => Value): Value | undefined {
    return this.has(name) ? read(name) : undefined
  }

  /** Refuses fields that were never read. */
  end(): void {
    for (const name of Object.keys(this.#object)) if (!this.#read.has(name)) this.#wrong(name, 'is not a known field')
  }

  #wrong(name: string, why: string): never {
    return this.#complain(`${this.#where}.${name} ${why}`)
  }
}
