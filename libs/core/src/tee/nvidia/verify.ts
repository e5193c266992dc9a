import { equal } from '../bytes.js'
import { commonName, nameAttribute, parseCertificate, type Certificate } from '../certificate.js'
import { ensure, refuse } from '../error.js'
import {
  openEnvelope,
  EndorsementSet,
  MEDIA_TYPES,
  provenance,
  type Endorsements,
  type Evidence,
  type EvidenceClaims,
  type VerifyContext,
  type Verifier,
} from '../evidence.js'
import { OID } from '../oid.js'
import { intersect, verifyPath, type Validity } from '../path.js'
import { decodeCertificates } from '../pem.js'
import { checkRevocation } from '../revocation.js'
import { decodeEvidenceList, type DeviceEvidence } from './evidence-list.js'
import { certifiedFwid } from './fwid.js'
import {
  compareGoldenValues,
  openGoldenValues,
  refuseConflicts,
  type Comparison,
  type GoldenValues,
} from './golden-values.js'
import {
  measurementNames,
  OPAQUE,
  opaqueNumber,
  opaqueText,
  parseSpdmReport,
  SPDM_BYTES_MAX,
  vbiosVersion,
  type SpdmReport,
} from './spdm.js'

/**
 * NVIDIA GPU and NVSwitch attestation reports.
 *
 * Endorsements: `device-chain` (five certificates, leaf to root), `ocsp` or `crl` for every certificate but the leaf
 * and the root (the leaf is made by the device and never registered), `golden-values` for driver and VBIOS.
 *
 * Reports do not say whether the device runs in a debugging mode, so `debug` is `undefined`: a device in another mode
 * measures differently, and it is golden values that tell. OCSP says `good` of serial numbers it has never seen
 * (docs.nvidia.com, "OCSP Responses"), so `good` means not revoked, no more.
 */
export const nvidiaGpu: Verifier = {
  kind: 'nvidia-gpu',
  verify: (evidence, context) => verify(evidence, context, 'nvidia-gpu'),
}
export const nvidiaSwitch: Verifier = {
  kind: 'nvidia-switch',
  verify: (evidence, context) => verify(evidence, context, 'nvidia-switch'),
}

type DeviceKind = 'nvidia-gpu' | 'nvidia-switch'

const CHAIN_BYTES_MAX = 32 * 1024
const CHAIN_LENGTH = 5
const ENABLED = 0xaa
const DISABLED = 0x55
const FEATURE_MULTI_GPU = 1
const FEATURE_PROTECTED_PCIE = 2

async function verify(evidence: Evidence, context: VerifyContext, kind: DeviceKind): Promise<EvidenceClaims> {
  const bytes = openEnvelope(evidence, kind, SPDM_BYTES_MAX)
  const endorsements = new EndorsementSet(context.endorsements, ['device-chain', 'ocsp', 'crl', 'golden-values'])
  const report = parseSpdmReport(bytes)

  const path = decodeCertificates(endorsements.one('device-chain', CHAIN_BYTES_MAX)).map(parseCertificate)
  ensure(path.length === CHAIN_LENGTH, 'evidence-malformed', `device chain of ${path.length} certificates`)
  const at = context.at.getTime()
  const { crypto } = context
  const pathValidity = await verifyPath({ path, roots: context.roots.nvidia ?? [], at, crypto })
  const needed = path.slice(1, -1)
  const ocsps = endorsements.all('ocsp')
  const revocation = await checkRevocation({
    path,
    needed,
    crls: endorsements.all('crl'),
    ocsps,
    mode: context.revocation,
    at,
    crypto,
  })
  const product = productOf(path[2]!, kind)
  await checkSignature(report, path[0]!, context)
  const fwid = checkFwid(report, path[0]!)
  const versions = versionsOf(report)
  const golden = await applyGoldenValues(report, product, versions, endorsements.all('golden-values', 2), context)

  const validity = intersect([pathValidity, ...revocation.windows, ...golden.windows])
  return {
    kind,
    role: kind === 'nvidia-gpu' ? 'gpu' : 'switch',
    product,
    platformId: deviceSerial(path[1]!),
    measurements: measurementNames(report),
    versions: { ...versions, ...golden.summary },
    userData: new Uint8Array(),
    nonce: report.nonce,
    debug: undefined,
    tcb: { svn: {}, advisories: [] },
    flags: {
      ...modeFlags(report),
      ...golden.flags,
      fwid,
      ocspGood: revocation.fact === 'checked' && ocsps.length === needed.length,
    },
    revocation: revocation.fact,
    validity: { notBefore: new Date(validity.notBefore), notAfter: new Date(validity.notAfter) },
    provenance: await provenance(
      kind,
      { root: path.at(-1)!.raw, signer: path[0]!.raw, evidence: bytes, endorsements },
      crypto,
    ),
  }
}

/**
 * Verifies every device of a serialised evidence list (NVIDIA's JSON) and refuses with `device-duplicate` if one comes
 * twice. The chains are in the list; `endorsementsOf` gives what else each device needs (its OCSP answers, golden
 * values), and `context.endorsements` must be empty.
 */
export async function verifyEvidenceList(
  list: Uint8Array,
  context: VerifyContext,
  endorsementsOf: (device: DeviceEvidence, index: number) => Endorsements,
): Promise<EvidenceClaims[]> {
  ensure(context.endorsements.length === 0, 'endorsement-unexpected', 'endorsements are given by device')
  const claims: EvidenceClaims[] = []
  for (const [i, device] of decodeEvidenceList(list).entries()) {
    const { kind, report, chain } = device
    const endorsements: Endorsements = [{ role: 'device-chain', bytes: chain }, ...endorsementsOf(device, i)]
    claims.push(await verify({ kind, mediaType: MEDIA_TYPES[kind], bytes: report }, { ...context, endorsements }, kind))
  }
  const devices = new Set(claims.map(({ platformId }) => platformId))
  ensure(devices.size === claims.length, 'device-duplicate', `${claims.length} reports of ${devices.size} devices`)
  return claims
}

