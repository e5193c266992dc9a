import { fromUtf8 } from './bytes.js'
import { AttestationError } from './error.js'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

export const JSON_DEPTH_MAX = 16

/**
 * Parses JSON text (RFC 8259) that people or machines may have written to mislead: a duplicate key, at any depth and
 * however it is escaped, refuses with `json-malformed`, where `JSON.parse` would let the last one win.
 */
export function parseStrict(bytes: Uint8Array): JsonValue {
  const text = fromUtf8(bytes) ?? malformed('not UTF-8')
  const value = parse(text)
  refuseDuplicateKeys(text)
  return value
}

/** Parses JSON whose text is signed by its maker, so only the grammar needs checking. */
export function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch (cause) {
    throw new AttestationError('json-malformed', 'not JSON', { cause })
  }
}

/** Walks text already known to be JSON, keeping the set of keys of every open object. */
function refuseDuplicateKeys(text: string): void {
  const open: (Set<string> | undefined)[] = []
  let at = 0
  while (at < text.length) {
    const character = text[at]!
    if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined)
      if (open.length > JSON_DEPTH_MAX) malformed(`nested deeper than ${JSON_DEPTH_MAX}`)
    } else if (character === '}' || character === ']') {
      open.pop()
    } else if (character === '"') {
      const end = stringEnd(text, at)
      if (isKey(text, end)) addKey(open.at(-1), JSON.parse(text.slice(at, end)) as string)
      at = end
      continue
    }
    at++
  }
}

function addKey(keys: Set<string> | undefined, key: string): void {
  if (keys?.has(key)) malformed(`duplicate key ${JSON.stringify(key)}`)
  keys?.add(key)
}

/** The index just after the string that starts at `from`. */
function stringEnd(text: string, from: number): number {
  let at = from + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function isKey(text: string, end: number): boolean {
  let at = end
  while (' \t\r\n'.includes(text[at] ?? '.')) at++
  return text[at] === ':'
}

function malformed(why: string): never {
  throw new AttestationError('json-malformed', why)
}
