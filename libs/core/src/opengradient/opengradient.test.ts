import { describe, expect, it } from 'vitest'
import { fromBytes } from '../hex.js'
import { readBody } from './answer.js'
import { dumps, parse, PythonFloat, type PythonJson } from './python-json.js'
import { canonicalRequest, message, outputHash, requestHash, type Dialect } from './triple.js'

const canonical = (body: string, dialect: Dialect = 'chat'): PythonJson => {
  const verdict = canonicalRequest(dialect, body)
  if (!verdict.ok) throw new Error(`${verdict.reason}: ${verdict.detail}`)
  return verdict.value
}
const hex = (bytes: Uint8Array): string => fromBytes(bytes).slice(2)

// Computed with Python's json and eth-hash from OpenGradient's own code (their tee_verify.py agrees).
const requests: readonly [string, Dialect, string, string, string][] = [
  [
    'a simple chat',
    'chat',
    '{"model":"gpt-5","messages":[{"role":"user","content":"hi"}],"max_tokens":100,"stream":true,"top_p":0.5}',
    '{"max_tokens": 100, "messages": [{"content": "hi", "role": "user"}], "model": "gpt-5", "temperature": 0.0}',
    '8f4d135e5f811140dc239c22d92689f8525f5ec4c7f6d961c840b3697b6adff6',
  ],
  [
    'a completion',
    'completion',
    '{"model":"gpt-5","prompt":"Once","temperature":0,"max_tokens":50,"stop":["."]}',
    '{"max_tokens": 50, "model": "gpt-5", "prompt": "Once", "stop": ["."], "temperature": 0.0}',
    '0a1e15cc2b64b1623e0240ea8eb7c372de9673fdad6e466ed1511e1ca360c188',
  ],
  [
    'a list of parts with an image',
    'chat',
    '{"model":"gpt-5","temperature":0.7,"messages":[{"role":"user","content":[{"type":"text","text":"é"},{"type":"image_url","image_url":{"url":"data:"}}]}]}',
    '{"messages": [{"content": [{"text": "\\u00e9", "type": "text"}, {"type": "image_url"}], "role": "user"}], "model": "gpt-5", "temperature": 0.7}',
    '7e3d3bbb9d6a2a6bccb0d9f1d957ef97ed0751973c915d56cc9f483cf086add3',
  ],
  [
    'a schema that tells 2.0 from 1, and text beyond ASCII',
    'chat',
    '{"model":"gpt-5","temperature":1,"max_tokens":100,"stop":["x"],"messages":[{"role":"system","content":"é \\u2028 😀 </>"},{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"b":1,"a":2.0}}}}',
    '{"max_tokens": 100, "messages": [{"content": "\\u00e9 \\u2028 \\ud83d\\ude00 </>", "role": "system"}, {"content": "hi", "role": "user"}], "model": "gpt-5", "response_format": {"json_schema": {"name": "n", "schema": {"a": 2.0, "b": 1}}, "type": "json_schema"}, "stop": ["x"], "temperature": 1.0}',
    'fd89a645a486d8737db6ea0e87a9bf47154ceaeccee37746b1ba9a9085a71c57',
  ],
]

describe('a request as OpenGradient hashes it', () => {
  it.each(requests)('%s', (_what, dialect, body, text, hash) => {
    expect(dumps(canonical(body, dialect))).toBe(text)
    expect(hex(requestHash(canonical(body, dialect)))).toBe(hash)
  })

  it.each([
    ['no object', '[]'],
    ['no model', '{"messages":[]}'],
    ['no messages', '{"model":"x"}'],
    ['a role nobody has', '{"model":"x","messages":[{"role":"root","content":""}]}'],
    ['a temperature in words', '{"model":"x","temperature":"hot","messages":[]}'],
    ['half of it', '{"model":"x"'],
    ['NaN', '{"model":"x","temperature":NaN,"messages":[]}'],
  ])('with %s is refused', (_what, body) => {
    expect(canonicalRequest('chat', body).ok).toBe(false)
  })
})

describe('an answer as OpenGradient hashes it', () => {
  it('is its text, or its tool calls', () => {
    expect(hex(outputHash('hello'))).toBe('1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8')
    const calls = parse('[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\\"city\\": \\"Paris\\"}"}}]')
    expect(calls.ok && hex(outputHash(dumps(calls.value)))).toBe('1f0f20185d50442efcef1911793ef7e5e09834db7c50217a15c779df0db9b122')
  })

  it('is signed together with its request and a time', () => {
    const hashes = { request: requestHash(canonical(requests[0]![2])), output: outputHash('hello') }
    expect(hex(message(hashes, 1_700_000_000))).toBe('257576f60ff076b9b96ea3986dca6892742b69077d4e265151e9cfca54a7d039')
  })
})

describe('Python’s JSON', () => {
  // repr() of CPython.
  it.each([
    [0, '0.0'],
    [-0, '-0.0'],
    [1, '1.0'],
    [0.1, '0.1'],
    [1e-7, '1e-07'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1e16, '1e+16'],
    [123456789012345680, '1.2345678901234568e+17'],
    [1e15, '1000000000000000.0'],
    [1.5e300, '1.5e+300'],
  ])('prints %d as %s', (value, text) => {
    expect(dumps(new PythonFloat(value))).toBe(text)
  })

  it('sorts keys by code point, where JavaScript sorts by unit', () => {
    // U+1F600 is above U+FFFD by code point, below it by UTF-16 unit.
    expect(dumps({ '\u{1f600}': 1n, '\ufffd': 2n })).toBe('{"\\ufffd": 2, "\\ud83d\\ude00": 1}')
  })

  it('escapes what Python escapes', () => {
    expect(dumps('/\u007f\u0000\b\f\n\r\t"\\')).toBe('"/\\u007f\\u0000\\b\\f\\n\\r\\t\\"\\\\"')
  })

  it('keeps integers of any size', () => {
    const parsed = parse('[123456789012345678901234567890, -0, 1e2]')
    expect(parsed.ok && dumps(parsed.value)).toBe('[123456789012345678901234567890, 0, 100.0]')
  })

  it('does not follow nesting without end', () => {
    expect(parse('['.repeat(100_000)).ok).toBe(false)
  })
})

describe('a request of a stranger', () => {
  const chat = (content: string): Uint8Array => new TextEncoder().encode(JSON.stringify({ model: 'digits', messages: [{ role: 'user', content }] }))

  it('is refused for an integer that takes long to read, as by Python', () => {
    expect(parse('9'.repeat(4_300)).ok).toBe(true)
    expect(parse(`[${'9'.repeat(4_301)}]`)).toMatchObject({ ok: false, reason: 'json.malformed' })
  })

  it('is refused for data nested deeper than any stack, and does not throw', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    expect(readBody('chat', chat(`{"inputs":[{"name":"x","shape":[1],"data":"no"}],"budget":${deep}}`))).toMatchObject({ ok: false, field: 'inputs[0].data' })
    expect(readBody('chat', chat(`{"inputs":[{"name":"x","shape":[1],"data":[1]}],"budget":${deep}}`))).toMatchObject({ ok: false, field: 'budget' })
  })
})
