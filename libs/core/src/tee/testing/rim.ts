import { readVectorText } from './vectors.js'

/**
 * Reads a stored reference manifest by pattern, for tests only: what an ingestion tool does with an XML parser after it
 * has verified the signature. The stored files are known good (vectors/tee/README.md).
 */
export interface Rim {
  readonly version: string
  readonly product: string
  readonly measurements: readonly { readonly index: number; readonly digests: readonly string[] }[]
}

export function readRim(file: string): Rim {
  const xml = readVectorText(file)
  const attribute = (text: string, name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1] ?? ''
  const meta = /<[^>]*\bMeta\b[^>]*>/.exec(xml)![0]
  const measurements = [...xml.matchAll(/<[^>]*\bResource\b[^>]*type="Measurement"[^>]*>/g)]
    .map(([resource]) => resource)
    .filter((resource) => attribute(resource, 'active') === 'True')
    .map((resource) => ({
      index: Number(attribute(resource, 'index')),
      digests: Array.from({ length: Number(attribute(resource, 'alternatives')) }, (_, i) =>
        attribute(resource, `Hash${i}`),
      ),
    }))
  return { version: attribute(meta, 'colloquialVersion'), product: attribute(meta, 'product'), measurements }
}
