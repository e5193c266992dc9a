import type { CryptoProvider } from '@haca/core/tee'
import type { Validity } from '@haca/core/tee/collateral'
import { verifyEnvelopedSignature } from './signature.js'
import { attributeIn, elementsIn, malformed, parseXml, type Element } from './xml.js'

const SWID = 'http://standards.iso.org/iso/19770/-2/2015/schema.xsd'
const SHA384 = 'http://www.w3.org/2001/04/xmlenc#sha384'

/** What a manifest is published as: the names by which NVIDIA's service is asked. */
export interface ManifestId {
  readonly component: 'driver' | 'vbios'
  /** Of a driver, the product is in the name; a VBIOS names its board instead. */
  readonly product: string | undefined
  /** `550.144.03`; of a VBIOS without dots, `96005E0001`. */
  readonly version: string
  /** The parts of a GPU's board; switches name none in their reports. */
  readonly board: { readonly project: string; readonly projectSku: string; readonly chipSku: string } | undefined
}

/** A manifest's facts, signed by NVIDIA. */
export interface ReferenceManifest extends Validity {
  readonly product: string
  readonly version: string
  /** Rises when NVIDIA publishes a manifest again. */
  readonly revision: number
  /** The active ones. */
  readonly measurements: readonly { readonly index: number; readonly digests: readonly string[] }[]
}

/**
 * Reads a manifest's name: `NV_GPU_DRIVER_GH100_550.144.03`, `NV_GPU_CC_DRIVER_GB100_580.178.04` (Blackwell), `NV_GPU_VBIOS_1010_0200_882_96005E0001`,
 * `NV_SWITCH_BIOS_5612_0002_890_96105E0001` (docs.nvidia.com, "RIM Service"). Refuses with `golden-values-malformed`.
 */
export function parseManifestId(id: string): ManifestId {
  const driver = /^NV_GPU_(?:CC_)?DRIVER_([A-Z0-9]{2,12})_([0-9.]{3,24})$/.exec(id)
  if (driver) return { component: 'driver', product: driver[1]!, version: driver[2]!, board: undefined }
  const vbios = /^NV_(GPU_VBIOS|SWITCH_BIOS)_([A-Z0-9]{1,12})_([A-Z0-9]{1,12})_([A-Z0-9]{1,12})_([0-9A-F]{6,24})$/.exec(id)
  if (!vbios) return malformed(`no manifest is called ${JSON.stringify(id.slice(0, 60))}`)
  const [, kind, project, projectSku, chipSku, version] = vbios as unknown as string[]
  return { component: 'vbios', product: undefined, version: version!, board: kind === 'GPU_VBIOS' ? { project: project!, projectSku: projectSku!, chipSku: chipSku! } : undefined }
}

/**
 * Verifies a reference integrity manifest (a SWID tag with the attributes of TCG's information model) and reads it. What is asked for must be what it
 * says: product and version of a driver, version of a VBIOS. A manifest does not say which board it is for; the wrong one's measurements do not match.
 */
export async function openManifest(
  bytes: Uint8Array,
  id: ManifestId,
  world: { roots: readonly Uint8Array[]; at: number; crypto: CryptoProvider },
): Promise<ReferenceManifest> {
  const root = parseXml(bytes)
  if (root.uri !== SWID || root.local !== 'SoftwareIdentity') malformed('not a software identity')
  const validity = await verifyEnvelopedSignature(root, world)
  const [meta, payload] = [only(root, 'Meta'), only(root, 'Payload')]
  const product = required(meta, 'product')
  const version = required(meta, 'colloquialVersion')
  const asked = id.component === 'driver' ? version === id.version : version.replaceAll('.', '').toUpperCase() === id.version
  const sameProduct = id.product === undefined || id.product === product
  if (!asked || !sameProduct) malformed(`${product} ${version} is not what was asked for`)
  const tagVersion = attributeIn(root, 'tagVersion') ?? '0'
  if (!/^\d{1,9}$/.test(tagVersion)) malformed('tag version')
  return { ...validity, product, version, revision: Number(tagVersion), measurements: measurements(payload) }
}

function measurements(payload: Element): ReferenceManifest['measurements'] {
  const resources = elementsIn(payload)
  const indices = new Set<string>()
  const active = resources.flatMap((resource) => {
    const index = required(resource, 'index')
    const plain = resource.uri === SWID && resource.local === 'Resource' && required(resource, 'type') === 'Measurement' && /^\d{1,3}$/.test(index)
    if (!plain || indices.has(index)) malformed(`measurement ${index}`)
    indices.add(index)
    const state = required(resource, 'active')
    if (state !== 'True' && state !== 'False') malformed(`measurement ${index} is neither active nor not`)
    return state === 'True' ? [{ index: Number(index), digests: digests(resource, index) }] : []
  })
  if (active.length === 0) malformed('nothing is measured')
  return active.sort((a, b) => a.index - b.index)
}

/** The alternatives, as many as the resource says there are. */
function digests(resource: Element, index: string): string[] {
  const count = Number(required(resource, 'alternatives'))
  const hashes = resource.attributes.filter(({ uri }) => uri === SHA384)
  if (required(resource, 'size') !== '48' || !Number.isInteger(count) || count < 1 || count !== hashes.length) malformed(`alternatives of measurement ${index}`)
  return Array.from({ length: count }, (_, i) => {
    const digest = attributeIn(resource, `Hash${i}`, SHA384) ?? malformed(`alternative ${i} of measurement ${index}`)
    return /^[0-9a-fA-F]{96}$/.test(digest) ? digest.toLowerCase() : malformed(`alternative ${i} of measurement ${index} is no SHA-384`)
  })
}

function only(root: Element, name: string): Element {
  const found = elementsIn(root).filter(({ uri, local }) => uri === SWID && local === name)
  return found.length === 1 ? found[0]! : malformed(`${found.length} elements ${name}`)
}

const required = (element: Element, name: string): string => attributeIn(element, name) ?? malformed(`${element.local} without ${name}`)
