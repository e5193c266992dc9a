import { VendorHttp, type VendorHttpOptions } from './vendor-http.js'
import type { Vendor } from './statement.js'
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

/** Every vendor, spoken to with these manners. */
export function openVendors(urls: VendorUrls, manners: Omit<VendorHttpOptions, 'baseUrl'>): Vendor[] {
  const at = (baseUrl: string): VendorHttp => new VendorHttp({ ...manners, baseUrl })
  const kds = new VendorHttp({ ...manners, spacingMs: manners.spacingMs === 0 ? 0 : Math.max(manners.spacingMs, amdSpacingMs), baseUrl: urls.amdKds })
  return [intel(at(urls.intelPcs), at(urls.intelCertificates)), amd(kds), nvidia(at(urls.nvidiaRim), at(urls.nvidiaOcsp)), aws(manners, urls.aws)]
}
