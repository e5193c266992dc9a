import { describe, expect, it } from 'vitest'
import { createHash } from 'node:crypto'
import { toHex, utf8 } from './bytes.js'
import { parseQuote } from './dcap/quote.js'
import { eventMeasurements, EVENT_LOG_BYTES_MAX, parseEventLog, replay } from './event-log.js'
import { PROVIDERS } from './testing/providers.js'
import { refusal } from './testing/refusal.js'
import { readVectorText, type StoredJson } from './testing/vectors.js'

interface StoredReport {
  readonly quote: string
  readonly event_log: string
}

function stored(file: string): { log: Uint8Array; rtmrs: readonly Uint8Array[] } {
  const { quote, event_log } = JSON.parse(readVectorText(file)) as StoredReport
  const { body } = parseQuote(new Uint8Array(Buffer.from(quote, 'hex')))
  if (body.type !== 'tdx') throw new Error('not a TDX quote')
  const log = typeof event_log === 'string' ? event_log : JSON.stringify(event_log)
  return { log: utf8(log), rtmrs: body.rtmrs }
}

const events = (log: Uint8Array) => JSON.parse(new TextDecoder().decode(log)) as Record<string, StoredJson>[]
const encode = (list: readonly unknown[]) => utf8(JSON.stringify(list))
const FULL = 'tdx/dstack-quote-report.json'
const STRIPPED = 'tdx/dstack-tdx-lite-getquote.json'

/** The runtime digest, written out here from the manifest's formula. */
function runtimeDigest(name: string, payload: string): string {
  const type = Buffer.from('01000008', 'hex')
  return createHash('sha384').update(type).update(`:${name}:`).update(Buffer.from(payload, 'hex')).digest('hex')
}

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('event log with %s', (_, crypto) => {
  it.each([FULL, STRIPPED])('%s replays to all four registers', async (file) => {
    const { log, rtmrs } = stored(file)
    expect((await replay(parseEventLog(log), crypto)).map(toHex)).toEqual(rtmrs.map(toHex))
  })

  it('names the application', async () => {
    const { log, rtmrs } = stored(FULL)
    const measured = await eventMeasurements(log, rtmrs, crypto)
    expect(Object.keys(measured).toSorted()).toEqual(['appId', 'composeHash', 'instanceId', 'keyProvider'])
    expect(measured['appId']).toBe('3763bc34552cf3a27ff71ad5f7a90471562a1a2d')
    expect(measured['composeHash']!.startsWith(measured['appId']!)).toBe(true)
    expect(Buffer.from(measured['keyProvider']!, 'hex').toString()).toContain('local-sgx')
  })

  it('refuses a log with any event changed, dropped, doubled or moved', async () => {
    const { log, rtmrs } = stored(FULL)
    const list = events(log)
    for (let i = 0; i < list.length; i++) {
      const run = (changed: readonly unknown[]) => refusal(() => eventMeasurements(encode(changed), rtmrs, crypto))
      const dropped = list.toSpliced(i, 1)
      const doubled = list.toSpliced(i, 0, list[i]!)
      expect(await run(dropped)).toBe('event-log-rtmr-mismatch')
      expect(await run(doubled)).toMatch(/^event-log-(rtmr-mismatch|malformed)$/)
      const runtime = list[i]!['imr'] === 3
      const other = { ...list[i]!, ...(runtime ? { event_payload: 'ff' } : { digest: 'ff'.repeat(48) }) }
      expect(await run(list.with(i, other))).toBe(runtime ? 'event-log-digest-mismatch' : 'event-log-rtmr-mismatch')
    }
    const [first, second] = list as [Record<string, StoredJson>, Record<string, StoredJson>]
    expect(await refusal(() => eventMeasurements(encode([second, first, ...list.slice(2)]), rtmrs, crypto))).toBe(
      'event-log-rtmr-mismatch',
    )
  })

  it('refuses a log that hides the application behind an opaque digest and names another', async () => {
    // What a malicious application would do: extend RTMR3 once more, and relabel the true event in the log it serves.
    const honest = { imr: 3, event_type: 0x08000001, digest: '', event: 'compose-hash', event_payload: 'aa' }
    const forged = { ...honest, event_payload: 'bb' }
    const hidden = { imr: 3, event_type: 1, digest: runtimeDigest('compose-hash', 'aa'), event: '', event_payload: '' }
    const extend = (register: Buffer, digest: string) =>
      createHash('sha384').update(register).update(Buffer.from(digest, 'hex')).digest()
    const rtmr3 = extend(
      extend(Buffer.alloc(48), runtimeDigest('compose-hash', 'aa')),
      runtimeDigest('compose-hash', 'bb'),
    )
    const rtmrs = [new Uint8Array(48), new Uint8Array(48), new Uint8Array(48), new Uint8Array(rtmr3)]
    expect(await refusal(() => eventMeasurements(encode([hidden, forged]), rtmrs, crypto))).toBe('event-log-malformed')
    expect(await refusal(() => eventMeasurements(encode([honest, forged]), rtmrs, crypto))).toBe('event-log-malformed')
  })
})

describe('parseEventLog', () => {
  const event = { imr: 0, event_type: 4, digest: 'ab'.repeat(48), event: '', event_payload: '00' }
  it.each([
    ['not a list', '{}'],
    ['an event that is not an object', '[1]'],
    ['register 4', JSON.stringify([{ ...event, imr: 4 }])],
    ['a negative register', JSON.stringify([{ ...event, imr: -1 }])],
    ['an event type beyond 32 bits', JSON.stringify([{ ...event, event_type: 2 ** 32 }])],
    ['a short digest', JSON.stringify([{ ...event, digest: 'ab' }])],
    ['a payload that is not hexadecimal', JSON.stringify([{ ...event, event_payload: '0x00' }])],
    ['an unknown field', JSON.stringify([{ ...event, note: '' }])],
    ['a missing field', JSON.stringify([{ ...event, event: undefined }])],
    ['a boot event in register 3', JSON.stringify([{ ...event, imr: 3 }])],
    ['a runtime event in register 0', JSON.stringify([{ ...event, event_type: 0x08000001 }])],
    ['a runtime name with a colon', JSON.stringify([{ ...event, imr: 3, event_type: 0x08000001, event: 'a:b' }])],
    ['too many events', JSON.stringify(Array(4097).fill(event))],
  ])('refuses %s', async (_name, text) => {
    expect(await refusal(() => parseEventLog(utf8(text)))).toBe('event-log-malformed')
  })

  it('refuses duplicate keys, and more than the cap before parsing', async () => {
    expect(await refusal(() => parseEventLog(utf8('[{"imr":0,"imr":3}]')))).toBe('json-malformed')
    expect(await refusal(() => parseEventLog(new Uint8Array(EVENT_LOG_BYTES_MAX + 1)))).toBe('endorsement-too-large')
  })

  it('refuses a boot event without a digest when it is replayed', async () => {
    const list = parseEventLog(encode([{ ...event, digest: '' }]))
    expect(await refusal(() => replay(list, PROVIDERS[0]!))).toBe('event-log-malformed')
  })
})
