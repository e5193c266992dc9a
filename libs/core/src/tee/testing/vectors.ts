import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The genuine samples under `vectors/tee`, and their manifest. Test code only. */
const FOLDER = new URL('../../../../../vectors/tee/', import.meta.url)

/** JSON from a file, whose shape the test that reads it knows. */
// oxlint-disable-next-line typescript/no-explicit-any
export type StoredJson = any

export interface VectorEntry {
  readonly id: string
  readonly kind: string
  readonly file: string
  readonly sha256: string
  readonly bytes: number
  // Entries differ by kind; tests read the fields their kind has.
  readonly [field: string]: StoredJson
}

export function readVector(file: string): Uint8Array {
  return new Uint8Array(readFileSync(fileURLToPath(new URL(file, FOLDER))))
}

export function readVectorText(file: string): string {
  return new TextDecoder().decode(readVector(file))
}

export function manifest(): readonly VectorEntry[] {
  return JSON.parse(readVectorText('MANIFEST.json')).vectors
}

/** Entries whose id starts with `prefix`, in the manifest's order. */
export function entries(prefix: string): VectorEntry[] {
  return manifest().filter(({ id }) => id.startsWith(prefix))
}

export function entry(id: string): VectorEntry {
  const found = manifest().find((candidate) => candidate.id === id)
  if (!found) throw new Error(`no vector ${id}`)
  return found
}

/** DER of a root stored as PEM or DER. */
export function derOf(file: string): Uint8Array {
  return derList(file)[0]!
}

/** DER of every certificate in a PEM bundle, or the one DER file. Decoded by Buffer, not by the code under test. */
export function derList(file: string): Uint8Array[] {
  const bytes = readVector(file)
  const text = new TextDecoder('latin1').decode(bytes)
  const blocks = [...text.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g)]
  return blocks.length > 0 ? blocks.map(([, body]) => new Uint8Array(Buffer.from(body!, 'base64'))) : [bytes]
}
