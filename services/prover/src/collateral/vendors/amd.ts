import { AppError } from '@haca/core'
import { commonName, CRL_BYTES_MAX, decodeCertificates, ensure, equal, intersect, oneCertificate, parseCertificate, parseCrl, parseVekExtensions, refuse, SNP_PRODUCTS, tcbQuery, vekProduct, verifyIssuerPath, verifyPath, type Certificate, type SnpProduct } from '@haca/core/tee/collateral'
import { onlyParts, partOf, standingOf, unknownSubject, type Checked, type Grounds, type Part, type Statement, type Vendor } from '../statement.js'
import type { VendorHttp } from '../vendor-http.js'

/** `amd/crl/<Milan>` · `amd/issuer/<Milan>/<vcek|vlek>` · `amd/vcek/<Milan>/<hardware ID>/<TCB_VERSION>`, the last two in hexadecimal. */
type Asked =
  | { what: 'crl'; product: SnpProduct }
  | { what: 'issuer'; product: SnpProduct; key: 'vcek' | 'vlek' }
  | { what: 'vcek'; product: SnpProduct; hardwareId: string; tcb: string }

const CERTIFICATE_BYTES_MAX = 16 * 1024

/** AMD's Key Distribution Service (publication 57230). Endorsement keys never change and are asked for once. */
export const amd = (kds: VendorHttp): Vendor => ({
  name: 'amd',
  check,
  ask: async (subject, _context, signal) => ({ subject, parts: await ask(asked(subject), kds, signal) }),
})

function asked(subject: string): Asked {
  const [, what, name, one, two, ...rest] = subject.split('/')
  const product = SNP_PRODUCTS.find((known) => known === name) ?? unknownSubject(subject)
  if (rest.length > 0) return unknownSubject(subject)
  if (what === 'crl' && one === undefined) return { what, product }
  if (what === 'issuer' && (one === 'vcek' || one === 'vlek') && two === undefined) return { what, product, key: one }
  if (what === 'vcek' && /^([0-9a-f]{128}|[0-9a-f]{16})$/.test(one ?? '') && /^[0-9a-f]{16}$/.test(two ?? '')) return { what, product, hardwareId: one!, tcb: two! }
  return unknownSubject(subject)
}

async function ask(about: Asked, kds: VendorHttp, signal: AbortSignal): Promise<Part[]> {
  const { product } = about
  const issuer = async (key: 'vcek' | 'vlek'): Promise<Uint8Array> => firstOf((await kds.send({ path: `/${key}/v1/${product}/cert_chain`, bytesMax: 2 * CERTIFICATE_BYTES_MAX }, signal)).bytes)
  switch (about.what) {
    case 'crl':
      return [{ role: 'crl', bytes: (await kds.send({ path: `/vcek/v1/${product}/crl`, bytesMax: CRL_BYTES_MAX }, signal)).bytes }]
    case 'issuer':
      return [{ role: 'vek-issuer', bytes: await issuer(about.key) }]
    case 'vcek': {
      const query = tcbQuery(Buffer.from(about.tcb, 'hex'), product)
      const { bytes } = await kds.send({ path: `/vcek/v1/${product}/${about.hardwareId}`, query, bytesMax: CERTIFICATE_BYTES_MAX }, signal)
      return [{ role: 'vek', bytes }, { role: 'issuer-chain', bytes: await issuer('vcek') }]
    }
  }
}

/** The first of the bundle: ASK or ASVK. The ARK after it is pinned here and not taken from anybody. */
function firstOf(bundle: Uint8Array): Uint8Array {
  try {
    return decodeCertificates(bundle)[0]!
  } catch (cause) {
    throw new AppError('collateral.refused', { retryable: true, cause, detail: 'the chain of certificates is no PEM' })
  }
}

async function check(statement: Statement, at: number, grounds: Grounds): Promise<Checked> {
  const about = asked(statement.subject)
  const { crypto } = grounds
  const ark = parseCertificate(grounds.roots.amd?.[about.product] ?? refuse('path-root-untrusted', `no root is pinned for ${about.product}`))
  switch (about.what) {
    case 'crl': {
      onlyParts(statement, ['crl'])
      const crl = await parseCrl(partOf(statement.parts, 'crl')).authenticate(ark, at, crypto)
      return { statement, standing: standingOf(crl.number ?? 0, crl.notBefore, crl.notAfter), notBefore: crl.notBefore, notAfter: crl.notAfter }
    }
    case 'issuer': {
      onlyParts(statement, ['vek-issuer'])
      const issuer = certificate(statement, 'vek-issuer')
      const validity = await issuerValidity(issuer, ark, about, at, grounds)
      return { statement, standing: standingOf(issuer.notBefore, issuer.notAfter), ...validity }
    }
    case 'vcek':
      return checkVcek(statement, about, ark, at, grounds)
  }
}

async function issuerValidity(issuer: Certificate, ark: Certificate, { product, key }: { product: SnpProduct; key: 'vcek' | 'vlek' }, at: number, { crypto }: Grounds) {
  const validity = await verifyIssuerPath({ path: [issuer, ark], roots: [ark.raw], at, crypto })
  const name = key === 'vcek' ? `SEV-${product}` : `SEV-VLEK-${product}`
  ensure(commonName(issuer.subject) === name, 'collateral-mismatch', `${commonName(issuer.subject)} where ${name} belongs`)
  return validity
}

/** For this chip and this TCB, and no other: the verifier compares the same with the report. */
async function checkVcek(statement: Statement, about: Asked & { what: 'vcek' }, ark: Certificate, at: number, grounds: Grounds): Promise<Checked> {
  onlyParts(statement, ['vek', 'issuer-chain'])
  const vek = certificate(statement, 'vek')
  const issuer = certificate(statement, 'issuer-chain')
  const above = await issuerValidity(issuer, ark, { product: about.product, key: 'vcek' }, at, grounds)
  const path = await verifyPath({ path: [vek, issuer, ark], roots: [ark.raw], at, crypto: grounds.crypto })
  ensure(vekProduct(vek) === about.product && commonName(vek.subject) === 'SEV-VCEK', 'collateral-mismatch', 'not an endorsement key of this product')
  const { tcb, hardwareId } = parseVekExtensions(vek, about.product)
  const same = hardwareId !== undefined && equal(hardwareId, Buffer.from(about.hardwareId, 'hex')) && equal(tcb, Buffer.from(about.tcb, 'hex'))
  ensure(same, 'collateral-mismatch', 'the endorsement key of another chip or TCB')
  return { statement, standing: standingOf(vek.notBefore, vek.notAfter), ...intersect([above, path]) }
}

const certificate = ({ parts }: Statement, role: 'vek' | 'vek-issuer' | 'issuer-chain'): Certificate => parseCertificate(oneCertificate(partOf(parts, role)))
