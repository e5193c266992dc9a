import { AttestationError, type Collection, type CryptoProvider, type EndorsementRole, type TrustAnchors } from '@haca/core/tee'
import {
  commonName, crlDistributionPoints, decodeCertificates, deviceProduct, hardwareIdOf, nitroCertificates, oneCertificate, OPAQUE, opaqueText, parseCertificate, parsePckPlatform, parseQuote,
  parseSnpReport, parseSpdmReport, productOfCpuid, toHex, utf8, vbiosVersion, vekProduct, verifyPath, withDistributionPoint, type SnpProduct,
} from '@haca/core/tee/collateral'
import { parseManifestId } from './manifest/reference-manifest.js'
import { pemOf, sha256, type Part } from './statement.js'

/** What a piece of evidence needs to be known about it, and what only the evidence can tell of that. */
export interface Need {
  readonly subject: string
  readonly context: readonly Part[]
}

export interface NeedsWorld {
  readonly roots: TrustAnchors
  readonly crypto: CryptoProvider
  /** Whether golden values are made here. */
  readonly goldenValues: boolean
}

/**
 * What a piece needs beyond what its node supplied. Where evidence carries a path, it is verified before anything is asked in its name: a stranger must
 * not choose what we ask vendors about. Evidence that does not hold needs nothing, because its verifier will refuse it.
 */
export async function needsOf(piece: Collection.Piece, at: Date, world: NeedsWorld): Promise<Need[]> {
  try {
    return unique(await needs(piece, at.getTime(), world))
  } catch (error) {
    if (error instanceof AttestationError) return []
    throw error
  }
}

async function needs(piece: Collection.Piece, at: number, world: NeedsWorld): Promise<Need[]> {
  const { kind, bytes } = piece.evidence
  switch (kind) {
    case 'tdx':
    case 'sgx':
      return intelNeeds(bytes, kind, at, world)
    case 'sev-snp':
      return amdNeeds(piece)
    case 'nitro':
      return awsNeeds(bytes, at, world)
    case 'nvidia-gpu':
    case 'nvidia-switch':
      return nvidiaNeeds(piece, kind, at, world)
    case 'simulated':
      return []
  }
}

const plain = (subject: string): Need => ({ subject, context: [] })

async function intelNeeds(bytes: Uint8Array, kind: 'tdx' | 'sgx', at: number, { roots, crypto }: NeedsWorld): Promise<Need[]> {
  const path = decodeCertificates(parseQuote(bytes).pckChain).map(parseCertificate)
  await verifyPath({ path, roots: roots.intel ?? [], at, crypto })
  const fmspc = toHex(parsePckPlatform(path[0]!).fmspc)
  const ca = path[1] && commonName(path[1].subject) === 'Intel SGX PCK Processor CA' ? 'processor' : 'platform'
  return [`intel/root-crl`, `intel/pck-crl/${ca}`, `intel/tcb-info/${kind}/${fmspc}`, `intel/qe-identity/${kind}`].map(plain)
}

/** A report of version 2 does not say of which product it is; then its node must supply the key. */
function amdNeeds({ evidence, endorsements }: Collection.Piece): Need[] {
  const report = parseSnpReport(evidence.bytes)
  const supplied = (role: EndorsementRole): Uint8Array | undefined => endorsements.find((one) => one.role === role)?.bytes
  const vek = supplied('vek')
  const { cpuid } = report
  const product: SnpProduct | undefined = vek ? vekProduct(parseCertificate(oneCertificate(vek))) : cpuid && productOfCpuid(cpuid.family, cpuid.model)
  if (!product) return []
  const key = report.signingKey === 1 ? 'vlek' : 'vcek'
  return [
    plain(`amd/crl/${product}`),
    ...(supplied('vek-issuer') ? [] : [plain(`amd/issuer/${product}/${key}`)]),
    // A VLEK belongs to its cloud, and only nodes there can have it.
    ...(vek || key === 'vlek' ? [] : [plain(`amd/vcek/${product}/${toHex(hardwareIdOf(report.chipId, product))}/${toHex(report.reportedTcb)}`)]),
  ]
}

async function awsNeeds(bytes: Uint8Array, at: number, { roots, crypto }: NeedsWorld): Promise<Need[]> {
  const path = nitroCertificates(bytes)
  await verifyPath({ path, roots: roots.aws ?? [], at, crypto })
  return withDistributionPoint(path).map((certificate) => {
    const location = utf8(crlDistributionPoints(certificate)[0]!)
    const above = path.slice(path.indexOf(certificate) + 1)
    return { subject: `aws/crl/${sha256(location)}`, context: [{ role: 'location', bytes: location }, { role: 'issuer-chain', bytes: pemOf(above) }] }
  })
}

/** Everything above the leaf, which the device made itself, and below the root. */
async function nvidiaNeeds({ evidence, endorsements }: Collection.Piece, kind: 'nvidia-gpu' | 'nvidia-switch', at: number, { roots, crypto, goldenValues }: NeedsWorld): Promise<Need[]> {
  const chain = endorsements.find(({ role }) => role === 'device-chain')?.bytes ?? new Uint8Array()
  const path = decodeCertificates(chain).map(parseCertificate)
  await verifyPath({ path, roots: roots.nvidia ?? [], at, crypto })
  const asked = path.slice(1, -1).map((certificate) => ({
    subject: `nvidia/ocsp/${sha256(certificate.raw)}`,
    context: [{ role: 'issuer-chain', bytes: pemOf(path.slice(path.indexOf(certificate))) } as const],
  }))
  const manifests = goldenValues ? manifestIds(evidence.bytes, kind, deviceProduct(path[2]!, kind)) : []
  return [...asked, ...manifests.map((id) => plain(`nvidia/rim/${id}`))]
}

/** NVSwitches name no board in their reports; NVIDIA publishes one for the LS10. */
const LS10_BOARD = '5612_0002_890'

/**
 * The names of a device's manifests (docs.nvidia.com, "RIM Service"). Hopper's drivers go by the architecture, Blackwell's by the chip that the report names.
 * What the report says here is not proven yet, so a name of another form is no name.
 */
function manifestIds(bytes: Uint8Array, kind: 'nvidia-gpu' | 'nvidia-switch', product: string): string[] {
  const report = parseSpdmReport(bytes)
  const text = (type: number): string => (opaqueText(report, type) ?? '').toUpperCase()
  const vbios = (vbiosVersion(report) ?? '').replaceAll('.', '').toUpperCase()
  const driver = text(OPAQUE.driverVersion)
  const prefix = product.startsWith('GH') ? `NV_GPU_DRIVER_${product}` : `NV_GPU_CC_DRIVER_${text(OPAQUE.chipInfo) || product}`
  const ids =
    kind === 'nvidia-switch'
      ? [`NV_SWITCH_BIOS_${LS10_BOARD}_${vbios}`]
      : [`${prefix}_${driver}`, `NV_GPU_VBIOS_${text(OPAQUE.project)}_${text(OPAQUE.projectSku)}_${text(OPAQUE.chipSku)}_${vbios}`]
  for (const id of ids) parseManifestId(id)
  return ids
}

/** Two certificates may name one list. */
const unique = (all: readonly Need[]): Need[] => [...new Map(all.map((need) => [need.subject, need])).values()]
