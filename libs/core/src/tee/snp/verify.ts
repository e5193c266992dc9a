import { equal, isZero, toHex } from '../bytes.js'
import { commonName, parseCertificate, type Certificate } from '../certificate.js'
import { ensure, refuse } from '../error.js'
import {
  openEnvelope,
  EndorsementSet,
  provenance,
  type Evidence,
  type EvidenceClaims,
  type VerifyContext,
  type Verifier,
} from '../evidence.js'
import { intersect, verifyPath } from '../path.js'
import { oneCertificate } from '../pem.js'
import { checkRevocation, withDistributionPoint } from '../revocation.js'
import { parseSnpReport, SNP_REPORT_BYTES, type SnpReport } from './report.js'
import { parseVekExtensions, productOf, tcbComponents, type SnpProduct, type VekExtensions } from './vek.js'

/**
 * AMD SEV-SNP attestation reports.
 *
 * Endorsements: `vek` (the VCEK or VLEK), `vek-issuer` (the ASK or ASVK), and `crl` (the ARK's list; it covers the
 * certificate below the root. VCEKs carry serial number zero and no distribution point, so AMD withdraws one by raising
 * the TCB, and a policy by denying its chip).
 */
export const snp: Verifier = { kind: 'sev-snp', verify }

const CERTIFICATE_BYTES_MAX = 16 * 1024

/** SIGNING_KEY in the report, and the names AMD gives each key's certificate and issuer. */
const SIGNERS = {
  0: { name: 'VCEK', subject: 'SEV-VCEK', issuer: (product: SnpProduct) => `SEV-${product}` },
  1: { name: 'VLEK', subject: 'SEV-VLEK', issuer: (product: SnpProduct) => `SEV-VLEK-${product}` },
} as const
type Signer = (typeof SIGNERS)[0 | 1]

async function verify(evidence: Evidence, context: VerifyContext): Promise<EvidenceClaims> {
  const bytes = openEnvelope(evidence, 'sev-snp', SNP_REPORT_BYTES)
  const endorsements = new EndorsementSet(context.endorsements, ['vek', 'vek-issuer', 'crl'])
  const report = parseSnpReport(bytes)
  const signer = signerOf(report)

  const vek = parseCertificate(oneCertificate(endorsements.one('vek', CERTIFICATE_BYTES_MAX)))
  const product = productOf(vek)
  const path = pathOf(vek, product, endorsements, context)
  const at = context.at.getTime()
  const { crypto } = context
  const pathValidity = await verifyPath({ path, roots: [path[2].raw], at, crypto })
  checkNames(path, signer, product)
  const revocation = await checkRevocation({
    path,
    needed: withDistributionPoint(path),
    crls: endorsements.all('crl'),
    ocsps: [],
    mode: context.revocation,
    at,
    crypto,
  })
  await checkSignature(report, vek, context)
  const extensions = parseVekExtensions(vek, product)
  checkPlatform(report, product, extensions, signer)

  const validity = intersect([pathValidity, ...revocation.windows])
  const platformId = extensions.hardwareId ?? (isZero(report.chipId) ? undefined : report.chipId)
  return {
    kind: 'sev-snp',
    role: 'cpu',
    product,
    ...(platformId && { platformId: toHex(platformId) }),
    measurements: {
      measurement: toHex(report.measurement),
      hostData: toHex(report.hostData),
      idKeyDigest: toHex(report.idKeyDigest),
      authorKeyDigest: toHex(report.authorKeyDigest),
      reportId: toHex(report.reportId),
      familyId: toHex(report.familyId),
      imageId: toHex(report.imageId),
    },
    versions: { report: String(report.version), ...(extensions.cspId !== undefined && { cspId: extensions.cspId }) },
    userData: report.reportData,
    ...policyFacts(report.policy),
    tcb: { svn: svns(report, product), advisories: [] },
    flags: { ...policyFlags(report.policy), ...platformFlags(report.platformInfo), vlek: signer.name === 'VLEK' },
    revocation: revocation.fact,
    validity: { notBefore: new Date(validity.notBefore), notAfter: new Date(validity.notAfter) },
    provenance: await provenance(
      'sev-snp',
      { root: path[2].raw, signer: vek.raw, evidence: bytes, endorsements },
      crypto,
    ),
  }
}

function signerOf({ signingKey, maskChipKey }: SnpReport): Signer {
  ensure(!maskChipKey, 'snp-signer-mismatch', 'the host masks the chip’s key')
  ensure(signingKey === 0 || signingKey === 1, 'snp-signer-mismatch', `signing key ${signingKey}`)
  return SIGNERS[signingKey]
}

/** VEK ← ASK or ASVK ← the ARK pinned for the product that the VEK names. */
function pathOf(
  vek: Certificate,
  product: SnpProduct,
  endorsements: EndorsementSet,
  { roots }: VerifyContext,
): readonly [Certificate, Certificate, Certificate] {
  const ark = roots.amd?.[product] ?? refuse('path-root-untrusted', `no root is pinned for ${product}`)
  const issuer = parseCertificate(oneCertificate(endorsements.one('vek-issuer', CERTIFICATE_BYTES_MAX)))
  return [vek, issuer, parseCertificate(ark)]
}