/** `GH100`, `LS10`: the architecture for which NVIDIA's provisioning authority certifies devices. */
export function productOf(provisioner: Certificate, kind: DeviceKind): string {
  const name = commonName(provisioner.subject) ?? ''
  const product = /^NVIDIA ([A-Z]{2}_?\d{2,3}[A-Z]?) Provisioner ICA \d+$/.exec(name)?.[1]?.replace('_', '')
  ensure(product !== undefined, 'path-subject-unexpected', `${name} where a provisioner belongs`)
  const actual = product.startsWith('LS') ? 'nvidia-switch' : 'nvidia-gpu'
  ensure(actual === kind, 'evidence-kind-mismatch', `a ${product} is not ${kind}`)
  return product
}

/** The serial number in the name of the device's identity certificate; it outlives every boot. */
function deviceSerial(identity: Certificate): string {
  const serial = nameAttribute(identity.subject, OID.serialNumber) ?? ''
  const wellFormed = /^[0-9A-F]{8,64}$/.test(serial)
  return wellFormed ? serial.toLowerCase() : refuse('path-subject-unexpected', 'the device has no serial number')
}

async function checkSignature(
  report: SpdmReport,
  { publicKey }: Certificate,
  { crypto }: VerifyContext,
): Promise<void> {
  const p384 = publicKey.type === 'ec' && publicKey.curve === 'P-384'
  ensure(p384, 'certificate-algorithm-unsupported', 'the signing key is not P-384')
  const genuine = await crypto.verifyEcdsa({
    curve: 'P-384',
    hash: 'SHA-384',
    publicKey: publicKey.point,
    signature: report.signature,
    message: report.signed,
  })
  ensure(genuine, 'evidence-signature-invalid', 'the report is not signed by the device’s key')
}

/** Old drivers leave the firmware identity out of the report; the fact says whether it was there and agreed. */
function checkFwid({ opaque }: SpdmReport, leaf: Certificate): boolean {
  const certified = certifiedFwid(leaf)
  const reported = opaque.get(OPAQUE.fwid)
  ensure(!reported || equal(reported, certified), 'fwid-mismatch', 'the report was made by other firmware')
  return reported !== undefined
}

function versionsOf(report: SpdmReport): Record<string, string> {
  const fields = {
    driver: opaqueText(report, OPAQUE.driverVersion),
    vbios: vbiosVersion(report),
    project: opaqueText(report, OPAQUE.project),
    projectSku: opaqueText(report, OPAQUE.projectSku),
    chipSku: opaqueText(report, OPAQUE.chipSku),
  }
  return Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

function modeFlags(report: SpdmReport): Record<string, boolean> {
  const feature = opaqueNumber(report, OPAQUE.featureFlag)
  return {
    multiGpu: feature === FEATURE_MULTI_GPU,
    ppcie: feature === FEATURE_PROTECTED_PCIE || opaqueNumber(report, OPAQUE.protectedPcieStatus) === ENABLED,
    nvdec0Disabled: isNvdec0Disabled(report),
  }
}

function isNvdec0Disabled(report: SpdmReport): boolean {
  return opaqueNumber(report, OPAQUE.nvdec0Status) === DISABLED
}

interface GoldenFacts {
  readonly flags: { readonly goldenDriver: boolean; readonly goldenVbios: boolean }
  /** `goldenVbios: "11 of 12"`, for people. */
  readonly summary: Readonly<Record<string, string>>
  readonly windows: readonly Validity[]
}

async function applyGoldenValues(
  report: SpdmReport,
  product: string,
  versions: Readonly<Record<string, string>>,
  items: readonly Uint8Array[],
  { roots, at, crypto }: VerifyContext,
): Promise<GoldenFacts> {
  const all: GoldenValues[] = []
  for (const item of items) all.push(await openGoldenValues(item, roots.goldenValueSigners ?? [], at.getTime(), crypto))
  refuseConflicts(all)
  for (const golden of all) checkApplicable(golden, product, versions)
  const nvdec0Disabled = isNvdec0Disabled(report)
  const comparisons = all.map((golden) => compareGoldenValues(report.measurements, golden, { nvdec0Disabled }))
  const clean = (component: Comparison['component']) =>
    comparisons.some((one) => one.component === component && one.compared > 0 && one.mismatches.length === 0)
  return {
    flags: { goldenDriver: clean('driver'), goldenVbios: clean('vbios') },
    summary: Object.fromEntries(
      comparisons.map((one) => [SUMMARY_NAMES[one.component], `${one.matched} of ${one.compared}`]),
    ),
    windows: all,
  }
}

const SUMMARY_NAMES = { driver: 'goldenDriver', vbios: 'goldenVbios' } as const

/** Golden values of another product, version or board would compare by accident; they refuse. */
function checkApplicable(golden: GoldenValues, product: string, versions: Readonly<Record<string, string>>): void {
  const reported = versions[golden.component]
  const sameVersion = reported?.toLowerCase() === golden.version.toLowerCase()
  const parts = ['project', 'projectSku', 'chipSku'] as const
  // A GPU names its board and so must its golden values; a switch names none.
  const sameBoard = parts.every((name) => golden.component === 'driver' || golden.board?.[name] === versions[name])
  const applicable = golden.product === product && sameVersion && sameBoard
  ensure(
    applicable,
    'golden-values-not-applicable',
    `${golden.component} ${golden.version} of ${golden.product} (${golden.sourceId})`,
  )
}
