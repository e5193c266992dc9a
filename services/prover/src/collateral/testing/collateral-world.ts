import { Hex } from '@haca/core'
import { KeyBinding, MEDIA_TYPES, VENDOR_ROOTS, type Collection, type EndorsementRole, type Endorsements, type TeeKind, type TrustAnchors } from '@haca/core/tee'
import { NVIDIA_MANIFEST_ROOT } from '@haca/core/tee/collateral'
import { nodeCrypto } from '@haca/core/tee/node-crypto'
import { KeyArchive, MemoryBlobs, type Blobs } from '@haca/platform/blobs'
import { createLogger } from '@haca/platform/log'
import { Library } from '../library.js'
import { goldenSigner } from '../manifest/golden-values.js'
import { openVendors, type VendorUrls } from '../open-collateral.js'
import { VendorCollateral } from '../vendor-collateral.js'
import { vendorHttpDefaults } from '../vendor-http.js'
import type { Replies } from './local-vendors.js'

export const golden = goldenSigner(new Uint8Array(48).fill(7))
/** Roots that trust this prover's golden values too. */
export const trusted: TrustAnchors = { ...VENDOR_ROOTS, goldenValueSigners: [golden.publicKey] }

export interface WorldOptions {
  readonly blobs?: Blobs
  readonly roots?: TrustAnchors
  /** Every vendor at one address; nowhere where absent. */
  readonly url?: string
  readonly deadlineMs?: number
  /** Whether AWS's lists come from `url` too. */
  readonly mirrored?: boolean
}

/** A library and the service over it, at a time that the test moves. */
export function collateralWorld(at: string | Date, { blobs = new MemoryBlobs(), roots = trusted, url, deadlineMs = 5_000, mirrored = true }: WorldOptions = {}) {
  const clock = { now: new Date(at).getTime() }
  const crypto = nodeCrypto()
  const logger = createLogger('test', 'silent')
  const archive = new KeyArchive(blobs)
  const urls: VendorUrls | undefined = url ? { intelPcs: url, intelCertificates: url, amdKds: url, nvidiaRim: url, nvidiaOcsp: url, aws: mirrored ? url : undefined } : undefined
  const vendors = openVendors(urls ?? nowhere, { ...vendorHttpDefaults, spacingMs: 0, timeoutMs: 2_000, attemptsMax: 2, backoffMs: 1, random: () => 0 })
  const grounds = { roots, manifestRoots: [NVIDIA_MANIFEST_ROOT], golden, crypto }
  const library = new Library({ archive, blobs, vendors, grounds, logger })
  const collateral = new VendorCollateral({ library, vendors: urls ? vendors : [], needs: { roots, crypto, goldenValues: true }, logger, deadlineMs, now: () => clock.now })
  return { clock, crypto, archive, blobs, library, collateral, roots, logger }
}

const nowhere: VendorUrls = { intelPcs: 'http://intel.invalid', intelCertificates: 'http://intel.invalid', amdKds: 'http://amd.invalid', nvidiaRim: 'http://nvidia.invalid', nvidiaOcsp: 'http://nvidia.invalid', aws: undefined }

/** A collection with this machine; its binding binds nothing, because no verifier looks at it. */
export function collectionOf(kind: TeeKind, bytes: Uint8Array, endorsements: Endorsements = []): Collection.KeyCollection {
  const piece = { evidence: { kind, mediaType: MEDIA_TYPES[kind], bytes }, endorsements }
  const binding: KeyBinding.KeyBinding = {
    ...{ v: 1, domain: KeyBinding.BINDING_DOMAIN, chainId: 84532, registry: new Uint8Array(20), nodeId: new Uint8Array(32), kind },
    ...{ receiptKey: Hex.toBytes(`0x02${'11'.repeat(32)}`), hpkeKey: null, tlsSpki: null, models: [], imageId: 'x', session: new Uint8Array(16), gpu: [] },
  }
  return { binding, challenge: { verifierId: new Uint8Array(32), random: new Uint8Array(32), expiresAt: 0 }, machine: piece, devices: [] }
}

/** Intel's statements, by role, and the path of the PCK list's issuer. */
export interface IntelAnswers {
  readonly endorsements: Endorsements
  readonly listIssuerChain: string
  readonly fmspc: string
}

/** What Intel's service answers. */
export function intelReplies({ endorsements, listIssuerChain, fmspc }: IntelAnswers): Replies {
  const bytes = (role: EndorsementRole): Uint8Array => endorsements.find((one) => one.role === role)!.bytes
  const chain = (header: string, pem: string): Record<string, string> => ({ [header]: encodeURIComponent(pem) })
  const text = (role: EndorsementRole): string => new TextDecoder().decode(bytes(role))
  return {
    '/IntelSGXRootCA.der': { body: bytes('root-crl') },
    '/sgx/certification/v4/pckcrl?ca=platform&encoding=der': { body: bytes('pck-crl'), headers: chain('SGX-PCK-CRL-Issuer-Chain', listIssuerChain) },
    [`/tdx/certification/v4/tcb?fmspc=${fmspc}`]: { body: bytes('tcb-info'), headers: chain('TCB-Info-Issuer-Chain', text('tcb-info-chain')) },
    '/tdx/certification/v4/qe/identity': { body: bytes('qe-identity'), headers: chain('SGX-Enclave-Identity-Issuer-Chain', text('qe-identity-chain')) },
  }
}

/** What NVIDIA's service answers about a manifest. */
export const rimReply = (manifest: Uint8Array) => ({ body: JSON.stringify({ id: 'x', rim: Buffer.from(manifest).toString('base64') }) })