function checkNames(path: readonly Certificate[], signer: Signer, product: SnpProduct): void {
  const expected = [signer.subject, signer.issuer(product), `ARK-${product}`]
  for (const [i, certificate] of path.entries()) {
    const name = commonName(certificate.subject) ?? ''
    ensure(name === expected[i], 'path-subject-unexpected', `${name} where ${expected[i]} belongs`)
  }
}

async function checkSignature(report: SnpReport, { publicKey }: Certificate, { crypto }: VerifyContext): Promise<void> {
  const p384 = publicKey.type === 'ec' && publicKey.curve === 'P-384'
  ensure(p384, 'certificate-algorithm-unsupported', 'the endorsement key is not P-384')
  const genuine = await crypto.verifyEcdsa({
    curve: 'P-384',
    hash: 'SHA-384',
    publicKey: publicKey.point,
    signature: report.signature,
    message: report.signed,
  })
  ensure(genuine, 'evidence-signature-invalid', 'the report is not signed by the endorsement key')
}

/** The certificate was made for this TCB, this chip and this family. */
function checkPlatform(
  report: SnpReport,
  product: SnpProduct,
  { tcb, hardwareId }: VekExtensions,
  signer: Signer,
): void {
  ensure(equal(tcb, report.reportedTcb), 'snp-tcb-mismatch', 'the certificate is for another TCB than the reported one')
  const bound = (hardwareId !== undefined) === (signer.name === 'VCEK')
  ensure(bound, 'snp-extension-malformed', `a ${signer.name} ${hardwareId ? 'with' : 'without'} hardware ID`)
  const sameChip = !hardwareId || equal(hardwareId, report.chipId.subarray(0, hardwareId.length))
  ensure(sameChip, 'snp-chip-id-mismatch', 'the certificate is for another chip')
  const { cpuid } = report
  const family = cpuid && productOfCpuid(cpuid.family, cpuid.model)
  ensure(!cpuid || family === product, 'snp-product-mismatch', `CPUID says ${family}, the certificate ${product}`)
  ensure(report.vmpl <= 3, 'evidence-malformed', `VMPL ${report.vmpl}`)
}

/** By CPUID family and model (AMD publication 57230, table "product name"). */
export function productOfCpuid(family: number, model: number): SnpProduct | undefined {
  if (family === 0x19 && model <= 0x0f) return 'Milan'
  if (family === 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf))) return 'Genoa'
  return family === 0x1a && model <= 0x1f ? 'Turin' : undefined
}

/** Bits of the guest policy (56860, table "guest policy"); bit 17 is always one, bits above 25 are reserved. */
const POLICY_FLAGS: Readonly<Record<number, string>> = {
  16: 'smtAllowed',
  18: 'migrateMa',
  20: 'singleSocket',
  21: 'cxlAllowed',
  22: 'memAes256Xts',
  23: 'raplDisabledRequired',
  24: 'ciphertextHidingRequired',
  25: 'pageSwapDisabled',
}
const POLICY_DEBUG = 19n
const POLICY_ALWAYS_ONE = 17n
const POLICY_BITS = 26n

/** Bits of PLATFORM_INFO; later firmware may set more, which change nothing here. */
const PLATFORM_FLAGS: Readonly<Record<number, string>> = {
  0: 'smt',
  1: 'tsme',
  2: 'ecc',
  3: 'raplDisabled',
  4: 'ciphertextHiding',
  5: 'aliasCheck',
  7: 'tio',
}

function policyFacts(policy: bigint): { debug: boolean } {
  ensure(bit(policy, POLICY_ALWAYS_ONE), 'evidence-malformed', 'guest policy bit 17 is not set')
  ensure(policy >> POLICY_BITS === 0n, 'evidence-reserved-not-zero', 'guest policy bits above 25')
  return { debug: bit(policy, POLICY_DEBUG) }
}

function policyFlags(policy: bigint): Record<string, boolean> {
  return Object.fromEntries(Object.entries(POLICY_FLAGS).map(([n, name]) => [name, bit(policy, BigInt(n))]))
}

function platformFlags(info: bigint): Record<string, boolean> {
  return Object.fromEntries(Object.entries(PLATFORM_FLAGS).map(([n, name]) => [name, bit(info, BigInt(n))]))
}

/** Reported levels under their own names, committed and launch levels with a prefix. */
function svns(report: SnpReport, product: SnpProduct): Record<string, number> {
  const prefixed = (prefix: string, tcb: Uint8Array) =>
    Object.entries(tcbComponents(tcb, product)).map(([name, svn]) => [`${prefix}.${name}`, svn] as const)
  return {
    ...tcbComponents(report.reportedTcb, product),
    ...Object.fromEntries([
      ...prefixed('committed', report.committedTcb),
      ...prefixed('launch', report.launchTcb),
      ...prefixed('current', report.currentTcb),
    ]),
    vmpl: report.vmpl,
    guest: report.guestSvn,
    abiMajor: Number((report.policy >> 8n) & 0xffn),
    abiMinor: Number(report.policy & 0xffn),
  }
}

function bit(value: bigint, n: bigint): boolean {
  return ((value >> n) & 1n) === 1n
}
