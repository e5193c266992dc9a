import { accept, refuse, type Verdict } from '../verdict.js'

// JSON as Python's `json` module reads and writes it, which OpenGradient's hashes are over: it tells 2 from 2.0, sorts keys by code point, escapes
// everything beyond ASCII, and prints floats by `repr`. JavaScript's JSON does none of these.

/** A number that had a fraction or an exponent in the text; Python reads it as a float. */
export class PythonFloat {
  constructor(readonly value: number) {}
}

export type PythonJson = null | boolean | string | bigint | PythonFloat | readonly PythonJson[] | { readonly [key: string]: PythonJson }

const depthMax = 64
/** Python refuses longer integers too (`sys.int_info.default_max_str_digits`): reading one takes time by the square of its length. */
const digitsMax = 4_300

/** Reads JSON without losing what JavaScript would; the first duplicate of a key loses, as in Python. NaN and infinities are refused. */
export function parse(text: string): Verdict<PythonJson, 'json.malformed'> {
  try {
    const reader = new Reader(text)
    const value = reader.value(0)
    reader.end()
    return accept(value)
  } catch (error) {
    if (error instanceof SyntaxError) return refuse('json.malformed', error.message)
    throw error
  }
}

class Reader {
  #at = 0

  constructor(readonly text: string) {}

  end(): void {
    this.#space()
    if (this.#at < this.text.length) this.#fail('more after the value')
  }

  value(depth: number): PythonJson {
    if (depth > depthMax) this.#fail(`nested deeper than ${depthMax}`)
    this.#space()
    const next = this.text[this.#at]
    if (next === '{') return this.#object(depth)
    if (next === '[') return this.#array(depth)
    if (next === '"') return this.#string()
    for (const [word, value] of [['true', true], ['false', false], ['null', null]] as const) if (this.text.startsWith(word, this.#at)) return this.#take(word.length, value)
    return this.#number()
  }

  #object(depth: number): PythonJson {
    const entries = new Map<string, PythonJson>()
    this.#list('{', '}', () => {
      this.#space()
      if (this.text[this.#at] !== '"') this.#fail('a key is a string')
      const key = this.#string()
      this.#space()
      if (this.text[this.#at++] !== ':') this.#fail('a colon follows a key')
      entries.set(key, this.value(depth + 1))
    })
    return Object.fromEntries(entries)
  }

  #array(depth: number): PythonJson {
    const items: PythonJson[] = []
    this.#list('[', ']', () => items.push(this.value(depth + 1)))
    return items
  }

  #list(open: string, close: string, item: () => void): void {
    this.#at += open.length
    this.#space()
    if (this.text[this.#at] === close) return void this.#at++
    for (;;) {
      item()
      this.#space()
      const next = this.text[this.#at++]
      if (next === close) return
      if (next !== ',') this.#fail(`a comma or ${close} is missing`)
    }
  }

  #string(): string {
    const match = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
    match.lastIndex = this.#at
    const [token] = match.exec(this.text) ?? this.#fail('not a string')
    this.#at += token.length
    return JSON.parse(token) as string
  }

  #number(): PythonJson {
    const match = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
    match.lastIndex = this.#at
    const [token, fraction, exponent] = match.exec(this.text) ?? this.#fail('no value')
    this.#at += token.length
    if (fraction === undefined && exponent === undefined) return token.length > digitsMax ? this.#fail(`an integer of more than ${digitsMax} digits`) : BigInt(token)
    const value = Number(token)
    if (!Number.isFinite(value)) this.#fail('a number beyond any float')
    return new PythonFloat(value)
  }

  #take<T>(length: number, value: T): T {
    this.#at += length
    return value
  }

  #space(): void {
    while (/[ \t\n\r]/.test(this.text[this.#at] ?? '')) this.#at++
  }

  #fail(why: string): never {
    throw new SyntaxError(`${why} at character ${this.#at}`)
  }
}

/** `json.dumps(value, sort_keys=True)`; ASCII only. */
export function dumps(value: PythonJson): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string') return quote(value)
  if (value instanceof PythonFloat) return repr(value.value)
  if (Array.isArray(value)) return `[${(value as readonly PythonJson[]).map(dumps).join(', ')}]`
  const entries = Object.entries(value as { readonly [key: string]: PythonJson }).sort(([a], [b]) => byCodePoint(a, b))
  return `{${entries.map(([key, item]) => `${quote(key)}: ${dumps(item)}`).join(', ')}}`
}

function byCodePoint(a: string, b: string): number {
  const [left, right] = [[...a], [...b]]
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** Short escapes where JSON has them, `\uXXXX` for other controls, DEL and everything beyond ASCII. */
const quote = (text: string): string =>
  JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Shortest text that reads back, as Python prints floats: exponents from 1e16 up and below 1e-4, always a point or an exponent. */
function repr(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [digits = '', exponent = ''] = value.toExponential().split('e')
    const sign = exponent.startsWith('-') ? '-' : '+'
    return `${digits}e${sign}${exponent.replace(/^[+-]/, '').padStart(2, '0')}`
  }
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}
