import { Hex } from '@haca/core'
import type { TrustAnchors } from '@haca/core/tee'

/** Roots as a file has them: certificates as DER, keys as P-384 points (97 bytes), in 0x-hexadecimal. A family left out is trusted by nobody. */
export interface RootsFile {
  aws?: readonly Hex.Hex[]
  intel?: readonly Hex.Hex[]
  amd?: Readonly<Partial<Record<'Milan' | 'Genoa' | 'Turin', Hex.Hex>>>
  nvidia?: readonly Hex.Hex[]
  goldenValueSigners?: readonly Hex.Hex[]
  simulated?: readonly Hex.Hex[]
}

const lists = ['aws', 'intel', 'nvidia', 'goldenValueSigners', 'simulated'] as const

/** Throws `hex.malformed` for what is no hexadecimal. */
export function rootsFrom(file: RootsFile): TrustAnchors {
  const bytes = (one: Hex.Hex): Uint8Array => Hex.toBytes(one)
  const families = lists.flatMap((name) => (file[name] ? [[name, file[name].map(bytes)]] : []))
  const amd = Object.entries(file.amd ?? {}).map(([product, one]) => [product, bytes(one)])
  return { ...Object.fromEntries(families), ...(file.amd ? { amd: Object.fromEntries(amd) } : {}) }
}
