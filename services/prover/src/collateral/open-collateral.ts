import type { CryptoProvider, TrustAnchors } from '@haca/core/tee'
import { NVIDIA_MANIFEST_ROOT } from '@haca/core/tee/collateral'
import type { Blobs, KeyArchive } from '@haca/platform/blobs'
import type { Logger } from '@haca/platform/log'
import { Library } from './library.js'
import type { GoldenSigner } from './manifest/golden-values.js'
import type { Vendor } from './statement.js'
import { VendorCollateral } from './vendor-collateral.js'
import { VendorHttp, vendorHttpDefaults, type VendorHttpOptions } from './vendor-http.js'
import { amd } from './vendors/amd.js'
import { aws } from './vendors/aws.js'
import { intel } from './vendors/intel.js'
import { nvidia } from './vendors/nvidia.js'

/** Where vendors are asked; a mirror may stand in for any of them, because nothing is believed for where it came from. */
export interface VendorUrls {
  readonly intelPcs: string
  readonly intelCertificates: string
  readonly amdKds: string
  readonly nvidiaRim: string
  readonly nvidiaOcsp: string
  /** Lists are asked for at the addresses that Nitro's certificates name, unless there is a mirror of their paths. */
  readonly aws: string | undefined
}

/** AMD's service answers 429 to whoever asks more often than every few seconds. */
const amdSpacingMs = 3_000

/** The vendors' own services. */
export const vendorDefaults = {
  intelPcs: 'https://api.trustedservices.intel.com',
  intelCertificates: 'https://certificates.trustedservices.intel.com',
  amdKds: 'https://kdsintf.amd.com',
  nvidiaRim: 'https://rim.attestation.nvidia.com',
  nvidiaOcsp: 'https://ocsp.ndis.nvidia.com',
  aws: undefined,
} as const satisfies VendorUrls

/** Every vendor, spoken to with these manners. */
export function openVendors(urls: VendorUrls, manners: Omit<VendorHttpOptions, 'baseUrl'>): Vendor[] {
  const at = (baseUrl: string): VendorHttp => new VendorHttp({ ...manners, baseUrl })
  const kds = new VendorHttp({ ...manners, spacingMs: manners.spacingMs === 0 ? 0 : Math.max(manners.spacingMs, amdSpacingMs), baseUrl: urls.amdKds })
  return [intel(at(urls.intelPcs), at(urls.intelCertificates)), amd(kds), nvidia(at(urls.nvidiaRim), at(urls.nvidiaOcsp)), aws(manners, urls.aws)]
}

export interface CollateralSettings {
  readonly mode: 'online' | 'offline'
  readonly urls: VendorUrls
  readonly deadlineMs: number
}

/** The seams of the process that collateral stands on. */
export interface CollateralWorld {
  readonly archive: KeyArchive
  readonly blobs: Blobs
  readonly roots: TrustAnchors
  readonly golden: GoldenSigner | undefined
  readonly crypto: CryptoProvider
  readonly logger: Logger
  now(): number
}

/** The library over the object store; by itself it asks nobody. */
export function openLibrary({ archive, blobs, roots, golden, crypto, logger }: Omit<CollateralWorld, 'now'>, vendors: readonly Vendor[]): Library {
  return new Library({ archive, blobs, vendors, grounds: { roots, manifestRoots: [NVIDIA_MANIFEST_ROOT], golden, crypto }, logger })
}

/** The collateral service of a prover; `offline` knows what was imported and opens no connection. */
export function openCollateral(world: CollateralWorld, { mode, urls, deadlineMs }: CollateralSettings): VendorCollateral {
  const { roots, crypto, golden, logger, now } = world
  const vendors = openVendors(urls, vendorHttpDefaults)
  return new VendorCollateral({ library: openLibrary(world, vendors), vendors: mode === 'online' ? vendors : [], needs: { roots, crypto, goldenValues: golden !== undefined }, logger, deadlineMs, now })
}
