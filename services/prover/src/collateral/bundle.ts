import { AttestationError } from '@haca/core/tee'
import type { Admission, Library } from './library.js'
import { PART_ROLES, sha256, type Part, type PartRole, type Statement } from './statement.js'

/**
 * Statements on their way to a prover that asks nobody: JSON lines, one statement each, every part with the SHA-256 of its bytes.
 *
 *     {"v":1,"subject":"intel/root-crl","parts":[{"role":"root-crl","sha256":"…","base64":"…"}]}
 */
export const LINE_BYTES_MAX = 8 * 1024 * 1024

/** The line of a statement. Golden values stay: whoever imports a manifest makes and signs its own. */
export const encodeLine = ({ subject, parts }: Statement): string =>
  JSON.stringify({ v: 1, subject, parts: parts.filter(({ role }) => role !== 'golden-values').map(({ role, bytes }) => ({ role, sha256: sha256(bytes), base64: Buffer.from(bytes).toString('base64') })) })

/** Reads a line and nothing else; throws RangeError saying what is wrong. */
export function decodeLine(line: string): Statement {
  if (line.length > LINE_BYTES_MAX) throw new RangeError(`a line of ${line.length} characters`)
  const { v, subject, parts, ...rest } = object(line)
  if (v !== 1 || typeof subject !== 'string' || !Array.isArray(parts) || Object.keys(rest).length > 0) throw new RangeError('not a statement of version 1')
  if (subject.length > 300 || !/^[a-z]+(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/.test(subject)) throw new RangeError('not a subject')
  return { subject, parts: parts.map(part) }
}

function object(line: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(line)
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>
  } catch (cause) {
    throw new RangeError('not JSON', { cause })
  }
  throw new RangeError('not an object')
}

function part(value: unknown): Part {
  const { role, sha256: digest, base64, ...rest } = (value ?? {}) as Record<string, unknown>
  const formed = PART_ROLES.includes(role as PartRole) && typeof digest === 'string' && typeof base64 === 'string' && Object.keys(rest).length === 0
  if (!formed) throw new RangeError('not a part')
  const bytes = new Uint8Array(Buffer.from(base64, 'base64'))
  if (Buffer.from(bytes).toString('base64') !== base64) throw new RangeError(`${String(role)} is not base64`)
  if (sha256(bytes) !== digest) throw new RangeError(`${String(role)} was altered: it has not the digest it names`)
  return { role: role as PartRole, bytes }
}

/** The current statements, sorted by subject. */
export async function* exportLines(library: Library, now: number): AsyncGenerator<string> {
  for (const subject of (await library.subjects()).sort()) {
    const entry = await library.current(subject, now)
    if (entry) yield encodeLine(await library.open(entry))
  }
}

export interface Imported {
  readonly line: number
  readonly subject: string | undefined
  readonly outcome: Admission['outcome'] | 'refused'
  readonly detail: string
}

/** Takes a bundle in, line by line, by the checks that vendors' own answers go through: a bundle is believed for its signatures, not for who carried it. */
export async function* importLines(lines: AsyncIterable<string> | Iterable<string>, library: Library, now: number): AsyncGenerator<Imported> {
  let line = 0
  for await (const text of lines) {
    line++
    if (text.trim() === '') continue
    let subject: string | undefined
    try {
      const statement = decodeLine(text)
      subject = statement.subject
      const { outcome, entry } = await library.admit(statement, now)
      yield { line, subject, outcome, detail: `until ${new Date(entry.notAfter).toISOString()}` }
    } catch (error) {
      if (!(error instanceof AttestationError || error instanceof RangeError)) throw error
      yield { line, subject, outcome: 'refused', detail: error.message }
    }
  }
}
